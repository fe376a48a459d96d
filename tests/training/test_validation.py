"""How well a network tracks while it is being trained."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.config import TrackingSettings
from siamtrack.datasets.training_tracks import Track
from siamtrack.models.registry import create_network
from siamtrack.training import validation
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


class Oracle:
    """In place of the tracker: says what it is told, whatever the frames show."""

    def __init__(self, answers: list[Box]) -> None:
        self.answers = iter(answers)
        self.begun_with: tuple[int, Box] | None = None

    def init(self, frame: NDArray[np.uint8], box: Box) -> None:
        self.begun_with = (int(frame[0, 0, 0]), box)

    def update(self, frame: NDArray[np.uint8]) -> SimpleNamespace:
        return SimpleNamespace(box=next(self.answers))


def test_overlap_is_the_mean_over_the_frames_with_a_box_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = [np.nan] * 4
    truth = np.array([nothing, [0, 0, 10, 10], [0, 0, 10, 10], nothing, [0, 0, 10, 10], nothing])
    # In frames 2, 3 and 4: half of the box, something where there is no truth, and all of it.
    oracle = Oracle([Box(0, 0, 5, 10), Box(90, 90, 3, 3), Box(0, 0, 10, 10)])
    monkeypatch.setattr(validation, "Tracker", lambda network, settings: oracle)

    def read_frame(track: Track, index: int) -> NDArray[np.uint8]:
        return np.full((20, 20, 3), index, np.uint8)

    done: list[tuple[int, int]] = []
    found = validation.validate(
        create_network("lite0"),
        TrackingSettings(),
        [Track("one", Path("one"), truth), Track("two", Path("two"), truth[:2])],
        read_frame,
        lambda number, total: done.append((number, total)),
    )
    assert oracle.begun_with == (1, Box(0, 0, 10, 10))
    assert found == {"one": pytest.approx(0.75)}  # the second has one box: nothing to score
    assert done == [(0, 2), (1, 2)]
