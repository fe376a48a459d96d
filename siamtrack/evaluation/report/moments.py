"""The moments in which trackers went wrong the most, found in their overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from siamtrack.evaluation.report.contents import Moment
from siamtrack.evaluation.scores import SequenceScore, TrackerScore

SHORTEST_LOSS = 5
"""Scored frames without overlap that make a target lost; fewer are a stumble."""
WINDOW = 10
"""Scored frames before and after a fall of the overlap that it is measured over."""
LEAST_DROP = 0.2
"""A smaller fall is no failure."""


def find_moments(scores: Sequence[TrackerScore], count: int = 10) -> tuple[Moment, ...]:
    """Return the worst moments of all trackers: the longest times without overlap, then the steepest falls of the
    overlap.

    Where several trackers fail at the same time in a sequence, the one that does worst is taken.

    Args:
        scores: of the same sequences.
        count: how many are wanted.

    Returns:
        At most so many, the worst first.
    """
    found = [moment for score in scores for each in score.sequences for moment in _moments(score.tracker, each)]
    found.sort(key=lambda moment: (-moment.lost, -moment.drop, moment.sequence, moment.first))
    chosen: list[Moment] = []
    for moment in found:
        if len(chosen) == count:
            break
        if not any(_at_once(moment, other) for other in chosen):
            chosen.append(moment)
    return tuple(chosen)


def _at_once(a: Moment, b: Moment) -> bool:
    return a.sequence == b.sequence and a.first <= b.last and b.first <= a.last


def _moments(tracker: str, score: SequenceScore) -> Iterator[Moment]:
    """Yield all losses of a sequence, and its steepest fall."""
    frames = np.flatnonzero(np.isfinite(score.overlaps))
    overlaps = score.overlaps[frames].astype(np.float64)
    falls = _falls(overlaps)
    for begin, end in runs(overlaps == 0):
        if end - begin >= SHORTEST_LOSS:
            drop = float(falls[begin])
            yield Moment(tracker, score.name, int(frames[begin]), int(frames[end - 1]), end - begin, drop)
    if len(falls):
        steepest = int(falls.argmax())
        if falls[steepest] >= LEAST_DROP:
            last = int(frames[min(steepest + WINDOW, len(frames)) - 1])
            yield Moment(tracker, score.name, int(frames[steepest]), last, 0, float(falls[steepest]))


def _falls(overlaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(N,)` mean of up to `WINDOW` overlaps before each place, minus that of as many from it on; 0 at the first."""
    sums = np.concatenate([[0.0], np.cumsum(overlaps)])
    places = np.arange(len(overlaps))
    before, after = np.maximum(places - WINDOW, 0), np.minimum(places + WINDOW, len(overlaps))
    earlier = (sums[places] - sums[before]) / np.maximum(places - before, 1)
    later = (sums[after] - sums[places]) / np.maximum(after - places, 1)
    falls: NDArray[np.float64] = np.where(places > 0, earlier - later, 0.0)
    return falls


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Begin and end, exclusive, of every unbroken row of true flags in `(N,)`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
