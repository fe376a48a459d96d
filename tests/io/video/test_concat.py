"""Parts of a video become one without being encoded again."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from siamtrack.errors import OutputError
from siamtrack.io.sources import open_source
from siamtrack.io.video.concat import join_videos
from siamtrack.io.video.encoder import VideoEncoder

RATE = Fraction(24000, 1001)


def write_part(path: Path, shades: range) -> Path:
    with VideoEncoder(path, 64, 48, RATE, threads=1) as sink:
        for shade in shades:
            sink.write(np.full((48, 64, 3), 4 * shade, np.uint8))
    return path


@pytest.mark.parametrize("cuts", [(0, 40), (0, 1, 2, 3), (0, 11, 12, 31, 40), (0, 2, 9), (0, 30, 32, 62)])
def test_every_frame_is_there_in_order_and_on_time(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    """A part of one or two frames has none that is decoded before it is shown, a longer one has."""
    parts = [write_part(tmp_path / f"{begin}.mp4", range(begin, end)) for begin, end in pairwise(cuts)]
    join_videos(parts, tmp_path / "joined.mp4", RATE)
    with open_source(tmp_path / "joined.mp4") as source:
        frames = list(source)
        assert source.info.rate == RATE
        assert source.warnings == []
    assert [frame.image.mean() for frame in frames if frame.image is not None] == [
        pytest.approx(4 * shade, abs=3) for shade in range(cuts[-1])
    ]
    assert [frame.time for frame in frames] == [pytest.approx(index / RATE, abs=1e-3) for index in range(cuts[-1])]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    part = write_part(tmp_path / "part.mp4", range(3))
    with pytest.raises(OutputError, match=r"joined\.mp4"):
        join_videos([part], tmp_path / "nowhere" / "joined.mp4", RATE)


def test_nothing_is_left_of_a_join_that_fails(tmp_path: Path) -> None:
    part, damaged = write_part(tmp_path / "part.mp4", range(3)), tmp_path / "damaged.mp4"
    damaged.write_bytes(b"This is no video.")
    with pytest.raises(OutputError, match=r"joined\.mp4"):
        join_videos([part, damaged], tmp_path / "joined.mp4", RATE)
    assert not (tmp_path / "joined.mp4").exists()
