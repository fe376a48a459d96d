"""Uncertainty of figures: bootstrap intervals over sequences, and two trackers compared on the same sequences."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import UsageError
from siamtrack.evaluation.scores import Comparison, TrackerScore, TrackingFigures

Array = NDArray[np.float64]

RESAMPLES = 5000
"""Number of data sets that are drawn for an interval; its ends are then sure to about a hundredth of its width."""
SEED = 0
"""Seed of the resampling: equal scores give equal intervals."""
FIGURES = tuple(field.name for field in fields(TrackingFigures))
"""Names of the figures."""
EXACT_PAIRS = 50
"""Up to so many pairs the Wilcoxon test is exact; beyond, its sum of ranks is as good as normally distributed."""
_CHUNK = 1 << 16
"""Draws that are held in memory at a time: what the processor's cache holds."""
_SHOWN = 5
"""Sequences that an error names."""


def weighted_mean(values: Array, weights: Array) -> Array:
    """Return the weighted mean over sequences.

    Args:
        values: `(S, K)`, K figures of each sequence; NaN in sequences of weight 0.
        weights: `(S,)`, 0 for a sequence that does not count.

    Returns:
        `(K,)`; NaN where no sequence counts.
    """
    counted = weights > 0
    if not counted.any():
        return np.full(values.shape[1], np.nan)
    mean: Array = weights[counted] @ values[counted] / weights[counted].sum()
    return mean


def bootstrap_intervals(values: Array, weights: Array, rng: np.random.Generator) -> Array:
    """Return 95 % intervals of weighted means: percentiles over sequences drawn with replacement (Efron 1979).

    Whole sequences are drawn, since the frames of one are alike.

    Args:
        values: `(S, K)`, K figures of each sequence.
        weights: `(S,)`, 0 for a sequence that does not count.
        rng: draws the sequences, the same ones for all figures.

    Returns:
        `(K, 2)` lower and upper ends; NaN where no sequence counts.
    """
    counted = weights > 0
    values, weights = values[counted], weights[counted]
    count = len(weights)
    if not count:
        return np.full((values.shape[1], 2), np.nan)
    table = np.concatenate([values * weights[:, None], weights[:, None]], axis=1)
    rows = max(_CHUNK // count, 1)
    sums = np.concatenate([_resample(table, min(rows, RESAMPLES - done), rng) for done in range(0, RESAMPLES, rows)])
    ends: Array = np.quantile(sums[:, :-1] / sums[:, -1:], (0.025, 0.975), axis=0).T
    return ends


def _resample(table: Array, times: int, rng: np.random.Generator) -> Array:
    """Return `(times, K)` sums of the rows of a table `(S, K)`, S of which are drawn each time."""
    count = len(table)
    drawn = rng.integers(count, size=(times, count)) + count * np.arange(times)[:, None]
    often = np.bincount(drawn.ravel(), minlength=times * count).reshape(times, count)
    sums: Array = often.astype(np.float64) @ table
    return sums


def compare(first: TrackerScore, second: TrackerScore, figure: str = "ao") -> Comparison:
    """Compare two trackers on the sequences of one data set, paired; every sequence has the same weight.

    Sequences without a frame that counts are left out.

    Args:
        first: scored on the same sequences as `second`, in the same convention.
        second: what it is compared with.
        figure: name of a field of `TrackingFigures`.

    Returns:
        The difference with its bootstrap interval, and the p-value of the Wilcoxon signed-rank test.

    Raises:
        UsageError: for an unknown figure, or when the two were not scored alike.
    """
    if figure not in FIGURES:
        raise UsageError(f"unknown figure '{figure}' (known: {', '.join(FIGURES)})")
    _require_alike(first, second)
    others = {each.name: each.figures for each in second.sequences}
    pairs = [(getattr(each.figures, figure), getattr(others[each.name], figure)) for each in first.sequences]
    differences = np.array([a - b for a, b in pairs if not (math.isnan(a) or math.isnan(b))], np.float64)
    column, weights = differences[:, None], np.ones(len(differences))
    low, high = bootstrap_intervals(column, weights, np.random.default_rng(SEED))[0]
    return Comparison(
        first.tracker,
        second.tracker,
        figure,
        difference=float(weighted_mean(column, weights)[0]),
        interval=(float(low), float(high)),
        wins=int(np.count_nonzero(differences > 0)),
        losses=int(np.count_nonzero(differences < 0)),
        p_value=signed_rank_p_value(differences),
    )


def _require_alike(first: TrackerScore, second: TrackerScore) -> None:
    names = f"'{first.tracker}' and '{second.tracker}'"
    if first.convention != second.convention:
        raise UsageError(f"{names} were scored by {first.convention} and {second.convention}: score both by one")
    differing = sorted({each.name for each in first.sequences} ^ {each.name for each in second.sequences})
    if first.dataset != second.dataset:
        differing = [f"{first.dataset} and {second.dataset}"]
    if differing:
        shown = ", ".join(differing[:_SHOWN]) + (", ..." if len(differing) > _SHOWN else "")
        raise UsageError(f"{names} were not scored on the same sequences ({shown}): score both on one data set")


def signed_rank_p_value(differences: Array) -> float:
    """Return the two-sided p-value of the Wilcoxon signed-rank test (Wilcoxon 1945); differences of 0 are left out.

    Up to `EXACT_PAIRS` differences all ways to set their signs are counted, equal ones sharing their mean rank; beyond,
    the sum of ranks is taken as normal, with its variance corrected for equal ones.

    Args:
        differences: `(N,)` between pairs.

    Returns:
        1 where nothing differs.
    """
    differing = differences[differences != 0]
    count = len(differing)
    if not count:
        return 1.0
    _, place, ties = np.unique(np.abs(differing), return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(ties) - ties + 1)[place]  # twice the mean rank of equal ones: a whole number
    positive, total = int(doubled[differing > 0].sum()), int(doubled.sum())
    lesser = min(positive, total - positive)
    if count <= EXACT_PAIRS:
        return min(1.0, 2 * float(_signed_sums(doubled)[: lesser + 1].sum()))
    variance = count * (count + 1) * (2 * count + 1) / 24 - float((ties**3 - ties).sum()) / 48
    return math.erfc((total / 2 - lesser) / 2 / math.sqrt(2 * variance))


def _signed_sums(ranks: NDArray[np.int64]) -> Array:
    """Return the probability of every sum of those ranks that a fair coin chooses: `(sum of ranks + 1,)`."""
    chances = np.zeros(int(ranks.sum()) + 1)
    chances[0] = 1.0
    for rank in ranks.tolist():
        chances[rank:] += chances[:-rank].copy()
        chances /= 2
    return chances
