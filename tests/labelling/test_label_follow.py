"""The real tracker on rendered frames: what it labels, and what a check keeps of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from labelled_videos import COVERED, behind_a_board, make_store, straight_on, write_pictures

from siamtrack.boxes import Box, iou
from siamtrack.labelling.annotations import Annotations, Key
from siamtrack.labelling.follow import follower
from siamtrack.labelling.frames import FrameStore
from siamtrack.labelling.tracks import Follow, checked, fill, tracked
from siamtrack.tracking.tracker import Tracker


@pytest.fixture
def clear(tmp_path: Path) -> Iterator[FrameStore]:
    with make_store(write_pictures(tmp_path / "clear", straight_on()[0])) as store:
        yield store


@pytest.fixture
def covered(tmp_path: Path) -> Iterator[FrameStore]:
    with make_store(write_pictures(tmp_path / "covered", behind_a_board()[0])) as store:
        yield store


def follow(tracker: Tracker, frames: FrameStore) -> Follow:
    return follower(lambda: tracker, frames, lambda: None)


def test_a_target_that_is_seen_all_the_time_is_labelled_well(tracker: Tracker, clear: FrameStore) -> None:
    truth = np.array(straight_on()[1])
    keys = Annotations.of([Key(0, Box(*truth[0])), Key(49, Box(*truth[49]))])
    boxes = fill(keys, 50, tracked(follow(tracker, clear)))
    assert iou(boxes, truth).min() > 0.8
    assert iou(boxes, truth).mean() > 0.9
    assert np.isfinite(fill(keys, 50, checked(follow(tracker, clear), 0.65))).all()


@pytest.mark.parametrize("last", [49, None], ids=["two key frames", "one key frame"])
def test_a_check_drops_the_frames_in_which_the_target_is_covered(
    tracker: Tracker, covered: FrameStore, last: int | None
) -> None:
    truth = np.array(behind_a_board()[1])
    keys = Annotations.of(Key(frame, Box(*truth[frame])) for frame in (0, last) if frame is not None)
    boxes = fill(keys, 50, checked(follow(tracker, covered), 0.65))
    kept = np.isfinite(boxes[:, 0])
    assert not kept[COVERED[1:-1]].any()
    assert kept[:16].all()
    assert kept[34:].all()
    assert iou(boxes[kept], truth[kept]).min() > 0.7


def test_every_frame_ticks_and_the_tracker_is_loaded_when_it_is_needed(tracker: Tracker, clear: FrameStore) -> None:
    told: list[str] = []

    def load() -> Tracker:
        told.append("load")
        return tracker

    found = follower(load, clear, lambda: told.append("tick"))(range(9, 4, -1), straight_on()[1][9])
    assert told == []
    assert len(list(found)) == 4
    assert told == ["load", *["tick"] * 4]


def test_frames_that_could_not_be_decoded_have_no_box(tracker: Tracker, tmp_path: Path) -> None:
    frames, truth = straight_on(8)
    folder = write_pictures(tmp_path / "video", frames)
    (folder / "3.png").write_bytes(b"not a picture")
    with make_store(folder) as store:
        found = list(follow(tracker, store)(range(8), truth[0]))
    assert [box is None for box in found] == [False, False, True, False, False, False, False]
    assert iou(np.array(found[-1]), np.array(truth[-1])) > 0.8
