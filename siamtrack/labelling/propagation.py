"""Boxes for the frames between key frames: interpolated, tracked from both sides, or tracked and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, iou
from siamtrack.errors import BoxError
from siamtrack.labelling.frames import FrameStore
from siamtrack.labelling.key_frames import Interval, KeyFrames
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.loop import track

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

Boxes = NDArray[np.float64]
"""`(frames, 4)` boxes `x, y, width, height` in pixels, 0-based; a row is NaN where there is no box."""

Propagation = Callable[[Interval], Boxes]
"""Function that returns the boxes of an interval, one row for each of its frames."""

TrackRange = Callable[[range, Box], Iterator[Box | None]]
"""Function that tracks a target through a range of frames, forwards or backwards, from its box in the first one. It
yields a box for each other frame, None where the target is lost."""

SAME_TARGET_IOU = 0.3
"""Minimum overlap of two boxes of the same target, for which a mean of the boxes makes sense."""

RETURN_POINTS = (1.0, 0.75, 0.5, 0.25)
"""Points at which backward tracking starts, as shares of the way from the key frame to the end of the video. They are
tried in this order until one way back arrives at the key frame."""

MIN_RUN = 10
"""Minimum number of consecutive confirmed frames that are kept: shorter runs have too little motion to learn from."""


def fill_boxes(key_frames: KeyFrames, count: int, propagate: Propagation) -> Boxes:
    """Return the boxes of a whole video: those of the key frames, and propagated ones in between.

    Args:
        key_frames: key frames, all inside the video.
        count: number of frames of the video.
        propagate: `interpolate`, or the result of `track_both_ways` or `track_and_check`.

    Returns:
        `(count, 4)`.
    """
    boxes = _no_boxes(count)
    for frame, box in key_frames:
        if box is not None:
            boxes[frame] = box
    for interval in key_frames.intervals(count):
        boxes[interval.frames.start : interval.frames.stop] = propagate(interval)
    return boxes


def interpolate(interval: Interval) -> Boxes:
    """Interpolate the center and the logarithm of the size linearly between two key frames.

    The size of a target that moves away at a constant rate changes by the same factor in each frame. There are no boxes
    where one of the key frames has none.
    """
    if interval.before is None or interval.after is None:
        return _no_boxes(len(interval.frames))
    return mix_boxes(np.array(interval.before), np.array(interval.after), _weights(len(interval.frames)))


def track_both_ways(track_range: TrackRange) -> Propagation:
    """Return a propagation that mixes forward and backward tracking by the distance to the key frames.

    Where the two boxes are apart, the one from the nearer key frame is taken. Where the target is out of sight in the
    key frame after, only forward tracking is used. Frames before the first and after the last key frame have no boxes:
    nobody said that the target is there.
    """

    def propagate(interval: Interval) -> Boxes:
        if not interval.closed:
            return _no_boxes(len(interval.frames))
        forward, backward = _forward_and_backward(interval, track_range)
        weights = _weights(len(interval.frames))
        boxes = mix_boxes(forward, backward, weights)
        apart = ~(iou(forward, backward) >= SAME_TARGET_IOU)
        boxes[apart] = np.where(weights < 0.5, forward, backward)[apart]
        for one, other in ((forward, backward), (backward, forward)):
            alone = np.isnan(other[:, 0])
            boxes[alone] = one[alone]
        return boxes

    return propagate


def track_and_check(track_range: TrackRange, min_overlap: float) -> Propagation:
    """Return a propagation that keeps boxes only where forward and backward tracking agree (Kalal et al. 2010).

    Between two key frames with boxes, tracking from both is compared. Before the first key frame, after the last one,
    and where the target goes out of sight, the target is tracked away from the key frame and then back, and frames are
    kept only if the way back arrives at the box of the key frame. So every kept box is on a way between two boxes that
    a person gave, or on a way that led back to its start.

    Args:
        track_range: tracker.
        min_overlap: minimum overlap (IoU) of the forward and the backward box of a frame, in (0, 1].
    """

    def propagate(interval: Interval) -> Boxes:
        if interval.before is not None and interval.after is not None:
            forward, backward = _forward_and_backward(interval, track_range)
            boxes = mix_boxes(forward, backward, _weights(len(interval.frames)))
            boxes[~(iou(forward, backward) >= min_overlap)] = np.nan
            return boxes
        first, last = interval.frames[0], interval.frames[-1]
        if interval.before is not None:
            return _there_and_back(range(first - 1, last + 1), interval.before, track_range, min_overlap)
        if interval.after is not None:
            return _there_and_back(range(last + 1, first - 1, -1), interval.after, track_range, min_overlap)[::-1]
        return _no_boxes(len(interval.frames))

    return propagate


def track_stored_frames(load: Callable[[], Tracker], frames: FrameStore, count: Callable[[], None]) -> TrackRange:
    """Return a function that tracks a target through the frames of a video.

    Args:
        load: returns the tracker, the same one at every call. It is called when tracking starts.
        frames: frames of the video.
        count: called after every frame.
    """

    def track_range(order: range, box: Box) -> Iterator[Box | None]:
        from siamtrack.tracking.multi import MultiTracker  # noqa: PLC0415 - torch: only when something is tracked

        targets = MultiTracker(load())
        target = targets.add(frames.image(order[0]), box)
        images = (None if index in frames.missing else frames.image(index) for index in order[1:])
        for _, results in track(images, targets):
            count()
            result = results[target] if results else None
            yield None if result is None or result.status is Status.LOST else result.box

    return track_range


def mix_boxes(first: Boxes, second: Boxes, weight: NDArray[np.float64]) -> Boxes:
    """Return weighted means of boxes: of the centers, and of the logarithms of the sizes.

    Args:
        first: `(N, 4)`, or `(4,)` for all.
        second: boxes of the same shape.
        weight: `(N, 1)` weight of the second one, in [0, 1].
    """
    centers = (1 - weight) * (first[..., :2] + first[..., 2:] / 2) + weight * (second[..., :2] + second[..., 2:] / 2)
    sizes = first[..., 2:] ** (1 - weight) * second[..., 2:] ** weight
    return np.hstack([centers - sizes / 2, sizes])


def count_checked(key_frames: KeyFrames, count: int) -> int:
    """Return the number of frames that a check tries to confirm: all but those in which the target is out of sight.

    Args:
        key_frames: key frames of the video.
        count: number of frames of the video.
    """
    intervals = key_frames.intervals(count)
    tried = sum(len(each.frames) for each in intervals if each.before is not None or each.after is not None)
    return tried + sum(box is not None for _, box in key_frames)


def labelled_range(boxes: Boxes) -> list[range]:
    """Return the frames from the first box to the last as one range; no range when there is no box."""
    found = np.flatnonzero(np.isfinite(boxes[:, 0]))
    return [range(int(found[0]), int(found[-1]) + 1)] if len(found) else []


def confirmed_runs(boxes: Boxes, min_length: int = MIN_RUN) -> list[range]:
    """Return the longest ranges of frames that all have a box, in order, without those below a length."""
    has_box = np.concatenate([[False], np.isfinite(boxes[:, 0]), [False]])
    edges = np.flatnonzero(has_box[1:] != has_box[:-1]).tolist()
    ranges = (range(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True))
    return [each for each in ranges if len(each) >= min_length]


def _weights(count: int) -> NDArray[np.float64]:
    """Return `(count, 1)` positions of the frames of an interval, from 0 at the key frame before to 1 at that after."""
    return np.arange(1, count + 1)[:, None] / (count + 1)


def _forward_and_backward(interval: Interval, track_range: TrackRange) -> tuple[Boxes, Boxes]:
    first, last = interval.frames[0], interval.frames[-1]
    forward = backward = _no_boxes(len(interval.frames))
    if interval.before is not None:
        forward = _as_array(track_range(range(first - 1, last + 1), interval.before))
    if interval.after is not None:
        backward = _as_array(track_range(range(last + 1, first - 1, -1), interval.after))[::-1]
    return forward, backward


def _there_and_back(frames: range, start: Box, track_range: TrackRange, min_overlap: float) -> Boxes:
    """Return the boxes of the frames after the first, in the order of the range, where both directions agree.

    When the target is lost near the end, the way back from there leads to a wrong place and says nothing about the
    frames before. The way back is tried from nearer return points too.
    """
    forward = np.vstack([np.array(start), _as_array(track_range(frames, start))])
    boxes = _no_boxes(len(frames) - 1)
    for turn in dict.fromkeys(_last_found(forward[: 1 + round(share * len(boxes))]) for share in RETURN_POINTS):
        try:
            way_back = _as_array(track_range(frames[: turn + 1][::-1], Box(*map(float, forward[turn]))))
        except BoxError:  # the box is outside the frame, or as large as the frame
            continue
        backward = np.vstack([way_back[::-1], forward[turn]])
        agree = iou(forward[: turn + 1], backward) >= min_overlap
        if agree[0]:
            kept = np.flatnonzero(agree[1:])
            boxes[kept] = forward[kept + 1]
            break
    return boxes


def _last_found(boxes: Boxes) -> int:
    return int(np.flatnonzero(np.isfinite(boxes[:, 0]))[-1])


def _as_array(boxes: Iterable[Box | None]) -> Boxes:
    return np.array([(np.nan,) * 4 if box is None else box for box in boxes], np.float64).reshape(-1, 4)


def _no_boxes(count: int) -> Boxes:
    return np.full((count, 4), np.nan)
