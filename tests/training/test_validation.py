"""Which sequences are tracked while a network is being trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siamtrack.data.sequences import Track
from siamtrack.training.validation import spread_sample


def tracks(count: int, frames: int) -> list[Track]:
    boxes = np.tile([1.0, 1.0, 20.0, 20.0], (frames, 1))
    return [Track(str(number), Path(str(number)), boxes) for number in range(count)]


@pytest.mark.parametrize(
    ("frames", "names"),
    [
        (0, []),
        (1, ["0"]),
        (50, ["0", "2", "4", "6", "8"]),
        (100, [str(number) for number in range(10)]),
        (10_000, [str(number) for number in range(10)]),
    ],
)
def test_a_sample_is_spread_over_all_tracks(frames: int, names: list[str]) -> None:
    assert [track.name for track in spread_sample(tracks(10, 10), frames)] == names


def test_no_tracks_give_no_sample() -> None:
    assert spread_sample([], 100) == ()
