"""The public writer: where its size and rate come from. That the video plays is tested with `VideoEncoder`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from rendering import Render, index_of, numbered

from siamtrack.errors import OutputError, UsageError
from siamtrack.io.sources import open_source
from siamtrack.io.video.writer import VideoWriter


def described(path: Path) -> tuple[int, int, Fraction]:
    with open_source(path) as source:
        return source.info.width, source.info.height, source.info.rate


def test_the_first_frame_gives_the_size_and_every_frame_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path) as video:
        for index in range(12):
            video.write(numbered(index))
    assert described(path) == (96, 64, 30)
    with open_source(path) as source:
        assert [index_of(frame.image) for frame in source if frame.image is not None] == list(range(12))


def test_a_source_gives_size_and_rate(tmp_path: Path, render: Render) -> None:
    path = tmp_path / "out.mp4"
    with open_source(render(rate=Fraction(24000, 1001))) as source, VideoWriter(path, like=source) as video:
        assert path.exists()  # whether it can be written is known before the work
        video.write(np.zeros((200, 100, 3), np.uint8))
    assert described(path) == (96, 64, Fraction(24000, 1001))


def test_a_rate_that_is_given_is_taken(tmp_path: Path, render: Render) -> None:
    with open_source(render()) as source, VideoWriter(tmp_path / "out.mp4", 10, like=source) as video:
        video.write(numbered(0))
    assert described(tmp_path / "out.mp4") == (96, 64, 10)


@pytest.mark.parametrize(
    ("rate", "exact"), [(29.97, Fraction(2997, 100)), (30000 / 1001, Fraction(30000, 1001)), (7.5, Fraction(15, 2))]
)
def test_what_a_camera_says_becomes_an_exact_rate(tmp_path: Path, rate: float, exact: Fraction) -> None:
    with VideoWriter(tmp_path / "out.mkv", rate) as video:
        video.write(numbered(0))
        video.write(numbered(1))
    assert described(tmp_path / "out.mkv")[2] == exact


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_cannot_be_is_named(tmp_path: Path, rate: float) -> None:
    with pytest.raises(UsageError, match=f"frame rate {rate} cannot be written"):
        VideoWriter(tmp_path / "out.mp4", rate)


def test_a_wrong_path_is_told_before_the_first_frame(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"out\.gif.* has no video extension"):
        VideoWriter(tmp_path / "out.gif")
    with pytest.raises(OutputError, match="missing' does not exist"):
        VideoWriter(tmp_path / "missing" / "out.mp4")


def test_the_source_is_not_written_over(render: Render) -> None:
    path = render()
    content = path.read_bytes()
    with open_source(path) as source, pytest.raises(UsageError, match="is the input"):
        VideoWriter(path, like=source)
    assert path.read_bytes() == content


@pytest.mark.parametrize("picture", [None, np.zeros((4, 4, 5), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_picture_is_refused_and_writing_goes_on(tmp_path: Path, picture: object) -> None:
    with VideoWriter(tmp_path / "out.mp4") as video:
        with pytest.raises(UsageError, match="image"):
            video.write(picture)
        video.write(numbered(0))
    assert described(tmp_path / "out.mp4")[:2] == (96, 64)


def test_no_frame_is_an_error_and_leaves_no_file(tmp_path: Path, render: Render) -> None:
    path = tmp_path / "out.mp4"
    with pytest.raises(OutputError, match=f"no frame was written to '{path}'"), VideoWriter(path):
        pass
    with open_source(render()) as source:
        video = VideoWriter(path, like=source)
    with pytest.raises(OutputError, match=f"no frame was written to '{path}'"):
        video.close()
    assert not path.exists()


def test_an_error_in_the_block_is_the_one_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), VideoWriter(tmp_path / "out.mp4"):
        raise ValueError("mine")


@pytest.mark.parametrize("frames", [0, 1])
def test_closing_twice_is_fine_and_writing_after_it_is_not(tmp_path: Path, frames: int) -> None:
    video = VideoWriter(tmp_path / "out.mp4")
    if frames:
        video.write(numbered(0))
        video.close()
    else:
        with pytest.raises(OutputError, match="no frame"):
            video.close()
    video.close()
    with pytest.raises(OutputError, match="is closed"):
        video.write(numbered(1))
