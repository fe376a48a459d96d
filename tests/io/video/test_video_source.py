from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rendering import HEIGHT, WIDTH, Render, damage, numbered, packets, read, shown, to_frame

from siamtrack.errors import SourceError, UsageError
from siamtrack.io.sources import open_source
from siamtrack.io.video.decoding import Upright, apply_display_matrix

NTSC = Fraction(30000, 1001)


class TestVideo:
    @pytest.mark.parametrize(
        ("name", "codec"),
        [
            ("video.mp4", "libx264"),
            ("video.mov", "libx264"),
            ("video.mkv", "libx264"),
            ("video.ts", "libx264"),
            ("video.avi", "mpeg4"),
            ("with_b_frames.avi", "libx264"),
            ("video.webm", "libvpx"),
            ("UPPER.MP4", "mpeg4"),
        ],
    )
    def test_every_frame_comes_once_in_order(self, render: Render, name: str, codec: str) -> None:
        path = render(name, 30, NTSC, codec=codec)
        with open_source(str(path)) as source:
            assert source.info.rate == NTSC
            assert (source.info.width, source.info.height) == (WIDTH, HEIGHT)
            assert source.info.count in (30, None)
            assert source.info.files == (path,)
            frames = list(source)
        assert source.warnings == []
        assert [frame.index for frame in frames] == list(range(30))
        assert shown(frames) == list(range(30))
        # Matroska and MPEG-TS round times to their clocks.
        assert [frame.time for frame in frames] == pytest.approx([float(i / NTSC) for i in range(30)], abs=1e-3)

    def test_images_are_contiguous_bgr(self, render: Render) -> None:
        image = read(render(frames=1))[0][0].image
        assert image is not None
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        red = image[: HEIGHT // 4 - 2, : WIDTH // 4 - 2].mean((0, 1))
        np.testing.assert_allclose(red, (0, 0, 200), atol=6)

    def test_start_and_end_are_exact(self, render: Render) -> None:
        path = render(frames=30)
        with open_source(path, 13, 17) as source:
            assert (source.info.count, source.expected) == (30, 4)
            frames = list(source)
        assert [frame.index for frame in frames] == [13, 14, 15, 16]
        assert shown(frames) == [13, 14, 15, 16]
        assert frames[0].time == pytest.approx(13 / 25)

    def test_end_beyond_the_end_is_the_end(self, render: Render) -> None:
        with open_source(render(frames=5), 3, 99) as source:
            assert source.expected == 2
            assert shown(list(source)) == [3, 4]

    def test_one_frame_is_enough(self, render: Render) -> None:
        assert shown(read(render(frames=1))[0]) == [0]

    @pytest.mark.parametrize("name", ["video.mp4", "video.mkv"])
    def test_start_beyond_the_end_says_how_many_there_are(self, render: Render, name: str) -> None:
        path = render(name, 7)
        with pytest.raises(UsageError, match=r"start 7 is beyond the end: .* has 7 frames"):
            open_source(path, 7)

    @pytest.mark.parametrize("name", ["video.mp4", "video.mkv"])
    def test_variable_rate_takes_its_times_from_the_file(self, render: Render, name: str) -> None:
        times = [0, 1, 2, 6, 7, 15, 16, 40]
        path = render(name, len(times), times=times)
        assert [frame.time for frame in read(path)[0]] == pytest.approx([time / 25 for time in times], abs=1e-3)

    def test_times_begin_at_zero_where_the_file_does_not(self, render: Render) -> None:
        path = render("video.mkv", 5, times=[100, 101, 102, 103, 104])
        assert [frame.time for frame in read(path)[0]] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16], abs=1e-3)

    @pytest.mark.parametrize("hflip", [False, True])
    @pytest.mark.parametrize("degrees", [0, 90, 180, 270])
    def test_rotation_is_applied_once(self, render: Render, degrees: int, hflip: bool) -> None:
        path = render(frames=3, rotation=(degrees, hflip, False))
        # PyAV: turned counter-clockwise, "hflip / vflip mirror after it".
        expected = np.rot90(numbered(0), degrees // 90)
        expected = expected[:, ::-1] if hflip else expected
        with open_source(path) as source:
            assert (source.info.height, source.info.width) == expected.shape[:2]
            for frame in source:
                assert frame.image is not None
                assert frame.image.shape == expected.shape
                corner = frame.image.astype(int)[..., 2] - frame.image[..., 1] > 100
                np.testing.assert_array_equal(
                    corner[4::8, 4::8], (expected[..., 2] > expected[..., 1] + 100)[4::8, 4::8]
                )

    def test_a_file_is_turned_as_opencv_turns_it(self, render: Render) -> None:
        path = render(frames=1, rotation=(90, False, False))
        capture = cv2.VideoCapture(str(path))
        _, reference = capture.read()
        capture.release()
        image = read(path)[0][0].image
        assert image is not None
        assert image.shape == reference.shape
        assert np.abs(image.astype(int) - reference).mean() < 2

    @pytest.mark.parametrize(("name", "share"), [("video.mp4", 0.6), ("video.avi", 0.6)])
    def test_a_truncated_file_gives_what_it_holds(self, render: Render, name: str, share: float) -> None:
        path = render(name, 40, codec="mpeg4" if name.endswith("avi") else "libx264")
        content = path.read_bytes()
        cut = int(len(content) * share)
        order = [
            time for (position, size), time in zip(packets(path), _times(path), strict=True) if position + size <= cut
        ]
        path.write_bytes(content[:cut])
        frames, warnings = read(path)
        assert 10 < len(frames) < 35
        assert len(frames) == len(order)
        assert shown(frames) == sorted(order)
        assert warnings == [f"{name} is truncated: {len(order)} of 40 frames decoded"]

    def test_a_truncated_matroska_file_is_told_by_its_duration(self, render: Render) -> None:
        path = render("video.mkv", 60)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        frames, warnings = read(path)
        assert shown(frames) == list(range(len(frames)))
        assert len(warnings) == 1
        assert "is truncated" in warnings[0]
        assert "of 2.40 seconds" in warnings[0]

    def test_an_mp4_file_without_its_index_is_an_error(self, render: Render) -> None:
        path = render("video.mov")  # written without faststart: the index is at the end
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(SourceError, match="cut off before its index"):
            open_source(path)

    @pytest.mark.parametrize("packet", [1, 14, 20, 38, 39])
    def test_a_damaged_frame_is_told_and_passed_over(self, render: Render, packet: int) -> None:
        path = render(frames=40)
        lost = damage(path, packet)
        frames, warnings = read(path)
        assert [frame.index for frame in frames] == list(range(40))
        assert [frame.index for frame in frames if frame.image is None] == [lost]
        # What refers to the lost frame is smeared, so the pictures are not read; their times are exact.
        assert [frame.time for frame in frames] == pytest.approx([index / 25 for index in range(40)])
        assert warnings == [f"video.mp4: 1 frame could not be decoded, the first is frame {lost}"]

    def test_damage_at_the_front_keeps_the_indices(self, render: Render) -> None:
        path = render(frames=30)
        damage(path, 0)
        frames, _ = read(path)
        assert [frame.index for frame in frames] == list(range(30))
        assert frames[0].image is None
        assert shown(frames)[10:] == list(range(10, 30))

    def test_a_file_that_is_all_damage_is_an_error(self, render: Render) -> None:
        path = render(frames=6)
        for packet in range(6):
            damage(path, packet)
        with pytest.raises(SourceError, match="no frame that can be decoded"):
            open_source(path)

    @pytest.mark.parametrize(("matrix", "red", "blue"), [(1, 0.2126, 0.0722), (5, 0.299, 0.114)])  # BT.709, BT.601
    @given(st.tuples(*3 * [st.integers(0, 255)]))
    def test_colors_are_those_of_the_standard(
        self, matrix: int, red: float, blue: float, color: tuple[int, int, int]
    ) -> None:
        b, g, r = color
        luma = red * r + (1 - red - blue) * g + blue * b
        stored = [16 + 219 / 255 * luma, *(128 + 112 / 255 * (c - luma) / (1 - k) for c, k in ((b, blue), (r, red)))]
        frame = av.VideoFrame(48, 32, "yuv420p")
        for plane, value in zip(frame.planes, stored, strict=True):
            plane.update(bytes([round(value)]) * plane.buffer_size)
        frame.colorspace, frame.color_range = matrix, 1
        picture = Upright()(frame)
        # Rounding what is stored moves a color by one level, and showing it by as much as two.
        np.testing.assert_allclose(picture.astype(int), np.broadcast_to(color, picture.shape), atol=3)
        assert np.ptp(picture, axis=(0, 1)).max() == 0

    def test_full_range_and_10_bit_video_have_the_same_colors(self, tmp_path: Path) -> None:
        means = []
        for name, pixels in (("a.mkv", "yuv420p"), ("b.mkv", "yuvj420p"), ("c.mkv", "yuv420p10le")):
            with av.open(str(tmp_path / name), "w") as container:
                stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
                stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
                container.mux(stream.encode(to_frame(numbered(7), pixels)))
                container.mux(stream.encode(None))
            image = read(tmp_path / name)[0][0].image
            assert image is not None
            means.append(image[:14, :20].mean((0, 1)))
        for mean in means:
            np.testing.assert_allclose(mean, (0, 0, 200), atol=4)

    def test_legacy_metadata_does_not_stop_a_video(self, tmp_path: Path) -> None:
        path = tmp_path / "titled.mkv"
        with av.open(str(path), "w") as container:
            container.metadata["title"] = "caf@@"
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            container.mux(stream.encode(to_frame(numbered(0))))
            container.mux(stream.encode(None))
        content = path.read_bytes()
        assert b"caf@@" in content
        path.write_bytes(content.replace(b"caf@@", b"caf\xe9\xff"))  # Latin-1
        assert len(read(path)[0]) == 1

    def test_closing_ends_the_iteration(self, render: Render) -> None:
        source = open_source(render())
        next(source)
        source.close()
        assert list(source) == []


def _times(path: Path) -> list[int]:
    """Index in order of display of every packet, in order of the file."""
    with av.open(str(path)) as container:
        times = [
            packet.pts if packet.pts is not None else packet.dts for packet in container.demux(video=0) if packet.size
        ]
    return [sorted(times).index(time) for time in times]


class TestDisplayMatrix:
    """Against the definition: pixel (x, y) goes to (a x + c y, b x + d y), shifted into view."""

    @pytest.mark.parametrize(
        ("a", "b", "c", "d"),
        [
            (1, 0, 0, 1),
            (-1, 0, 0, 1),
            (1, 0, 0, -1),
            (-1, 0, 0, -1),
            (0, 1, 1, 0),
            (0, 1, -1, 0),
            (0, -1, 1, 0),
            (0, -1, -1, 0),
        ],
    )
    def test_pixel_by_pixel(self, a: int, b: int, c: int, d: int) -> None:
        image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
        places = {(a * x + c * y, b * x + d * y): image[y, x] for y in range(2) for x in range(3)}
        left, top = min(x for x, _ in places), min(y for _, y in places)
        height, width = (3, 2) if a == 0 else (2, 3)
        expected: NDArray[np.uint8] = np.array(
            [[places[x + left, y + top] for x in range(width)] for y in range(height)], np.uint8
        )
        matrix = np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], np.int32)
        np.testing.assert_array_equal(apply_display_matrix(image, matrix), expected)


def test_warnings_are_logged_quietly(render: Render, caplog: pytest.LogCaptureFixture) -> None:
    path = render(frames=20)
    damage(path, 12)
    with caplog.at_level(logging.INFO):
        _, warnings = read(path)
    assert len(warnings) == 1
    assert caplog.messages == []  # the command line shows them, once
