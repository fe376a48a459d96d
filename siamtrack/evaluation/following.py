"""The loops that let a tracker follow a target: in one pass, and with resets as VOT has them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, Truth
from siamtrack.errors import DataError, SiamTrackError
from siamtrack.evaluation.metrics import has_target
from siamtrack.evaluation.trackers import FrameTracker

Image = NDArray[np.uint8]

FRAMES_AFTER_FAILURE = 5
"""From a failure to the frame in which the tracker is set anew (VOT challenges, supervised experiment)."""


class Code(IntEnum):
    """What happened in a frame; the first three stand in VOT's files in place of a box."""

    SKIPPED = 0
    INITIALISED = 1
    FAILED = 2
    TRACKED = 3


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What a tracker did in one run over a sequence of N frames."""

    codes: NDArray[np.int8]
    """`(N,)` values of `Code`."""
    boxes: NDArray[np.float64]
    """`(N, 4)` boxes, 0-based and continuous: what the tracker was given or found; NaN where it failed or was
    skipped."""
    seconds: NDArray[np.float64]
    """`(N,)` time that the tracker took for a frame; NaN where it was skipped."""


Tick = Callable[[], None]
"""Called after every frame."""


def follow_once(tracker: FrameTracker, sequence: EvaluationSequence, tick: Tick) -> Trajectory:
    """One pass: the tracker is set in the first frame and is never helped. A target that it loses stays where it was.

    Raises:
        DataError: when the first frame has no box, frames are missing or cannot be decoded.
        SiamTrackError: when the tracker answers with something that is no box.
    """
    log = _Log(sequence)
    truth = sequence.read_truth()
    for index, frame in enumerate(sequence.frames):
        if index == 0:
            log.add(Code.INITIALISED, *_timed_init(tracker, frame, _first_box(truth, sequence)))
        else:
            log.add(Code.TRACKED, *_timed_update(tracker, frame, log.last))
        tick()
    return log.trajectory()


def follow_with_resets(tracker: FrameTracker, sequence: EvaluationSequence, tick: Tick) -> Trajectory:
    """VOT's supervised experiment: the tracker is set anew some frames after its box leaves the truth altogether.

    Where that frame has no truth, the next one that has is taken. A frame without truth is no failure.

    Raises:
        DataError: as of `follow_once`.
        SiamTrackError: as of `follow_once`.
    """
    log = _Log(sequence)
    truth = sequence.read_truth()
    known = has_target(truth.boxes)
    _first_box(truth, sequence)
    start: float = 0
    """The frame to set the tracker in; infinite while it tracks."""
    for index, frame in enumerate(sequence.frames):
        if index >= start and known[index]:
            log.add(Code.INITIALISED, *_timed_init(tracker, frame, Box(*map(float, truth.boxes[index]))))
            start = math.inf
        elif start < math.inf:
            log.add(Code.SKIPPED, None, math.nan)
        else:
            box, seconds = _timed_update(tracker, frame, log.last)
            if known[index] and not touches(box, _corners(truth, index), frame.shape[1], frame.shape[0]):
                log.add(Code.FAILED, None, seconds)
                start = index + FRAMES_AFTER_FAILURE
            else:
                log.add(Code.TRACKED, box, seconds)
        tick()
    return log.trajectory()


class _Log:
    """Frames of a run as they come."""

    def __init__(self, sequence: EvaluationSequence) -> None:
        length = len(sequence.frames)
        self._sequence = sequence
        self._codes = np.zeros(length, np.int8)
        self._boxes = np.full((length, 4), np.nan)
        self._seconds = np.full(length, np.nan)
        self._count = 0
        self.last = Box(0.0, 0.0, 0.0, 0.0)
        """The last box that there was."""

    def add(self, code: Code, box: Box | None, seconds: float) -> None:
        index = self._count
        if index == len(self._codes):
            raise DataError(f"sequence {self._sequence.name} has more frames than the {index} that were counted")
        if box is not None:
            if not np.isfinite(box).all():
                raise SiamTrackError(f"frame {index} of sequence {self._sequence.name}: the box {tuple(box)}")
            self._boxes[index] = self.last = box
        self._codes[index], self._seconds[index] = code, seconds
        self._count += 1

    def trajectory(self) -> Trajectory:
        if self._count != len(self._codes):
            name, counted = self._sequence.name, len(self._codes)
            raise DataError(f"sequence {name} has {self._count} frames instead of the {counted} that were counted")
        return Trajectory(self._codes, self._boxes, self._seconds)


def _first_box(truth: Truth, sequence: EvaluationSequence) -> Box:
    if not has_target(truth.boxes[:1])[0]:
        raise DataError(f"sequence {sequence.name} has no box in its first frame: nothing can be tracked in it")
    return Box(*map(float, truth.boxes[0]))


def _timed_init(tracker: FrameTracker, frame: Image, box: Box) -> tuple[Box, float]:
    began = time.perf_counter()
    tracker.init(frame, box)
    return box, time.perf_counter() - began


def _timed_update(tracker: FrameTracker, frame: Image, last: Box) -> tuple[Box, float]:
    began = time.perf_counter()
    found = tracker.update(frame)
    seconds = time.perf_counter() - began
    return last if found is None else found, seconds


def _corners(truth: Truth, index: int) -> NDArray[np.float64]:
    """`(4, 2)` corners of the truth in a frame: its polygon, or its box."""
    if truth.polygons is not None and np.isfinite(truth.polygons[index]).all():
        corners: NDArray[np.float64] = truth.polygons[index].reshape(4, 2)
        return corners
    x, y, width, height = truth.boxes[index]
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def touches(box: Box, corners: NDArray[np.float64], frame_width: int, frame_height: int) -> bool:
    """Whether a box and a convex polygon have an area in common inside the frame.

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
