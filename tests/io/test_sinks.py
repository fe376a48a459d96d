from __future__ import annotations

import errno
import json
import math
import os
import stat
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendering import index_of, numbered

from siamtrack.boxes import Box
from siamtrack.errors import SinkError, UsageError
from siamtrack.io import sinks
from siamtrack.io.sinks import CsvSink, JsonSink, OtbSink, Row, VideoSink, count_frames, letterbox, refuse_inputs
from siamtrack.io.sources import open_source
from siamtrack.tracking.status import Status

ROWS = [
    Row(0, 0.0, 1, Box(10, 20.5, 30.25, 40), 1.0, Status.TRACKED),
    Row(1, 1 / 30, 1, Box(-0.00001, 1234.56789, 30, 40), 0.123456, Status.UNCERTAIN),
    Row(2, 2 / 30, 1, None, None, Status.SKIPPED),
    Row(3, 0.1, 1, Box(1, 2, 3, 4), -0.5, Status.LOST),
]

NTSC = Fraction(30000, 1001)


def full(*arguments: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class TestVideo:
    @pytest.mark.parametrize("extension", ["mp4", "mkv", "mov", "avi", "MP4"])
    @pytest.mark.parametrize("rate", [Fraction(25), NTSC, Fraction(24000, 1001), Fraction(15, 2)])
    def test_rate_size_and_every_frame_come_back(self, tmp_path: Path, extension: str, rate: Fraction) -> None:
        path = tmp_path / f"out.{extension}"
        with VideoSink(path, 96, 64, rate) as sink:
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
        with VideoSink(path, 96, 64, NTSC, threads=threads) as sink:
            for index in range(20):
                sink.write(numbered(index))
            assert sink._stream.codec_context.thread_count == threads
        with open_source(path, threads=threads) as source:
            assert [index_of(frame.image) for frame in source if frame.image is not None] == list(range(20))

    def test_it_is_h264_that_plays_everywhere(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mp4"
        with VideoSink(path, 96, 64, NTSC) as sink:
            sink.write(numbered(0))
        with av.open(str(path)) as container:
            context = container.streams.video[0].codec_context
            assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
            assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        content = path.read_bytes()
        assert content.index(b"moov") < content.index(b"mdat")  # plays before it is loaded to the end

    def test_colours_come_back(self, tmp_path: Path) -> None:
        colours = np.array(
            [(0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255), (0, 0, 0), (30, 200, 220)], np.uint8
        )
        image = np.repeat(np.repeat(colours[None], 64, 0), 32, 1)
        path = tmp_path / "out.mp4"
        with VideoSink(path, image.shape[1], 64, Fraction(25)) as sink:
            sink.write(image)
        with open_source(path) as source:
            played = next(source).image
        assert played is not None
        np.testing.assert_allclose(played[32, 16::32].astype(int), colours, atol=4)

    @pytest.mark.parametrize(("width", "height"), [(97, 64), (96, 63), (33, 31), (2, 2), (1, 1)])
    def test_odd_sizes_are_padded(self, tmp_path: Path, width: int, height: int) -> None:
        image = np.full((height, width, 3), (40, 120, 200), np.uint8)
        path = tmp_path / "out.mp4"
        with VideoSink(path, width, height, Fraction(25)) as sink:
            sink.write(image)
        with open_source(path) as source:
            played = next(source).image
        assert played is not None
        assert played.shape == (height + height % 2, width + width % 2, 3)
        # No dark rim: the added row and column continue the picture.
        np.testing.assert_allclose(played.astype(int), np.broadcast_to((40, 120, 200), played.shape), atol=5)

    def test_other_sizes_are_letterboxed_and_other_kinds_converted(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mp4"
        with VideoSink(path, 96, 64, Fraction(25)) as sink:
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
        with VideoSink(tmp_path / "out.mp4", 96, 64, Fraction(25)) as sink:
            sink.write(image)
        np.testing.assert_array_equal(image, numbered(3))

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
    def test_it_plays_after_an_error(self, tmp_path: Path, error: type[BaseException]) -> None:
        path = tmp_path / "out.mp4"

        def work() -> None:
            with VideoSink(path, 96, 64, Fraction(25)) as sink:
                for index in range(9):
                    sink.write(numbered(index))
                raise error

        with pytest.raises(error):
            work()
        with open_source(path) as source:
            assert [index_of(frame.image) for frame in source if frame.image is not None] == list(range(9))

    def test_closing_twice_is_fine_and_writing_after_it_is_not(self, tmp_path: Path) -> None:
        sink = VideoSink(tmp_path / "out.mp4", 96, 64, Fraction(25))
        sink.write(numbered(0))
        sink.close()
        sink.close()
        with pytest.raises(SinkError, match="is closed"):
            sink.write(numbered(1))

    def test_no_frame_is_an_error_and_leaves_no_file(self, tmp_path: Path) -> None:
        path = tmp_path / "out.mp4"
        with pytest.raises(SinkError, match="no frame was written"):
            VideoSink(path, 96, 64, Fraction(25)).close()
        assert not path.exists()

    def test_an_error_before_the_first_frame_is_the_one_told(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="mine"), VideoSink(tmp_path / "out.mp4", 96, 64, Fraction(25)):
            raise ValueError("mine")
        assert list(tmp_path.iterdir()) == []

    def test_missing_frames_are_noticed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "out.mkv"
        sink = VideoSink(path, 96, 64, Fraction(25))
        for index in range(30):
            sink.write(numbered(index))

        def cut_and_count(target: Path) -> int:
            target.write_bytes(target.read_bytes()[: target.stat().st_size // 2])
            return count_frames(target)

        monkeypatch.setattr(sinks, "count_frames", cut_and_count)
        with pytest.raises(SinkError, match=r"holds \d+ of the 30 frames written"):
            sink.close()

    @pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    def test_disk_full(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.symlink_to("/dev/full")
        noise = np.random.default_rng(0).integers(0, 256, (90, 240, 320, 3), np.uint8)

        def work() -> None:
            with VideoSink(path, 320, 240, Fraction(25)) as sink:
                for image in noise:
                    sink.write(image)

        with pytest.raises(SinkError, match=f"disk full: '{path}' could not be written"):
            work()

    def test_mpeg4_takes_over_where_h264_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sinks, "ENCODERS", ("no_such_encoder", "h264_nvenc", "mpeg4"))
        path = tmp_path / "out.mp4"
        with VideoSink(path, 96, 64, NTSC) as sink:
            for index in range(12):
                sink.write(numbered(index))
        with open_source(path) as source:
            assert source.info.rate == NTSC
            assert [index_of(frame.image) for frame in source if frame.image is not None] == list(range(12))

    def test_no_encoder_at_all(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sinks, "ENCODERS", ("no_such_encoder",))
        with pytest.raises(SinkError, match=r"no encoder for 96x64 video .*no_such_encoder"):
            VideoSink(tmp_path / "out.mp4", 96, 64, Fraction(25))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["out.txt", "out", "out.webm"])
    def test_unknown_extension(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(UsageError, match=r"\.mp4 \.mkv \.mov \.avi"):
            VideoSink(tmp_path / name, 96, 64, Fraction(25))

    @pytest.mark.parametrize(("width", "height", "rate"), [(0, 64, 25), (96, -1, 25), (96, 64, 0)])
    def test_impossible_size_and_rate(self, tmp_path: Path, width: int, height: int, rate: int) -> None:
        with pytest.raises(UsageError, match="must be positive"):
            VideoSink(tmp_path / "out.mp4", width, height, Fraction(rate))

    @given(st.fractions(min_value=Fraction(1, 10**6), max_value=1000))
    def test_rates_that_no_container_holds_become_the_nearest(self, rate: Fraction) -> None:
        near = sinks._representable(rate)
        assert max(near.numerator, near.denominator) <= 65535
        assert near > 0
        if max(rate.numerator, rate.denominator) <= 65535:
            assert near == rate
        elif rate > Fraction(1, 100):
            assert abs(near / rate - 1) < 1e-4


@pytest.mark.parametrize(
    "opened",
    [
        lambda path: VideoSink(path, 96, 64, Fraction(25)),
        CsvSink,
        OtbSink,
        lambda path: JsonSink(path, {}),
    ],
    ids=["video", "csv", "otb", "json"],
)
class TestWhereItCannotWrite:
    def test_folder_missing(self, tmp_path: Path, opened: Any) -> None:
        with pytest.raises(SinkError, match=r"output folder '.*none' does not exist: create it"):
            opened(tmp_path / "none" / "out.mp4")

    def test_is_a_folder(self, tmp_path: Path, opened: Any) -> None:
        path = tmp_path / "out.mp4"
        path.mkdir()
        with pytest.raises(SinkError, match="is a folder"):
            opened(path)

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions stop")
    def test_not_permitted(self, tmp_path: Path, opened: Any) -> None:
        tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with pytest.raises(SinkError, match="is not writable"):
            opened(tmp_path / "out.mp4")
        tmp_path.chmod(stat.S_IRWXU)

    def test_not_permitted_simulated(self, tmp_path: Path, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*arguments: object, **options: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        def refuse_av(*arguments: object, **options: object) -> None:
            raise av.error.PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        monkeypatch.setattr(av, "open", refuse_av)
        with pytest.raises(SinkError, match=r"out\.mp4' is not writable \(Permission denied\): choose"):
            opened(tmp_path / "out.mp4")


class TestCsv:
    def test_whole_text(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        with CsvSink(path) as sink:
            for row in ROWS:
                sink.write(row)
        assert path.read_bytes().decode() == (
            "frame,time,target,x,y,w,h,score,status\n"
            "0,0.000000,1,10.000,20.500,30.250,40.000,1.0000,tracked\n"
            "1,0.033333,1,0.000,1234.568,30.000,40.000,0.1235,uncertain\n"
            "2,0.066667,1,,,,,,skipped\n"
            "3,0.100000,1,1.000,2.000,3.000,4.000,-0.5000,lost\n"
        )

    def test_every_row_is_in_the_file_at_once(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        sink = CsvSink(path)
        for count, row in enumerate(ROWS, 1):
            sink.write(row)
            assert path.read_text().count("\n") == count + 1
        sink.close()

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
    @pytest.mark.parametrize("kind", [CsvSink, OtbSink])
    def test_disk_full(self, tmp_path: Path, kind: type[CsvSink | OtbSink]) -> None:
        path = tmp_path / "out.csv"
        path.symlink_to("/dev/full")
        with pytest.raises(SinkError, match=f"disk full: '{path}'"), kind(path) as sink:
            sink.write(ROWS[0])


class TestOtb:
    def test_whole_text_counts_pixels_from_one(self, tmp_path: Path) -> None:
        path = tmp_path / "out.txt"
        with OtbSink(path) as sink:
            for row in ROWS:
                sink.write(row)
        assert path.read_text() == (
            "11.000,21.500,30.250,40.000\n1.000,1235.568,30.000,40.000\nnan,nan,nan,nan\n2.000,3.000,3.000,4.000\n"
        )
        boxes = np.loadtxt(path, delimiter=",")  # as the toolkits read it
        assert Box.from_one_based(*boxes[0]) == ROWS[0].box

    def test_a_second_target_has_no_place(self, tmp_path: Path) -> None:
        with OtbSink(tmp_path / "out.txt") as sink:
            sink.write(ROWS[0])
            with pytest.raises(UsageError, match="holds one target"):
                sink.write(Row(0, 0.0, 2, None, None, Status.SKIPPED))


class TestJson:
    HEADER: ClassVar[dict[str, Any]] = {
        "source": {"path": Path("a/b.mp4"), "rate": NTSC},
        "settings": {"scales": 3, "window": np.float32(0.5)},
        "odd": [math.nan, math.inf, np.int64(7), (1, None, True), "Größe"],
    }

    def test_whole_object(self, tmp_path: Path) -> None:
        path = tmp_path / "out.json"
        with JsonSink(path, self.HEADER) as sink:
            for row in ROWS[1:3]:
                sink.write(row)
            sink.finish({"stages": {"decode": 1.5}})
            sink.finish({"frames_per_second": 20})
        assert json.loads(path.read_text("utf-8")) == {
            "source": {"path": str(Path("a/b.mp4")), "rate": "30000/1001"},
            "settings": {"scales": 3, "window": 0.5},
            "odd": [None, None, 7, [1, None, True], "Größe"],
            "frames": [
                {
                    "frame": 1,
                    "time": 0.033333,
                    "target": 1,
                    "x": 0.0,
                    "y": 1234.568,
                    "w": 30.0,
                    "h": 40.0,
                    "score": 0.1235,
                    "status": "uncertain",
                },
                {
                    "frame": 2,
                    "time": 0.066667,
                    "target": 1,
                    "x": None,
                    "y": None,
                    "w": None,
                    "h": None,
                    "score": None,
                    "status": "skipped",
                },
            ],
            "stages": {"decode": 1.5},
            "frames_per_second": 20,
        }
        assert list(tmp_path.iterdir()) == [path]
        assert "NaN" not in path.read_text("utf-8")

    @pytest.mark.parametrize("rows", [0, 1, 4])
    @pytest.mark.parametrize("header", [{}, {"a": 1}])
    def test_valid_whatever_is_in_it(self, tmp_path: Path, rows: int, header: dict[str, Any]) -> None:
        path = tmp_path / "out.json"
        with JsonSink(path, header) as sink:
            for row in ROWS[:rows]:
                sink.write(row)
        content = json.loads(path.read_text())
        assert len(content.pop("frames")) == rows
        assert content == header

    def test_complete_after_an_interruption(self, tmp_path: Path) -> None:
        path = tmp_path / "out.json"

        def work() -> None:
            with JsonSink(path, {"a": 1}) as sink:
                sink.write(ROWS[0])
                sink.write(ROWS[1])
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            work()
        assert [row["frame"] for row in json.loads(path.read_text())["frames"]] == [0, 1]

    def test_valid_when_interrupted_within_a_row(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "out.json"
        sink = JsonSink(path, {})
        put = sink._put

        def put_and_interrupt(text: str) -> None:
            put(text)
            raise KeyboardInterrupt

        monkeypatch.setattr(sink, "_put", put_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            sink.write(ROWS[0])
        monkeypatch.undo()
        sink.write(ROWS[1])
        sink.close()
        assert [row["frame"] for row in json.loads(path.read_text())["frames"]] == [0, 1]

    def test_an_old_result_stays_until_the_new_one_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "out.json"
        path.write_text("old")
        sink = JsonSink(path, {})
        sink.write(ROWS[0])
        assert path.read_text() == "old"
        sink.close()
        assert json.loads(path.read_text())["frames"][0]["frame"] == 0

    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "link.json").symlink_to(tmp_path / "out.json")
        with JsonSink(tmp_path / "link.json", {}) as sink:
            sink.write(ROWS[0])
        assert (tmp_path / "link.json").is_symlink()
        assert len(json.loads((tmp_path / "out.json").read_text())["frames"]) == 1

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
    def test_a_pipe_or_a_device_is_refused_and_stays(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path(os.devnull)):
            with pytest.raises(UsageError, match="a device or a pipe"):
                JsonSink(path, {})
            assert path.exists()
            assert not path.is_file()

    def test_a_field_is_given_once(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="'frames' is there already"):
            JsonSink(tmp_path / "out.json", {"frames": []})
        with JsonSink(tmp_path / "out.json", {"stages": 1}) as sink, pytest.raises(UsageError, match="'stages'"):
            sink.finish({"stages": 2})

    def test_disk_full_at_the_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "out.json"
        sink = JsonSink(path, {})
        sink.write(ROWS[0])
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(SinkError, match=f"disk full: '{path}'"):
            sink.close()
        assert not path.exists()
        assert '"status": "tracked"' in (tmp_path / ".out.json.partial").read_text()


def test_an_output_that_is_an_input_is_refused(tmp_path: Path) -> None:
    source, other, link = tmp_path / "in.mp4", tmp_path / "other.mp4", tmp_path / "link.mp4"
    source.touch()
    other.touch()
    link.symlink_to(source)
    refuse_inputs(other, [source])
    refuse_inputs(tmp_path / "new.mp4", [source])
    for output in (source, link, tmp_path / "." / "in.mp4"):
        with pytest.raises(UsageError, match="is the input"):
            refuse_inputs(output, [other, source])


class TestLetterbox:
    @given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
    def test_the_picture_is_whole_and_centred(self, rows: int, columns: int, height: int, width: int) -> None:
        result = letterbox(np.full((rows, columns, 3), 255, np.uint8), width, height)
        assert result.shape == (height, width, 3)
        shown = result[..., 0] > 0
        ys, xs = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        assert len(ys) == height or len(xs) == width
        scale = min(width / columns, height / rows)
        assert abs(len(ys) - max(1, rows * scale)) <= 0.5 + 1e-9
        assert abs(len(xs) - max(1, columns * scale)) <= 0.5 + 1e-9
        assert abs(ys[0] - (height - 1 - ys[-1])) <= 1
        assert abs(xs[0] - (width - 1 - xs[-1])) <= 1
        assert shown[np.ix_(ys, xs)].all()

    def test_the_same_size_is_untouched(self) -> None:
        image = numbered(1)
        assert letterbox(image, 96, 64) is image
