"""The figures of the field as functions of arrays: overlaps, center errors, and the curves that are made of them.

A frame whose truth is NaN has no overlap and no center error, both are NaN, and a NaN never counts: neither as a hit
nor as a miss. A found box that is not finite is a miss.

What goes over all frames is compiled by numba: as array expressions, scoring takes most of its time to make temporary
arrays of four columns.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from siamtrack.boxes import iou
from siamtrack.system.numba_cache import CACHE

Array = NDArray[np.float64]

PRECISION_THRESHOLDS: Array = np.arange(51, dtype=np.float64)
"""Center errors in pixels of a precision curve (Wu et al. 2013)."""
PRECISION_PIXELS = 20
"""The center error at which precision is given as one number (Wu et al. 2013)."""
NORM_PRECISION_THRESHOLDS: Array = np.arange(51) / 100
"""Center errors relative to the target's size of a normalized precision curve (TrackingNet, Müller et al. 2018)."""


@njit(cache=CACHE)
def has_target(truth: Array) -> NDArray[np.bool_]:
    """Return whether the truth of a frame is a box that can be hit: finite, with an area.

    Args:
        truth: `(N, 4)` boxes.

    Returns:
        `(N,)`.
    """
    found = is_finite(truth)
    for i in range(len(truth)):
        found[i] &= truth[i, 2] > 0 and truth[i, 3] > 0
    return found


@njit(cache=CACHE)
def is_finite(boxes: Array) -> NDArray[np.bool_]:
    """Return whether all four numbers of a box are finite, `(N,)` of `(N, 4)`."""
    finite = np.empty(len(boxes), np.bool_)
    for i in range(len(boxes)):
        # The sum of four finite numbers may overflow, so each is looked at.
        finite[i] = (
            np.isfinite(boxes[i, 0])
            and np.isfinite(boxes[i, 1])
            and np.isfinite(boxes[i, 2])
            and np.isfinite(boxes[i, 3])
        )
    return finite


@njit(cache=CACHE)
def cut_to_frame(boxes: Array, size: tuple[int, int]) -> Array:
    """Cut boxes to the frame as `got10k.utils.metrics.rect_iou` does with a bound.

    The toolkit moves a left or upper edge that is outside the frame to its border and keeps width and height, so that
    a box does not lose the part that hangs out there; at the right and lower border it does. It works on the numbers
    of the files, which count the first pixel as 1: the border is at 0 there, which is -1 here.

    Args:
        boxes: `(N, 4)`, 0-based.
        size: width and height of the frame.

    Returns:
        `(N, 4)`, 0-based; NaN stays NaN.
    """
    cut = np.empty_like(boxes)
    for i in range(len(boxes)):
        for axis in range(2):
            start = _clip(boxes[i, axis] + 1, float(size[axis]))
            cut[i, axis] = start - 1
            cut[i, axis + 2] = _clip(boxes[i, axis + 2], size[axis] - start)
    return cut


@njit(cache=CACHE)
def _clip(value: float, upper: float) -> float:
    """Return the value between 0 and `upper`; NaN stays NaN."""
    if value < 0:
        return 0.0
    return upper if value > upper else value


def overlaps(found: Array, truth: Array) -> Array:
    """Return the intersection over union of found boxes and the truth.

    Args:
        found: `(N, 4)` boxes.
        truth: `(N, 4)` boxes.

    Returns:
        `(N,)` in [0, 1]; NaN where the truth is.
    """
    seen = is_finite(found)
    # x + width - x is not width to the last bit, and no overlap may be above 1.
    result = np.minimum(iou(found if seen.all() else np.where(seen[:, None], found, 0.0), truth), 1.0)
    result[~is_finite(truth)] = np.nan
    return result


def center_errors(found: Array, truth: Array) -> Array:
    """Return the distances of the centers in pixels.

    Args:
        found: `(N, 4)` boxes.
        truth: `(N, 4)` boxes.

    Returns:
        `(N,)`; NaN where the truth is, infinite where what was found is not finite.
    """
    return _distances(found, truth, np.ones((len(truth), 2)))


