"""The loops that let a tracker follow a target: in one pass, and with resets as VOT has them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, Truth
from siamtrack.errors import DataError, SiamTrackError
from siamtrack.evaluation.metrics import has_target
from siamtrack.evaluation.trackers import BoxTracker
from siamtrack.tracking.loop import track

FRAMES_AFTER_FAILURE = 5
"""Frames from a failure to the restart of the tracker (VOT challenges, supervised experiment)."""


class Code(IntEnum):
    """Event in a frame; the first three stand in VOT's files in place of a box."""

    SKIPPED = 0
    INITIALISED = 1
    FAILED = 2
    TRACKED = 3


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Path of a tracker in one run over a sequence of N frames."""

    codes: NDArray[np.int8]
    """`(N,)` values of `Code`."""
    boxes: NDArray[np.float64]
    """`(N, 4)` boxes, 0-based and continuous: what the tracker was given or found; NaN where it failed or was
    skipped."""
    seconds: NDArray[np.float64]
    """`(N,)` time that the tracker took for a frame; NaN where it was skipped."""


Tick = Callable[[], None]
"""Called after every frame."""


def follow_once(tracker: BoxTracker, sequence: EvaluationSequence, tick: Tick) -> Trajectory:
    """Track in one pass: the tracker is set in the first frame and is never restarted.

    Raises:
        DataError: when the first frame has no box, frames are missing or cannot be decoded.
        SiamTrackError: when the tracker answers with something that is no box.
    """
    return _run(tracker, sequence, tick, resets=False)


def follow_with_resets(tracker: BoxTracker, sequence: EvaluationSequence, tick: Tick) -> Trajectory:
    """VOT's supervised experiment: the tracker is set anew some frames after its box leaves the truth altogether.

    Where that frame has no truth, the next one that has is taken. A frame without truth is no failure.

    Raises:
        DataError: see `follow_once`.
        SiamTrackError: see `follow_once`.
    """
    return _run(tracker, sequence, tick, resets=True)


def _run(tracker: BoxTracker, sequence: EvaluationSequence, tick: Tick, *, resets: bool) -> Trajectory:
    """Record the result of every frame of a sequence."""
    truth = sequence.read_truth()
    if not has_target(truth.boxes[:1])[0]:
        raise DataError(f"sequence {sequence.name} has no box in its first frame: nothing can be tracked in it")
    supervised = _Supervised(tracker, truth, resets=resets)
    length, count = len(sequence.frames), 0
    run = Trajectory(np.zeros(length, np.int8), np.full((length, 4), np.nan), np.full(length, np.nan))
    for index, (_, (code, box, seconds)) in enumerate(track(sequence.frames, supervised)):
        if index == length:
            raise DataError(f"sequence {sequence.name} has more frames than the {length} that were counted")
        if box is not None:
            if not np.isfinite(box).all():
                raise SiamTrackError(f"frame {index} of sequence {sequence.name}: the box {tuple(box)}")
            run.boxes[index] = box
        run.codes[index], run.seconds[index] = code, seconds
        count += 1
        tick()
    if count != length:
        raise DataError(f"sequence {sequence.name} has {count} frames instead of the {length} that were counted")
    return run


class _Outcome(NamedTuple):
    """Result of one frame."""

    code: Code
    box: Box | None
    seconds: float


class _Supervised:
    """Tracker that is set with the truth, by the clock: once, or again after each failure.

    Args:
        tracker: its target is set in the first frame.
        truth: of the sequence.
        resets: set the target again after a failure.
    """

    def __init__(self, tracker: BoxTracker, truth: Truth, *, resets: bool) -> None:
        self._tracker, self._truth, self._resets = tracker, truth, resets
        self._known = has_target(truth.boxes)
        self._start: float = 0  # frame to set the target in; infinite while it is tracked
        self._index = -1
        self._last = Box(0.0, 0.0, 0.0, 0.0)

    def update(self, frame: Image) -> _Outcome:
        """Set or find the target in the next frame, or skip the frame."""
        self._index = index = self._index + 1
        if index >= self._start and self._known[index]:
            self._last, self._start = Box(*map(float, self._truth.boxes[index])), math.inf
            began = time.perf_counter()
            self._tracker.init(frame, self._last)
            return _Outcome(Code.INITIALISED, self._last, time.perf_counter() - began)
        if self._start < math.inf:
            return _Outcome(Code.SKIPPED, None, math.nan)
        began = time.perf_counter()
        found = self._tracker.update(frame)
        seconds = time.perf_counter() - began
        self._last = self._last if found is None else found
        if self._resets and self._known[index]:
            corners = _corners(self._truth, index)
            if not touches(self._last, corners, frame.shape[1], frame.shape[0]):
                self._start = index + FRAMES_AFTER_FAILURE
                return _Outcome(Code.FAILED, None, seconds)
        return _Outcome(Code.TRACKED, self._last, seconds)


def _corners(truth: Truth, index: int) -> NDArray[np.float64]:
    """`(4, 2)` corners of the truth in a frame: its polygon, or its box."""
    if truth.polygons is not None and np.isfinite(truth.polygons[index]).all():
        corners: NDArray[np.float64] = truth.polygons[index].reshape(4, 2)
        return corners
    x, y, width, height = truth.boxes[index]
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def touches(box: Box, corners: NDArray[np.float64], frame_width: int, frame_height: int) -> bool:
    """Return whether a box and a convex polygon have an area in common inside the frame.

    Args:
        box: 0-based pixels.
        corners: `(K, 2)` of the polygon, in order.
        frame_width: in pixels.
        frame_height: in pixels.
    """
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    right, bottom = min(box.x + box.width, frame_width), min(box.y + box.height, frame_height)
    if right <= left or bottom <= top:
        return False
    inside = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    area, _ = cv2.intersectConvexConvex(inside, corners.astype(np.float32))
    return area > 0
