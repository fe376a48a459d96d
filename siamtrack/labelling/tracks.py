"""Boxes for the frames between key frames: on a straight way, or tracked from both sides, or tracked and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, iou
from siamtrack.errors import BoxError
from siamtrack.labelling.annotations import Annotations, Span

Boxes = NDArray[np.float64]
"""`(frames, 4)` boxes `x, y, width, height` in pixels, 0-based; rows of NaN where there is none."""

Between = Callable[[Span], Boxes]
"""Gives the boxes of a span, one row a frame of it."""

Follow = Callable[[range, Box], Iterator[Box | None]]
"""Follows a target from the first frame of a range, in which its box is given, through the others, forwards or
backwards: yields a box for each of them but the first, None where the target is lost."""

SAME_OBJECT = 0.3
"""Overlap from which on two boxes are taken for one object, so that a mean of them makes sense."""

TURNS = (1.0, 0.75, 0.5, 0.25)
"""Shares of the way from a key frame to the end of the video at which the way back is begun, until one arrives."""

MIN_RUN = 10
"""Frames in a row that must be confirmed to be kept: shorter pieces show no motion worth learning."""


def fill(annotations: Annotations, count: int, between: Between) -> Boxes:
    """Boxes for a whole video: those of the key frames as they are, and what `between` gives for the others.

    Args:
        annotations: the key frames, all inside the video.
        count: number of frames of the video.
        between: `interpolated`, or what `tracked` or `checked` made.

    Returns:
        `(count, 4)`.
    """
    boxes = _nothing(count)
    for key in annotations.keys:
        if key.box is not None:
            boxes[key.frame] = key.box
    for span in annotations.spans(count):
        boxes[span.frames.start : span.frames.stop] = between(span)
    return boxes


def interpolated(span: Span) -> Boxes:
    """Center and logarithm of the size on a straight line from one key frame to the next.

    A target that changes its distance at a steady rate changes its size by the same factor in each frame. There are no
    boxes where one side has none.
    """
    if span.before is None or span.after is None:
        return _nothing(len(span.frames))
    return mix_boxes(np.array(span.before), np.array(span.after), _shares(len(span.frames)))


def tracked(follow: Follow) -> Between:
    """Forwards from the key frame before and backwards from the one after, mixed by the distance to them.

    Where both ways lead to different places, the one from the nearer key frame counts. Where the target is out of sight
    in the key frame after, there is one way only. What comes before the first key frame or after the last gets no
    boxes: nobody said that the target is there.
    """

    def between(span: Span) -> Boxes:
        if not span.closed:
            return _nothing(len(span.frames))
        forwards, backwards = _both_ways(span, follow)
        shares = _shares(len(span.frames))
        boxes = mix_boxes(forwards, backwards, shares)
        apart = ~(iou(forwards, backwards) >= SAME_OBJECT)
        boxes[apart] = np.where(shares < 0.5, forwards, backwards)[apart]
        for one, other in ((forwards, backwards), (backwards, forwards)):
            alone = np.isnan(other[:, 0])
            boxes[alone] = one[alone]
        return boxes

    return between


def checked(follow: Follow, agree: float) -> Between:
    """Tracked boxes, in frames only where forwards and backwards agree (Kalal et al. 2010, forward-backward error).

    Between two key frames with boxes, the ways from both are compared. On the other side of the outermost key frames,
    and where the target goes out of sight, the target is followed away from the key frame and then back; of that,
    frames are kept only if the way back arrives at the box of the key frame. So every box that is kept is on a way
    between two places that a person marked, or on one that led back to where it began.

    Args:
        follow: the tracker.
        agree: least overlap of the two boxes of a frame, in (0, 1].
    """

    def between(span: Span) -> Boxes:
        if span.before is not None and span.after is not None:
            forwards, backwards = _both_ways(span, follow)
            boxes = mix_boxes(forwards, backwards, _shares(len(span.frames)))
            boxes[~(iou(forwards, backwards) >= agree)] = np.nan
            return boxes
        first, last = span.frames[0], span.frames[-1]
        if span.before is not None:
            return _there_and_back(range(first - 1, last + 1), span.before, follow, agree)
        if span.after is not None:
            return _there_and_back(range(last + 1, first - 1, -1), span.after, follow, agree)[::-1]
        return _nothing(len(span.frames))

    return between


def mix_boxes(first: Boxes, second: Boxes, share: NDArray[np.float64]) -> Boxes:
    """Boxes between two: centers linearly, sizes linearly in their logarithm.

    Args:
        first: `(N, 4)`, or `(4,)` for all.
        second: the same.
        share: `(N, 1)` share of the second one, in [0, 1].
    """
    centers = (1 - share) * (first[..., :2] + first[..., 2:] / 2) + share * (second[..., :2] + second[..., 2:] / 2)
    sizes = first[..., 2:] ** (1 - share) * second[..., 2:] ** share
    return np.hstack([centers - sizes / 2, sizes])


def sought(annotations: Annotations, count: int) -> int:
    """Number of frames of a video that a check tries to find the target in: all but those where it is out of sight."""
    spans = annotations.spans(count)
    tried = sum(len(span.frames) for span in spans if span.before is not None or span.after is not None)
    return tried + sum(key.box is not None for key in annotations.keys)


def from_first_to_last(boxes: Boxes) -> list[range]:
    """The frames from the first box to the last, as one range; none where there is no box."""
    found = np.flatnonzero(np.isfinite(boxes[:, 0]))
    return [range(int(found[0]), int(found[-1]) + 1)] if len(found) else []


def runs(boxes: Boxes, shortest: int = MIN_RUN) -> list[range]:
    """The longest ranges of frames that all have a box, in order, of those with `shortest` frames or more."""
    has = np.concatenate([[False], np.isfinite(boxes[:, 0]), [False]])
    edges = np.flatnonzero(has[1:] != has[:-1]).tolist()
    return [range(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if stop - start >= shortest]


def _shares(count: int) -> NDArray[np.float64]:
    """`(count, 1)` how far each frame of a span is on the way from the key frame before to the one after."""
    return np.arange(1, count + 1)[:, None] / (count + 1)


def _both_ways(span: Span, follow: Follow) -> tuple[Boxes, Boxes]:
    first, last = span.frames[0], span.frames[-1]
    forwards = backwards = _nothing(len(span.frames))
    if span.before is not None:
        forwards = _as_rows(follow(range(first - 1, last + 1), span.before))
    if span.after is not None:
        backwards = _as_rows(follow(range(last + 1, first - 1, -1), span.after))[::-1]
    return forwards, backwards


def _there_and_back(frames: range, start: Box, follow: Follow, agree: float) -> Boxes:
    """The boxes of the frames after the first, in the order of the range, where the way back agrees with the way there.

    A target that is lost in the end brings the way back from there to the wrong place, and says nothing about the
    frames before: so the way back is tried from nearer places too.
    """
    there = np.vstack([np.array(start), _as_rows(follow(frames, start))])
    boxes = _nothing(len(frames) - 1)
    for turn in dict.fromkeys(_last_found(there[: 1 + round(share * len(boxes))]) for share in TURNS):
        try:
            way_back = _as_rows(follow(frames[: turn + 1][::-1], Box(*map(float, there[turn]))))
        except BoxError:  # what was reached is no box to follow: outside the frame, or as large
            continue
        back = np.vstack([way_back[::-1], there[turn]])
        agreeing = iou(there[: turn + 1], back) >= agree
        if agreeing[0]:
            kept = np.flatnonzero(agreeing[1:])
            boxes[kept] = there[kept + 1]
            break
    return boxes


def _last_found(boxes: Boxes) -> int:
    return int(np.flatnonzero(np.isfinite(boxes[:, 0]))[-1])


def _as_rows(found: Iterable[Box | None]) -> Boxes:
    return np.array([(np.nan,) * 4 if box is None else box for box in found], np.float64).reshape(-1, 4)


def _nothing(count: int) -> Boxes:
    return np.full((count, 4), np.nan)
