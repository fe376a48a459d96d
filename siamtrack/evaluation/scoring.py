"""From boxes to figures: a tracker on the sequences of a data set, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Truth
from siamtrack.errors import DataError, UsageError
from siamtrack.evaluation import metrics
from siamtrack.evaluation.conventions import Average, Convention, FirstFramePolicy, InvalidTruthPolicy
from siamtrack.evaluation.results import SequenceResult
from siamtrack.evaluation.scores import SequenceScore, Speed, TrackerScore, TrackingFigures
from siamtrack.evaluation.statistics import FIGURES, SEED, bootstrap_intervals, weighted_mean

Array = NDArray[np.float64]


def score_tracker(
    tracker: str,
    dataset: EvaluationSet,
    read_result: Callable[[EvaluationSequence], SequenceResult],
    convention: Convention,
) -> TrackerScore:
    """Score the results of a tracker on a data set.

    Boxes of one sequence are in memory at a time; of each sequence its curves, overlaps and times are kept.

    Args:
        tracker: its name.
        dataset: with truth.
        read_result: gives the results for a sequence; its errors are passed on.
        convention: how figures are made of them.

    Returns:
        Figures of the data set, averaged as the convention has it, and of each sequence.

    Raises:
        UsageError: for a data set whose truth is kept by a server.
        DataError: when results do not have a finite box for every frame, or a truth lacks what the convention needs;
            the message names the sequence.
    """
    if not dataset.has_truth:
        raise UsageError(f"{dataset.name} keeps its boxes on a server: hand the results in there to have them scored")
    parts: list[_WeightedScore] = []
    for sequence in dataset.sequences:
        truth, result = sequence.read_truth(), read_result(sequence)
        _require_box_a_frame(tracker, sequence.name, truth, result)
        score = score_sequence(sequence.name, truth, result, convention)
        frames = score.scored * (1 + len(result.repeats))
        weight = frames if convention.average is Average.FRAMES else int(score.scored > 0)
        parts.append(_WeightedScore(score, weight, result.seconds, sequence.attributes))
    return _join(tracker, dataset.name, convention, parts)


def score_sequence(name: str, truth: Truth, result: SequenceResult, convention: Convention) -> SequenceScore:
    """Score one sequence; the frames of all runs over it are pooled, as in `ExperimentGOT10k.report`.

    Args:
        name: of the sequence.
        truth: N frames.
        result: N boxes a run.
        convention: how figures are made of them.

    Returns:
        Figures and curves over the frames that count; overlaps and failures are those of the first run.

    Raises:
        DataError: when the truth lacks what the convention needs, naming the sequence.
    """
    counted, known = _counted_frames(truth, convention), metrics.has_target(truth.boxes)
    size = _size(name, truth) if convention.cut_to_frame else None
    runs = [_measure(boxes, truth.boxes, known, size, convention) for boxes in (result.boxes, *result.repeats)]
    overlaps = np.concatenate([run.overlaps[counted] for run in runs])
    errors = np.concatenate([run.errors[counted] for run in runs])
    norm_errors = np.concatenate([run.norm_errors[counted] for run in runs])
    success = metrics.success_curve(overlaps, convention.overlap_thresholds)
    precision = metrics.precision_curve(errors, metrics.PRECISION_THRESHOLDS)
    norm_precision = metrics.precision_curve(norm_errors, metrics.NORM_PRECISION_THRESHOLDS)
    first = runs[0].overlaps
    return SequenceScore(
        name=name,
        length=len(truth.boxes),
        scored=int(np.count_nonzero(counted)),
        figures=TrackingFigures(
            ao=metrics.average_overlap(overlaps),
            sr50=metrics.success_rate(overlaps, 0.5),
            sr75=metrics.success_rate(overlaps, 0.75),
            auc=float(success.mean()),
            precision=float(precision[metrics.PRECISION_PIXELS]),
            norm_precision=float(norm_precision.mean()),
        ),
        success=success,
        precision=precision,
        norm_precision=norm_precision,
        overlaps=np.where(counted, first, np.nan).astype(np.float32),
        failures=metrics.count_failures(first[counted & known]),
        speed=None if result.seconds is None else measure_speed([result.seconds], convention.average),
    )


class _WeightedScore(NamedTuple):
    """Contribution of a sequence to the score of a tracker."""

    score: SequenceScore
    weight: int
    """Weight in averages; 0 where nothing could be scored."""
    seconds: Array | None
    attributes: frozenset[str]


class _FrameFigures(NamedTuple):
    """`(N,)` figures of the frames of one run over a sequence."""

    overlaps: Array
    errors: Array
    norm_errors: Array


def _require_box_a_frame(tracker: str, name: str, truth: Truth, result: SequenceResult) -> None:
    frames = len(truth.boxes)
    for boxes in (result.boxes, *result.repeats):
        if boxes.shape != (frames, 4):
            raise DataError(f"sequence {name}: '{tracker}' has {len(boxes)} boxes for {frames} frames; run it again")
        broken = ~np.isfinite(boxes).all(axis=1)
        if broken.any():
            raise DataError(
                f"sequence {name}: the box of '{tracker}' in frame {int(broken.argmax()) + 1} is not finite; "
                "run it again"
            )
    if result.seconds is not None and len(result.seconds) != frames:
        raise DataError(
            f"sequence {name}: '{tracker}' has {len(result.seconds)} times for {frames} frames; run it again"
        )


def _counted_frames(truth: Truth, convention: Convention) -> NDArray[np.bool_]:
    """Return the `(N,)` mask of the frames that figures are averaged over."""
    counts_invalid = convention.invalid_truth is InvalidTruthPolicy.MISSED
    counted = np.ones(len(truth.boxes), np.bool_) if counts_invalid else metrics.has_target(truth.boxes)
    if convention.skip_hidden and truth.cover is not None:
        counted &= truth.cover > 0
    if convention.first_frame is FirstFramePolicy.LEFT_OUT:
        counted[:1] = False
    return counted


def _size(name: str, truth: Truth) -> tuple[int, int]:
    if truth.size is None:
        raise DataError(f"sequence {name} does not say how large its frames are: boxes cannot be cut to them")
    return truth.size


def _measure(
    found: Array, truth: Array, known: NDArray[np.bool_], size: tuple[int, int] | None, convention: Convention
) -> _FrameFigures:
    """Return the figures of all frames; a frame whose truth has no target is a miss."""
    if convention.first_frame is FirstFramePolicy.GIVEN:
        found = np.concatenate([truth[:1], found[1:]])
    inside = (found, truth) if size is None else (metrics.cut_to_frame(found, size), metrics.cut_to_frame(truth, size))
    return _FrameFigures(
        np.where(known, metrics.overlaps(*inside), 0.0),
        np.where(known, metrics.center_errors(found, truth), np.inf),
        np.where(known, metrics.normalized_center_errors(found, truth), np.inf),
    )


def _join(tracker: str, dataset: str, convention: Convention, parts: Sequence[_WeightedScore]) -> TrackerScore:
    weights = np.array([part.weight for part in parts], np.float64)
    scores = tuple(part.score for part in parts)
    thresholds = convention.overlap_thresholds
    figures = attrgetter(*FIGURES)
    table = _table([figures(score.figures) for score in scores], len(FIGURES))
    intervals = bootstrap_intervals(table, weights, np.random.default_rng(SEED))
    return TrackerScore(
        tracker=tracker,
        dataset=dataset,
        convention=convention.name,
        figures=_figures(table, weights),
        interval={name: (float(low), float(high)) for name, (low, high) in zip(FIGURES, intervals, strict=True)},
        success=weighted_mean(_table([score.success for score in scores], len(thresholds)), weights),
        precision=weighted_mean(
            _table([score.precision for score in scores], len(metrics.PRECISION_THRESHOLDS)), weights
        ),
        norm_precision=weighted_mean(
            _table([score.norm_precision for score in scores], len(metrics.NORM_PRECISION_THRESHOLDS)), weights
        ),
        overlap_thresholds=thresholds,
        failures=sum(score.failures for score in scores),
        speed=measure_speed([part.seconds for part in parts if part.seconds is not None], convention.average),
        attributes=_attributes(table, weights, [part.attributes for part in parts]),
        sequences=scores,
    )


def _table(rows: Sequence[Sequence[float] | Array], columns: int) -> Array:
    """Return `(S, columns)`, also where there is no row."""
    return np.array(rows, np.float64).reshape(len(rows), columns)


def _figures(table: Array, weights: Array) -> TrackingFigures:
    return TrackingFigures(*weighted_mean(table, weights).tolist())


def _attributes(table: Array, weights: Array, attributes: Sequence[frozenset[str]]) -> Mapping[str, TrackingFigures]:
    """Return the figures over the sequences with each attribute, in the order of their names."""
    names = sorted(frozenset().union(*attributes))
    having = {name: np.array([name in each for each in attributes], np.bool_) for name in names}
    return {name: _figures(table[rows], weights[rows]) for name, rows in having.items()}


def measure_speed(seconds: Sequence[NDArray[np.float64]], average: Average) -> Speed | None:
    """Return the speed over sequences; times not above 0 are left out as unmeasured, as in the GOT-10k toolkit.

    Args:
        seconds: `(N,)` times for each sequence, the first one that of the initialization.
        average: whether `mean_inverse_fps` is the mean over all frames (`ExperimentGOT10k`) or that of the means of
            the sequences (`ExperimentOTB`).

    Returns:
        None where no frame after a first one was timed.
    """
    tracked = [times[1:][times[1:] > 0] for times in seconds]
    latencies = np.sort(np.concatenate([np.empty(0), *tracked]))
    if not len(latencies):
        return None
    rates = [1 / times[times > 0] for times in seconds if (times > 0).any()]
    mean_rate = np.concatenate(rates).mean() if average is Average.FRAMES else np.mean([each.mean() for each in rates])
    # As np.percentile, with less around it: this runs for every sequence.
    p50, p95 = 1000 * np.interp(np.array((0.50, 0.95)) * (len(latencies) - 1), np.arange(len(latencies)), latencies)
    return Speed(float(len(latencies) / latencies.sum()), float(mean_rate), float(p50), float(p95))
