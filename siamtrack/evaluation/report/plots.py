"""Plots, as values; `svg` and `png` draw them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from siamtrack.evaluation.report.palette import Style
from siamtrack.evaluation.scores import SequenceScore, TrackerScore

Array = NDArray[np.float64]

MOST_POINTS = 600
"""Points of a line over time; a plot has no more pixels."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of a plot, in its own units; those of a logarithmic axis are decades."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    """Positions and what is written there."""


@dataclass(frozen=True, eq=False)
class Line:
    """A curve of a tracker."""

    name: str
    style: Style
    x: Array
    y: Array
    """NaN leaves a gap."""
    figure: str
    """The figure that sums it up, for the legend."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A tracker as a point, with an interval upwards and downwards."""

    name: str
    style: Style
    x: float
    y: float
    low: float
    high: float
    figure: str
    """Its values in words."""


@dataclass(frozen=True, eq=False)
class Plot:
    """Curves, or points, of all trackers."""

    key: str
    """Name of its file, and in tables."""
    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...] = ()
    """The best first."""
    dots: tuple[Dot, ...] = ()
    marks: tuple[float, ...] = ()
    """Positions on the x axis of upright lines."""


SHARE = Axis("share of frames", 0, 1, tuple((tick / 5, f"{tick / 5:.1f}") for tick in range(6)))


def curve_plots(scores: Sequence[TrackerScore], styles: Mapping[str, Style]) -> tuple[Plot, ...]:
    """Return the success, precision and normalized precision curves of trackers; each legend has the best first."""
    overlap = Axis("overlap threshold", 0, 1, SHARE.ticks)
    pixels = Axis("center error threshold in pixels", 0, 50, tuple((tick, str(tick)) for tick in range(0, 51, 10)))
    sizes = Axis("center error threshold in target sizes", 0, 0.5, tuple((t / 10, f"{t / 10:.1f}") for t in range(6)))

    def lines(curve: str, figure: str, low: float, high: float) -> tuple[Line, ...]:
        found = []
        for score in scores:
            y = getattr(score, curve)
            x = np.linspace(low, high, len(y))
            value = float(getattr(score.figures, figure))
            found.append((value, Line(score.tracker, styles[score.tracker], x, y, figure_text(value))))
        return tuple(line for _, line in sorted(found, key=lambda pair: _worst_last(pair[0])))

    return (
        Plot("success", "Success", overlap, SHARE, lines("success", "auc", 0, 1)),
        Plot("precision", "Precision", pixels, SHARE, lines("precision", "precision", 0, 50)),
        Plot("norm_precision", "Normalized precision", sizes, SHARE, lines("norm_precision", "norm_precision", 0, 0.5)),
    )


def _worst_last(value: float) -> tuple[bool, float]:
    return math.isnan(value), -value


MINUS, NO_FIGURE = "\N{MINUS SIGN}", "\N{EN DASH}"


def figure_text(value: float, digits: int = 3, sign: Literal["-", "+"] = "-") -> str:
    """Return a figure for people; a dash where there is none.

    Args:
        value: NaN for none.
        digits: after the point.
        sign: `+` writes one before figures above zero as well.
    """
    return NO_FIGURE if math.isnan(value) else f"{value:{sign}.{digits}f}".replace("-", MINUS)


def speed_plot(scores: Sequence[TrackerScore], styles: Mapping[str, Style]) -> Plot | None:
    """Return the plot of average overlap against frames a second; None where no tracker has both."""
    dots = []
    for score in scores:
        ao = score.figures.ao
        if score.speed is None or not score.speed.fps > 0 or math.isnan(ao):
            continue
        low, high = score.interval.get("ao", (ao, ao))
        words = f"AO {ao:.3f} ({low:.3f} to {high:.3f}), {score.speed.fps:.1f} frames a second"
        dots.append(Dot(score.tracker, styles[score.tracker], math.log10(score.speed.fps), ao, low, high, words))
    if not dots:
        return None
    x = _decades("frames a second", min(dot.x for dot in dots), max(dot.x for dot in dots))
    low, high = min(dot.low for dot in dots), max(dot.high for dot in dots)
    y = _tenths("average overlap", max(low - 0.02, 0.0), min(high + 0.02, 1.0))
    return Plot("speed", "Accuracy and speed", x, y, dots=tuple(dots))


def _decades(label: str, low: float, high: float) -> Axis:
    """Return a logarithmic axis with ticks at 1, 2 and 5 of each decade."""
    numbers = [step * 10.0**power for power in range(-3, 6) for step in (1, 2, 5)]
    begin = max((n for n in numbers if math.log10(n) <= low - 0.05), default=numbers[0])
    end = min((n for n in numbers if math.log10(n) >= high + 0.05), default=numbers[-1])
    inside = [n for n in numbers if begin <= n <= end]
    if len(inside) > 8:
        inside = [n for n in inside if math.log10(n).is_integer()]
    ticks = tuple((math.log10(n), f"{n:g}") for n in inside)
    return Axis(label, min(math.log10(begin), low), max(math.log10(end), high), ticks)


def _tenths(label: str, low: float, high: float) -> Axis:
    """Return an axis that begins and ends at a tenth."""
    begin, end = math.floor(low * 10 + 1e-9), math.ceil(high * 10 - 1e-9)
    end = max(end, begin + 1)
    return Axis(label, begin / 10, end / 10, tuple((tick / 10, f"{tick / 10:.1f}") for tick in range(begin, end + 1)))


def time_plot(
    sequences: Sequence[tuple[str, SequenceScore]], styles: Mapping[str, Style], marks: Sequence[int] = ()
) -> Plot:
    """Return the plot of overlap over time on one sequence.

    Args:
        sequences: trackers with their scores of it.
        styles: by tracker.
        marks: frames to mark.
    """
    name, length = sequences[0][1].name, sequences[0][1].length
    lines = []
    for tracker, score in sequences:
        kept = thin(score.overlaps.astype(np.float64), MOST_POINTS)
        lines.append(
            Line(
                tracker,
                styles[tracker],
                kept.astype(np.float64),
                score.overlaps[kept].astype(np.float64),
                figure_text(score.figures.ao),
            )
        )
    last = max(length - 1, 1)
    step = _round_step(last)
    ticks = tuple((tick, str(tick)) for tick in range(0, last + 1, step))
    overlap = Axis("overlap", 0, 1, SHARE.ticks)
    return Plot(f"time_{name}", name, Axis("frame", 0, last, ticks), overlap, tuple(lines), marks=tuple(marks))


def _round_step(span: int) -> int:
    """Return 1, 2 or 5 times a power of ten, for at most ten steps."""
    steps = (digit * int(10.0**power) for power in range(9) for digit in (1, 2, 5))
    return next(step for step in steps if span / step <= 10)


def thin(values: Array, most: int) -> NDArray[np.intp]:
    """Select which of `(N,)` values to draw where there are too many: the minimum and the maximum of each stretch.

    A place without a value, NaN, is kept only where a whole stretch has no other.

    Returns:
        At most `most` rising places; all where there are no more.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    stretch = -(-count // (most // 2))
    table = np.full((-(-count // stretch), stretch), np.nan)
    table.flat[:count] = values
    begins = stretch * np.arange(len(table))
    least = begins + np.where(np.isnan(table), np.inf, table).argmin(axis=1)
    greatest = begins + np.where(np.isnan(table), -np.inf, table).argmax(axis=1)
    return np.union1d(least, greatest)


def true_runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the begin and the end (exclusive) of every unbroken run of true flags in `(N,)`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
