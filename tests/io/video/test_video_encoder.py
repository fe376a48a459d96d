from __future__ import annotations

from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendering import index_of, numbered

from siamtrack.errors import OutputError, UsageError
from siamtrack.io.sources import open_source
from siamtrack.io.video import encoder as video_encoder
from siamtrack.io.video.encoder import VideoEncoder, count_frames

NTSC = Fraction(30000, 1001)


class TestVideo:
    @pytest.mark.parametrize("extension", ["mp4", "mkv", "mov", "avi", "MP4"])
    @pytest.mark.parametrize("rate", [Fraction(25), NTSC, Fraction(24000, 1001), Fraction(15, 2)])
    def test_rate_size_and_every_frame_come_back(self, tmp_path: Path, extension: str, rate: Fraction) -> None:
        path = tmp_path / f"out.{extension}"
        with VideoEncoder(path, 96, 64, rate) as sink:
            for index in range(20):
                sink.write(numbered(index))
            assert sink.written == 20
        with open_source(path) as source:
            assert source.info.rate == rate
            assert (source.info.width, source.info.height) == (96, 64)
            frames = list(source)
        assert source.warnings == []
        assert [index_of(frame.image) for frame in frames if frame.image is not None] == list(range(20))
        assert [frame.time for frame in frames] == pytest.approx([float(i / rate) for i in range(20)], abs=1e-3)

    @pytest.mark.parametrize("threads", [1, 3])
    def test_a_number_of_threads_changes_no_frame(self, tmp_path: Path, threads: int) -> None:
        path = tmp_path / "out.mp4"
        with VideoEncoder(path, 96, 64, NTSC, threads=threads) as sink:
            for index in range(20):
                sink.write(numbered(index))
            assert sink._stream.codec_context.thread_count == threads
        with open_source(path, threads=threads) as source:
            assert [index_of(frame.image) for frame in source if frame.image is not None] == list(range(20))

    def test_it_is_h264_that_plays_everywhere(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mp4"
        with VideoEncoder(path, 96, 64, NTSC) as sink:
            sink.write(numbered(0))
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
            assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        content = path.read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")  # plays before it is loaded to the end

    def test_colors_are_stored_as_in_the_standard(self, tmp_path: Path) -> None:
        """ITU-R BT.709, limited range."""
        colors = [*product((0, 255), repeat=3), *np.random.default_rng(0).integers(0, 256, (100, 3)).tolist()]
        with VideoEncoder(tmp_path / "out.mp4", 47, 31, Fraction(30)) as sink:
            for b, g, r in colors:
                luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
                u, v = (b - luma) / 1.8556, (r - luma) / 1.5748
                frame = sink.convert(np.full((31, 47, 3), (b, g, r), np.uint8))
                expected = 16 + 219 / 255 * luma, 128 + 224 / 255 * u, 128 + 224 / 255 * v
                for plane, value in zip(frame.planes, expected, strict=True):
                    stored = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
                    np.testing.assert_allclose(stored.astype(float), value, atol=1)
                sink.encode(frame)

    def test_colors_come_back(self, tmp_path: Path) -> None:
        colors = np.array([(0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255), (0, 0, 0), (30, 200, 220)], np.uint8)
        image = np.repeat(np.repeat(colors[None], 64, 0), 32, 1)
        path = tmp_path / "out.mp4"
        with VideoEncoder(path, image.shape[1], 64, Fraction(25)) as sink:
            sink.write(image)
        with open_source(path) as source:
            played = next(source).image
        assert played is not None
        np.testing.assert_allclose(played[32, 16::32].astype(int), colors, atol=4)

    @pytest.mark.parametrize(("width", "height"), [(97, 64), (96, 63), (33, 31), (2, 2), (1, 1)])
    def test_odd_sizes_are_padded(self, tmp_path: Path, width: int, height: int) -> None:
        image = np.full((height, width, 3), (40, 120, 200), np.uint8)
        path = tmp_path / "out.mp4"
        with VideoEncoder(path, width, height, Fraction(25)) as sink:
            sink.write(image)
        with open_source(path) as source:
            played = next(source).image
        assert played is not None
        assert played.shape == (height + height % 2, width + width % 2, 3)
        # No dark rim: the added row and column continue the picture.
        np.testing.assert_allclose(played.astype(int), np.broadcast_to((40, 120, 200), played.shape), atol=5)

    def test_other_sizes_are_letterboxed_and_other_kinds_converted(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mp4"
        with VideoEncoder(path, 96, 64, Fraction(25)) as sink:
            sink.write(np.full((64, 96, 3), 200, np.uint8))
            sink.write(np.full((300, 100, 3), 200, np.uint8))
            sink.write(np.full((64, 96), 200, np.uint8))
        with open_source(path) as source:
            first, tall, gray = (frame.image for frame in source)
        assert first is not None
        assert tall is not None
        assert gray is not None
        assert tall.shape == first.shape
        assert tall[:, :30].max() < 10
        assert tall[8:-8, 44:52].min() > 190
        assert gray.min() > 190

    def test_its_input_is_not_changed(self, tmp_path: Path) -> None:
        image = numbered(3)
        with VideoEncoder(tmp_path / "out.mp4", 96, 64, Fraction(25)) as sink:
            sink.write(image)
        np.testing.assert_array_equal(image, numbered(3))

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
    def test_it_plays_after_an_error(self, tmp_path: Path, error: type[BaseException]) -> None:
        path = tmp_path / "out.mp4"

        def work() -> None:
            with VideoEncoder(path, 96, 64, Fraction(25)) as sink:
                for index in range(9):
                    sink.write(numbered(index))
                raise error

        with pytest.raises(error):
            work()
        with open_source(path) as source:
            assert [index_of(frame.image) for frame in source if frame.image is not None] == list(range(9))

    def test_closing_twice_is_fine_and_writing_after_it_is_not(self, tmp_path: Path) -> None:
        sink = VideoEncoder(tmp_path / "out.mp4", 96, 64, Fraction(25))
        sink.write(numbered(0))
        sink.close()
        sink.close()
        with pytest.raises(OutputError, match="is closed"):
            sink.write(numbered(1))

    def test_no_frame_is_an_error_and_leaves_no_file(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mp4"
        with pytest.raises(OutputError, match="no frame was written"):
            VideoEncoder(path, 96, 64, Fraction(25)).close()
        assert not path.exists()

    def test_an_error_before_the_first_frame_is_the_one_told(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="mine"), VideoEncoder(tmp_path / "out.mp4", 96, 64, Fraction(25)):
            raise ValueError("mine")
        assert list(tmp_path.iterdir()) == []

    def test_missing_frames_are_noticed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "out.mkv"
        sink = VideoEncoder(path, 96, 64, Fraction(25))
        for index in range(30):
            sink.write(numbered(index))

        def cut_and_count(target: Path) -> int:
            target.write_bytes(target.read_bytes()[: target.stat().st_size // 2])
            return count_frames(target)

        monkeypatch.setattr(video_encoder, "count_frames", cut_and_count)
        with pytest.raises(OutputError, match=r"holds \d+ of the 30 frames written"):
            sink.close()

    @pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    def test_disk_full(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.symlink_to("/dev/full")
        noise = np.random.default_rng(0).integers(0, 256, (90, 240, 320, 3), np.uint8)

        def work() -> None:
            with VideoEncoder(path, 320, 240, Fraction(25)) as sink:
                for image in noise:
                    sink.write(image)

        with pytest.raises(OutputError, match=f"disk full: '{path}' could not be written"):
            work()

    def test_mpeg4_takes_over_where_h264_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(video_encoder, "ENCODERS", ("no_such_encoder", "h264_nvenc", "mpeg4"))
        path = tmp_path / "out.mp4"
        with VideoEncoder(path, 96, 64, NTSC) as sink:
            for index in range(12):
                sink.write(numbered(index))
        with open_source(path) as source:
            assert source.info.rate == NTSC
            assert [index_of(frame.image) for frame in source if frame.image is not None] == list(range(12))

    def test_no_encoder_at_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(video_encoder, "ENCODERS", ("no_such_encoder",))
        with pytest.raises(OutputError, match=r"no encoder for 96x64 video .*no_such_encoder"):
            VideoEncoder(tmp_path / "out.mp4", 96, 64, Fraction(25))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["out.txt", "out", "out.webm"])
    def test_unknown_extension(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UsageError, match=r"\.mp4 \.mkv \.mov \.avi"):
            VideoEncoder(tmp_path / name, 96, 64, Fraction(25))

    @pytest.mark.parametrize(("width", "height", "rate"), [(0, 64, 25), (96, -1, 25), (96, 64, 0)])
    def test_impossible_size_and_rate(self, tmp_path: Path, width: int, height: int, rate: int) -> None:
        with pytest.raises(UsageError, match="must be positive"):
            VideoEncoder(tmp_path / "out.mp4", width, height, Fraction(rate))

    @given(st.fractions(min_value=Fraction(1, 10**6), max_value=1000))
    def test_rates_that_no_container_holds_become_the_nearest(self, rate: Fraction) -> None:
        near = video_encoder._representable(rate)
        assert max(near.numerator, near.denominator) <= 65535
        assert near > 0
        if max(rate.numerator, rate.denominator) <= 65535:
            assert near == rate
        elif rate > Fraction(1, 100):
            assert abs(near / rate - 1) < 1e-4
