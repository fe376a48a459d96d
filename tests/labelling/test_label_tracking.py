"""Tracking between key frames with the real tracker on rendered frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from labelled_videos import COVERED, behind_a_board, make_store, straight_on, write_pictures

from siamtrack.boxes import Box, iou
from siamtrack.labelling.frames import FrameStore
from siamtrack.labelling.key_frames import KeyFrame, KeyFrames
from siamtrack.labelling.propagation import (
    TrackRange,
    fill_boxes,
    track_and_check,
    track_both_ways,
    track_stored_frames,
)
from siamtrack.tracking.tracker import Tracker


@pytest.fixture
def clear(tmp_path: Path) -> Iterator[FrameStore]:
    with make_store(write_pictures(tmp_path / "clear", straight_on()[0])) as store:
        yield store


@pytest.fixture
def covered(tmp_path: Path) -> Iterator[FrameStore]:
    with make_store(write_pictures(tmp_path / "covered", behind_a_board()[0])) as store:
        yield store


def track_range(tracker: Tracker, frames: FrameStore) -> TrackRange:
    return track_stored_frames(lambda: tracker, frames, lambda: None)


def test_track_both_ways_labels_a_visible_target_well(tracker: Tracker, clear: FrameStore) -> None:
    truth = np.array(straight_on()[1])
    keys = KeyFrames.of([KeyFrame(0, Box(*truth[0])), KeyFrame(49, Box(*truth[49]))])
    boxes = fill_boxes(keys, 50, track_both_ways(track_range(tracker, clear)))
    assert iou(boxes, truth).min() > 0.8
    assert iou(boxes, truth).mean() > 0.9
    assert np.isfinite(fill_boxes(keys, 50, track_and_check(track_range(tracker, clear), 0.65))).all()


@pytest.mark.parametrize("last", [49, None], ids=["two key frames", "one key frame"])
def test_track_and_check_drops_frames_with_a_covered_target(
    tracker: Tracker, covered: FrameStore, last: int | None
) -> None:
    truth = np.array(behind_a_board()[1])
    keys = KeyFrames.of(KeyFrame(frame, Box(*truth[frame])) for frame in (0, last) if frame is not None)
    boxes = fill_boxes(keys, 50, track_and_check(track_range(tracker, covered), 0.65))
    kept = np.isfinite(boxes[:, 0])
    assert not kept[COVERED[1:-1]].any()
    assert kept[:16].all()
    assert kept[34:].all()
    assert iou(boxes[kept], truth[kept]).min() > 0.7


def test_track_stored_frames_counts_every_frame_and_loads_the_tracker_late(tracker: Tracker, clear: FrameStore) -> None:
    events: list[str] = []

    def load() -> Tracker:
        events.append("load")
        return tracker

    found = track_stored_frames(load, clear, lambda: events.append("count"))(range(9, 4, -1), straight_on()[1][9])
    assert events == []
    assert len(list(found)) == 4
    assert events == ["load", *["count"] * 4]


def test_track_stored_frames_gives_no_box_for_a_missing_frame(tracker: Tracker, tmp_path: Path) -> None:
    frames, truth = straight_on(8)
    folder = write_pictures(tmp_path / "video", frames)
    (folder / "3.png").write_bytes(b"not a picture")
    with make_store(folder) as store:
        found = list(track_range(tracker, store)(range(8), truth[0]))
    assert [box is None for box in found] == [False, False, True, False, False, False, False]
    assert iou(np.array(found[-1]), np.array(truth[-1])) > 0.8
