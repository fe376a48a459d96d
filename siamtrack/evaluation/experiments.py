"""Experiments of a benchmark: one pass over a sequence, or restarts after a failure as VOT has them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Truth
from siamtrack.errors import DataError, SiamTrackError
from siamtrack.evaluation.metrics import has_target
from siamtrack.evaluation.results import boxes_file, read_boxes, read_times, repetitions, times_file, write_result
from siamtrack.evaluation.trackers import BoxTracker
from siamtrack.evaluation.trajectories import FrameCode, Trajectory, read_trajectory, trajectory_file, write_trajectory
from siamtrack.tracking.loop import track

_logger = logging.getLogger(__name__)

FRAMES_AFTER_FAILURE = 5
"""Frames from a failure to the restart of the tracker (VOT challenges, supervised experiment)."""

FrameCallback = Callable[[], None]
"""Called after every frame."""


class Experiment(Protocol):
    """Experiment: it runs a tracker over a sequence and keeps the results."""

    def wanted(self, dataset: EvaluationSet, *, deterministic: bool) -> int:
        """Return how many runs over a sequence there are to be."""
        ...

    def finished(
        self, root: Path, dataset: EvaluationSet, tracker: str, sequence: EvaluationSequence, wanted: int
    ) -> list[Trajectory]:
        """Return the first complete runs that are on disk; a damaged one is reported and does not count."""
        ...

    def follow(self, tracker: BoxTracker, sequence: EvaluationSequence, on_frame: FrameCallback) -> Trajectory:
        """Run once over a sequence; raises what the tracker and the frames do."""
        ...

    def write(
        self,
        root: Path,
        dataset: EvaluationSet,
        tracker: str,
        sequence: EvaluationSequence,
        trajectory: Trajectory,
        repetition: int,
    ) -> None:
        """Keep a run; `repetition` counts from 1. Raises `OutputError`."""
        ...


class OnePass:
    """One-pass evaluation, as OTB, GOT-10k and most others have it."""

    def wanted(self, dataset: EvaluationSet, *, deterministic: bool) -> int:
        """Return 3 in GOT-10k for a tracker that is not deterministic, else 1."""
        return repetitions(dataset, deterministic=deterministic)

    def finished(
        self, root: Path, dataset: EvaluationSet, tracker: str, sequence: EvaluationSequence, wanted: int
    ) -> list[Trajectory]:
        """Read from the layout of `siamtrack.evaluation.results`."""
        runs: list[Trajectory] = []
        length, times = len(sequence.frames), times_file(root, dataset, tracker, sequence.name)
        for number in range(1, wanted + 1):
            path = boxes_file(root, dataset, tracker, sequence.name, number)
            if not path.is_file():
                break
            try:
                boxes, seconds = read_boxes(path, length, dataset.kind), np.full(length, np.nan)
                # Times of repetitions share a file, that the next one is added to; one run can do without.
                if wanted > 1 or times.is_file():
                    seconds = read_times(times, length)[:, number - 1]
            except (DataError, IndexError) as error:
                _logger.warning("%s is run again: %s", sequence.name, error)
                break
            codes = np.full(length, FrameCode.TRACKED, np.int8)
            codes[0] = FrameCode.INITIALISED
            runs.append(Trajectory(codes, boxes, seconds))
        return runs

    def follow(self, tracker: BoxTracker, sequence: EvaluationSequence, on_frame: FrameCallback) -> Trajectory:
        """See `follow_once`."""
        return follow_once(tracker, sequence, on_frame)

    def write(
        self,
        root: Path,
        dataset: EvaluationSet,
        tracker: str,
        sequence: EvaluationSequence,
        trajectory: Trajectory,
        repetition: int,
    ) -> None:
        """Write to the layout of `siamtrack.evaluation.results`."""
        write_result(root, dataset, tracker, sequence, trajectory.boxes, trajectory.seconds, repetition)


class WithResets:
    """VOT's supervised experiment, once over each sequence."""

    def wanted(self, dataset: EvaluationSet, *, deterministic: bool) -> int:
        """Return 1."""
        return 1

    def finished(
        self, root: Path, dataset: EvaluationSet, tracker: str, sequence: EvaluationSequence, wanted: int
    ) -> list[Trajectory]:
        """Read from the layout of `siamtrack.evaluation.trajectories`."""
        if wanted < 1 or not trajectory_file(root, dataset, tracker, sequence.name).is_file():
            return []
        try:
            return [read_trajectory(root, dataset, tracker, sequence)]
        except DataError as error:
            _logger.warning("%s is run again: %s", sequence.name, error)
            return []

    def follow(self, tracker: BoxTracker, sequence: EvaluationSequence, on_frame: FrameCallback) -> Trajectory:
        """See `follow_with_resets`."""
        return follow_with_resets(tracker, sequence, on_frame)

    def write(
        self,
        root: Path,
        dataset: EvaluationSet,
        tracker: str,
        sequence: EvaluationSequence,
        trajectory: Trajectory,
        repetition: int,
    ) -> None:
        """Write to the layout of `siamtrack.evaluation.trajectories`, which holds one run."""
        write_trajectory(root, dataset, tracker, sequence, trajectory)


def follow_once(tracker: BoxTracker, sequence: EvaluationSequence, on_frame: FrameCallback) -> Trajectory:
    """Track in one pass: the tracker is set in the first frame and is never restarted.

    Raises:
        DataError: when the first frame has no box, frames are missing or cannot be decoded.
        SiamTrackError: when the tracker answers with something that is no box.
    """
    return _run(tracker, sequence, on_frame, resets=False)


def follow_with_resets(tracker: BoxTracker, sequence: EvaluationSequence, on_frame: FrameCallback) -> Trajectory:
    """Run VOT's supervised experiment: restart the tracker some frames after its box leaves the truth altogether.

    Where that frame has no truth, the next one that has is taken. A frame without truth is no failure.

    Raises:
        DataError: see `follow_once`.
        SiamTrackError: see `follow_once`.
    """
    return _run(tracker, sequence, on_frame, resets=True)


def _run(tracker: BoxTracker, sequence: EvaluationSequence, on_frame: FrameCallback, *, resets: bool) -> Trajectory:
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
        on_frame()
    if count != length:
        raise DataError(f"sequence {sequence.name} has {count} frames instead of the {length} that were counted")
    return run


class _Outcome(NamedTuple):
    """Result of one frame."""

    code: FrameCode
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
            return _Outcome(FrameCode.INITIALISED, self._last, time.perf_counter() - began)
        if self._start < math.inf:
            return _Outcome(FrameCode.SKIPPED, None, math.nan)
        began = time.perf_counter()
        found = self._tracker.update(frame)
        seconds = time.perf_counter() - began
        self._last = self._last if found is None else found
        if self._resets and self._known[index]:
            corners = _corners(self._truth, index)
            if not touches(self._last, corners, frame.shape[1], frame.shape[0]):
                self._start = index + FRAMES_AFTER_FAILURE
                return _Outcome(FrameCode.FAILED, None, seconds)
        return _Outcome(FrameCode.TRACKED, self._last, seconds)


def _corners(truth: Truth, index: int) -> NDArray[np.float64]:
    """Return the `(4, 2)` corners of the truth in a frame: its polygon, or its box."""
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