def normalized_center_errors(found: Array, truth: Array) -> Array:
    """Return the center distances in units of the target's width and height (TrackingNet, Müller et al. 2018).

    Args:
        found: `(N, 4)` boxes.
        truth: `(N, 4)` boxes.

    Returns:
        `(N,)`; NaN where the truth is, infinite where it is empty and where what was found is not finite.
    """
    return _distances(found, truth, truth[:, 2:].copy())


@njit(cache=CACHE)
def _distances(found: Array, truth: Array, units: Array) -> Array:
    """Return the center distances in `(N, 2)` units of width and height; infinite where a unit is not above 0."""
    distances = np.empty(len(truth))
    seen, known = is_finite(found), is_finite(truth)
    for i in range(len(truth)):
        width, height = units[i]
        if not known[i]:
            distances[i] = np.nan
        elif not seen[i] or width <= 0 or height <= 0:
            distances[i] = np.inf
        else:
            # Center minus center: equal boxes have a distance of exactly 0.
            x = (found[i, 0] + found[i, 2] / 2) - (truth[i, 0] + truth[i, 2] / 2)
            y = (found[i, 1] + found[i, 3] / 2) - (truth[i, 1] + truth[i, 3] / 2)
            distances[i] = np.sqrt((x / width) ** 2 + (y / height) ** 2)
    return distances


def success_curve(values: Array, thresholds: Array) -> Array:
    """Return the share of the frames with an overlap above each threshold.

    An overlap has to be greater than a threshold, and none is greater than 1: a perfect tracker has 0 at the last of
    21 thresholds from 0 to 1, and so a mean of 20/21.

    Args:
        values: `(N,)` overlaps; NaN does not count.
        thresholds: `(T,)`, ascending.

    Returns:
        `(T,)`; NaN without a frame that counts.
    """
    above, count = _count_above(values, thresholds)
    return _share(above, count)


def precision_curve(errors: Array, thresholds: Array) -> Array:
    """Return the share of the frames with a center error up to each threshold, the threshold included.

    Args:
        errors: `(N,)` distances; NaN does not count.
        thresholds: `(T,)`, ascending.

    Returns:
        `(T,)`; NaN without a frame that counts.
    """
    above, count = _count_above(errors, thresholds)
    return _share(count - above, count)


@njit(cache=CACHE)
def _count_above(values: Array, thresholds: Array) -> tuple[NDArray[np.int64], int]:
    """Return how many values are above each threshold, `(T,)`, and their total; NaN does not count."""
    above = np.zeros(len(thresholds), np.int64)
    count = 0
    for value in values:
        if not np.isnan(value):
            count += 1
            passed = np.searchsorted(thresholds, value)
            if passed > 0:
                above[passed - 1] += 1  # the highest threshold below the value
    for j in range(len(thresholds) - 2, -1, -1):
        above[j] += above[j + 1]
    return above, count


def _share(hits: NDArray[np.int64], count: int) -> Array:
    return hits / count if count else np.full(len(hits), np.nan)


def average_overlap(values: Array) -> float:
    """Return the mean overlap (AO) over the frames that count; NaN without any.

    Args:
        values: `(N,)` overlaps; NaN does not count.
    """
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if len(counted) else float("nan")


def success_rate(values: Array, threshold: float) -> float:
    """Return the share of the frames that count with an overlap above a threshold (SR); NaN without any.

    Args:
        values: `(N,)` overlaps; NaN does not count.
        threshold: usually 0.5 or 0.75.
    """
    count = np.count_nonzero(~np.isnan(values))
    return np.count_nonzero(values > threshold) / count if count else float("nan")


@njit(cache=CACHE)
def count_failures(values: Array) -> int:
    """Return how often a target was lost altogether: runs of frames whose overlap is 0.

    Frames that do not count are passed over: they neither end a run nor begin one.

    Args:
        values: `(N,)` overlaps; NaN does not count.
    """
    failures = 0
    lost = False
    for value in values:
        if value <= 0 and not lost:
            failures += 1
        if not np.isnan(value):
            lost = value <= 0
    return failures
