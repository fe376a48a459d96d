"""Figures as tables: columns, CSV files in full precision, and the GOT-10k toolkit's `performance.json`."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import Kind
from siamtrack.evaluation.report.contents import Report
from siamtrack.evaluation.report.palette import make_styles
from siamtrack.evaluation.report.plots import curve_plots
from siamtrack.evaluation.scores import SequenceScore, Speed, TrackerScore, TrackingFigures


class Scored(Protocol):
    """A tracker on a data set, or on one sequence."""

    @property
    def figures(self) -> TrackingFigures:
        """Accuracy."""
        ...

    @property
    def failures(self) -> int:
        """Times that the target was lost."""
        ...

    @property
    def speed(self) -> Speed | None:
        """None where there are no times."""
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """A figure in a table."""

    key: str
    """Name of the column in CSV files, and of its interval."""
    title: str
    meaning: str
    value: Callable[[Scored], float]
    """NaN where there is none."""
    digits: int = 3
    more_is_better: bool = True


def _accuracy(key: str, title: str, meaning: str) -> Column:
    return Column(key, title, meaning, lambda scored: float(getattr(scored.figures, key)))


def _speed(key: str, title: str, meaning: str, *, more_is_better: bool) -> Column:
    def value(scored: Scored) -> float:
        return math.nan if scored.speed is None else float(getattr(scored.speed, key))

    return Column(key, title, meaning, value, digits=1, more_is_better=more_is_better)


COLUMNS = (
    _accuracy("ao", "AO", "average overlap: mean IoU with the truth over the scored frames"),
    _accuracy("sr50", "SR 0.5", "share of the scored frames with an IoU above 0.5"),
    _accuracy("sr75", "SR 0.75", "share of the scored frames with an IoU above 0.75"),
    _accuracy("auc", "AUC", "mean of the success curve; a perfect tracker stays below 1, as no overlap is above 1"),
    _accuracy("precision", "P@20", "share of the scored frames with a center error of at most 20 pixels"),
    _accuracy("norm_precision", "NP", "mean of the normalized precision curve"),
    Column(
        "failures",
        "failures",
        "times that the overlap fell to zero",
        lambda scored: float(scored.failures),
        digits=0,
        more_is_better=False,
    ),
    _speed("fps", "fps", "frames divided by their total time", more_is_better=True),
    _speed(
        "mean_inverse_fps", "mean 1/t", "mean of 1 / t over frames, as the GOT-10k toolkit has it", more_is_better=True
    ),
    _speed("p50_ms", "p50 ms", "median time of a frame in milliseconds", more_is_better=False),
    _speed("p95_ms", "p95 ms", "time that 95 % of the frames stay below, in milliseconds", more_is_better=False),
)
"""Accuracy first, then speed."""


def best_value(column: Column, scored: Iterable[Scored]) -> float:
    """Return the best value of a column; NaN where there is none."""
    values = [value for value in map(column.value, scored) if not math.isnan(value)]
    return (max if column.more_is_better else min)(values, default=math.nan)


def summary_csv(report: Report) -> str:
    """Return a line a tracker: its figures, and the ends of the 95 % intervals of those that have one."""
    bounded = [column for column in COLUMNS if any(column.key in score.interval for score in report.scores)]
    header = ["tracker", *(column.key for column in COLUMNS)]
    header += [f"{column.key}_{end}" for column in bounded for end in ("low", "high")]
    nothing = (math.nan, math.nan)
    rows = [
        [
            score.tracker,
            *(column.value(score) for column in COLUMNS),
            *(end for column in bounded for end in score.interval.get(column.key, nothing)),
        ]
        for score in report.scores
    ]
    return _csv(header, rows)


def sequences_csv(report: Report) -> str:
    """Return a line a tracker and sequence."""
    header = ["tracker", "sequence", "length", "scored", *(column.key for column in COLUMNS)]
    rows = [
        [score.tracker, each.name, each.length, each.scored, *(column.value(each) for column in COLUMNS)]
        for score in report.scores
        for each in score.sequences
    ]
    return _csv(header, rows)


def curves_csv(report: Report) -> str:
    """Return a line a point of the success, precision and normalized precision curves."""
    rows = [
        [plot.key, line.name, threshold, value]
        for plot in curve_plots(report.scores, make_styles(report.trackers))
        for line in plot.lines
        for threshold, value in zip(line.x.tolist(), line.y.tolist(), strict=True)
    ]
    return _csv(["curve", "tracker", "threshold", "value"], rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return CSV text: numbers in full precision, whole ones without a point; empty where there is no figure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else int(value) if value.is_integer() else value
    return value


def performance_json(report: Report) -> str:
    """Return the figures of all trackers, overall and by sequence, with the keys of the GOT-10k toolkit 0.1.3.

    GOT-10k has the keys of `ExperimentGOT10k.report`; all others have those of `ExperimentOTB.report`. An unknown speed
    is -1, as in the toolkit; any other unknown figure is null.
    """
    describe = _as_got10k if report.kind is Kind.GOT10K else _as_otb
    return json.dumps({score.tracker: describe(score) for score in report.scores}, indent=4, allow_nan=False) + "\n"


def _as_got10k(score: TrackerScore) -> dict[str, Any]:
    def figures(scored: Scored) -> dict[str, Any]:
        return {
            "ao": _known(scored.figures.ao),
            "sr": _known(scored.figures.sr50),
            "speed_fps": _mean_inverse_fps(scored),
        }

    return {
        "overall": figures(score) | {"succ_curve": _curve(score.success)},
        # The first frame is given, the toolkit does not count it.
        "seq_wise": {each.name: figures(each) | {"length": each.length - 1} for each in score.sequences},
    }


def _as_otb(score: TrackerScore) -> dict[str, Any]:
    def figures(scored: TrackerScore | SequenceScore) -> dict[str, Any]:
        return {
            "success_curve": _curve(scored.success),
            "precision_curve": _curve(scored.precision),
            "success_score": _known(scored.figures.auc),
            "precision_score": _known(scored.figures.precision),
            "success_rate": _known(scored.figures.sr50),
            "speed_fps": _mean_inverse_fps(scored),
        }

    return {"overall": figures(score), "seq_wise": {each.name: figures(each) for each in score.sequences}}


def _mean_inverse_fps(scored: Scored) -> float:
    return -1 if scored.speed is None else scored.speed.mean_inverse_fps


def _curve(values: NDArray[Any]) -> list[float | None]:
    return [_known(value) for value in values.tolist()]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
