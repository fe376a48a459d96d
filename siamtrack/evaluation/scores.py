"""Scores, as values: of one sequence, of one tracker on one data set, and of two trackers compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of a tracker; the initialization in the first frame is left out of all but `mean_inverse_fps`."""

    fps: float
    """Frames divided by their total time: what a user waits for."""
    mean_inverse_fps: float
    """Mean of `1 / t` over frames, as the GOT-10k toolkit gives it; a few quick frames lift it."""
    p50_ms: float
    """Median latency of a frame in milliseconds."""
    p95_ms: float
    """Latency that 95 % of the frames stay below, in milliseconds."""


@dataclass(frozen=True, slots=True)
class TrackingFigures:
    """The accuracy figures of the field, of one sequence or the mean of many; NaN where nothing could be scored."""

    ao: float
    """Average overlap: mean IoU over the scored frames."""
    sr50: float
    """Share of the scored frames with IoU > 0.5."""
    sr75: float
    """Share of the scored frames with IoU > 0.75."""
    auc: float
    """Mean of the success curve ("success score"); 20/21 for a perfect tracker, since IoU > 1 is never true."""
    precision: float
    """Share of the scored frames with a center error of at most 20 pixels."""
    norm_precision: float
    """Mean of the normalized precision curve over thresholds 0 to 0.5 (TrackingNet, LaSOT)."""


@dataclass(frozen=True, eq=False)
class SequenceScore:
    """One tracker on one sequence."""

    name: str
    length: int
    """Frames of the sequence, the first included."""
    scored: int
    """Frames that count."""
    figures: TrackingFigures
    success: NDArray[np.float64]
    """Success curve: share of the scored frames with IoU above each threshold of `Convention.overlap_thresholds`."""
    precision: NDArray[np.float64]
    """Precision curve: share with a center error up to each of 0, 1, ..., 50 pixels."""
    norm_precision: NDArray[np.float64]
    """Normalized precision curve: center error divided by the true width and height, thresholds 0, 0.01, ..., 0.5."""
    overlaps: NDArray[np.float32]
    """`(length,)` IoU a frame; NaN where the frame does not count."""
    failures: int
    """Times that the overlap fell to zero after it had been above: runs of scored frames with IoU 0."""
    speed: Speed | None
    """None where there are no times."""


@dataclass(frozen=True, eq=False)
class TrackerScore:
    """One tracker on one data set."""

    tracker: str
    dataset: str
    convention: str
    """`got10k` or `pysot`."""
    figures: TrackingFigures
    interval: Mapping[str, tuple[float, float]]
    """95 % bootstrap intervals over the sequences, by the name of the figure."""
    success: NDArray[np.float64]
    precision: NDArray[np.float64]
    norm_precision: NDArray[np.float64]
    overlap_thresholds: NDArray[np.float64]
    failures: int
    speed: Speed | None
    attributes: Mapping[str, TrackingFigures]
    """Figures over the sequences with an attribute, by its name; empty where the data set has none."""
    sequences: tuple[SequenceScore, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two trackers on the same sequences, paired."""

    first: str
    second: str
    figure: str
    difference: float
    """Mean of first minus second over the sequences."""
    interval: tuple[float, float]
    """95 % bootstrap interval of that mean."""
    wins: int
    """Sequences on which the first is better."""
    losses: int
    p_value: float
    """P value of the Wilcoxon signed-rank test, two-sided; 1 where all are equal."""


SCORE_COLUMNS = {"ao": "AO", "sr50": "SR@0.5", "sr75": "SR@0.75", "auc": "AUC", "precision": "P@20"}
"""Headings of the columns of a table of scores, by the name of the figure."""


def score_rows(scores: Sequence[TrackerScore]) -> list[list[str]]:
    """Return the cells of a table of scores: a heading, then one row a tracker, the best average overlap first.

    A cell of a figure has two lines, the figure and its 95 % interval.
    """

    def descending(score: TrackerScore) -> float:
        return math.inf if math.isnan(score.figures.ao) else -score.figures.ao  # trackers without a figure come last

    rows = [["tracker", *SCORE_COLUMNS.values(), "fps", "failures"]]
    for score in sorted(scores, key=descending):
        intervals = [(getattr(score.figures, name), *score.interval[name]) for name in SCORE_COLUMNS]
        cells = [f"{value:.3f}\n{low:.2f}-{high:.2f}" for value, low, high in intervals]
        fps = "" if score.speed is None else f"{score.speed.fps:.1f}"
        rows.append([score.tracker, *cells, fps, str(score.failures)])
    return rows
