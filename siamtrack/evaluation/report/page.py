"""The page: one file of HTML that needs nothing else, neither a network nor a server."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from siamtrack.evaluation.report.contents import Failure, Picture, Report
from siamtrack.evaluation.report.palette import CIVIDIS, Style, heat, make_styles, text_color_on
from siamtrack.evaluation.report.plots import Plot, curve_plots, figure_text, speed_plot, time_plot
from siamtrack.evaluation.report.svg import draw_svg
from siamtrack.evaluation.report.tables import COLUMNS, Column, Scored, best_value
from siamtrack.evaluation.scores import Comparison, SequenceScore

TIME_SIZE = 900, 250
"""Size of a plot over time."""


@dataclass(frozen=True, slots=True)
class TableCell:
    """A figure in a table."""

    value: float
    """Sort key; NaN where there is none."""
    text: str
    best: bool = False
    low: float = math.nan
    """Ends of its interval; NaN where it has none."""
    high: float = math.nan
    color: str = ""
    ink: str = ""

    @property
    def has_interval(self) -> bool:
        """Has an interval."""
        return not math.isnan(self.low)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line of a table: a tracker, a sequence or an attribute, with its figures."""

    name: str
    cells: tuple[TableCell, ...]


@dataclass(frozen=True, slots=True)
class CaptionedPicture:
    """A picture with the overlap of every tracker in its frame."""

    picture: Picture
    overlaps: tuple[tuple[str, str], ...]
    """Trackers and figures."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Details of a sequence, shown when it is opened."""

    name: str
    length: int
    scored: int
    rows: tuple[TableRow, ...]
    """A tracker each."""
    plot: Markup
    strip: tuple[CaptionedPicture, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot with its legend."""

    title: str
    svg: Markup
    legend: tuple[tuple[str, str], ...]
    """Trackers and figures; empty where the plot itself names them."""


@dataclass(frozen=True, slots=True)
class FailureCard:
    """A failure in the gallery."""

    failure: Failure
    panel: int
    """Number of the sequence."""
    pictures: tuple[CaptionedPicture, ...]


PANEL_COLUMNS = tuple(
    column for column in COLUMNS if column.key in ("ao", "sr50", "sr75", "precision", "failures", "fps")
)


def of_sequence(report: Report, number: int) -> list[tuple[str, SequenceScore]]:
    """Return every tracker on a sequence."""
    return [(score.tracker, score.sequences[number]) for score in report.scores]


def intervals_of(report: Report) -> Mapping[str, Mapping[str, tuple[float, float]]]:
    """Return the intervals of the trackers, by tracker and figure."""
    return {score.tracker: score.interval for score in report.scores}


def figure_rows(
    columns: Sequence[Column],
    scored: Sequence[tuple[str, Scored]],
    intervals: Mapping[str, Mapping[str, tuple[float, float]]],
) -> tuple[TableRow, ...]:
    """Return a row a tracker. Every cell that reads as the best of its column is marked."""
    nothing = (math.nan, math.nan)
    best = {
        column.key: figure_text(best_value(column, (each for _, each in scored)), column.digits) for column in columns
    }

    def cell(name: str, each: Scored, column: Column) -> TableCell:
        value = column.value(each)
        text = figure_text(value, column.digits)
        low, high = intervals.get(name, {}).get(column.key, nothing)
        return TableCell(value, text, not math.isnan(value) and text == best[column.key], low, high)

    return tuple(TableRow(name, tuple(cell(name, each, column) for column in columns)) for name, each in scored)


def drawing_of(plot: Plot) -> Drawing:
    """Return a plot for the page."""
    return Drawing(plot.title, Markup(draw_svg(plot)), tuple((line.name, line.figure) for line in plot.lines))


def heat_row(name: str, values: Sequence[float]) -> TableRow:
    """Return a row of figures from 0 to 1 on their colors."""
    texts = [figure_text(value, 2) for value in values]
    best = figure_text(max((value for value in values if not math.isnan(value)), default=math.nan), 2)
    return TableRow(
        name,
        tuple(
            TableCell(
                value, text, not math.isnan(value) and text == best, color=heat(value), ink=text_color_on(heat(value))
            )
            for value, text in zip(values, texts, strict=True)
        ),
    )


def attribute_rows(report: Report) -> list[TableRow]:
    """Return the average overlap over the sequences with each attribute, a column a tracker."""
    names = sorted({name for score in report.scores for name in score.attributes})
    found = []
    for name in names:
        having = [score.attributes.get(name) for score in report.scores]
        found.append(heat_row(name, [math.nan if each is None else each.ao for each in having]))
    return found


def panel_of(report: Report, trackers: Sequence[tuple[str, SequenceScore]], styles: Mapping[str, Style]) -> Panel:
    """Return the details of a sequence, given every tracker on it."""
    score = trackers[0][1]
    strip = report.strips.get(score.name, ())
    plot = time_plot(trackers, styles, [picture.frame for picture in strip])
    return Panel(
        score.name,
        score.length,
        score.scored,
        figure_rows(PANEL_COLUMNS, trackers, {}),
        Markup(draw_svg(plot, *TIME_SIZE)),
        caption_pictures(strip, trackers),
    )


def caption_pictures(
    pictures: Iterable[Picture], trackers: Sequence[tuple[str, SequenceScore]]
) -> tuple[CaptionedPicture, ...]:
    """Return the pictures of a sequence with the overlap of every tracker."""
    return tuple(
        CaptionedPicture(
            picture, tuple((name, figure_text(float(each.overlaps[picture.frame]), 2)) for name, each in trackers)
        )
        for picture in pictures
    )


def comparison_cell(comparison: Comparison) -> TableCell:
    """Return the difference of two trackers, marked where its interval leaves zero out."""
    low, high = comparison.interval
    text = figure_text(comparison.difference, sign="+")
    return TableCell(comparison.difference, text, low > 0 or high < 0, low, high)


def max_extent(comparisons: Iterable[Comparison]) -> float:
    """Return how far the intervals reach from zero, for a scale that they all fit on."""
    ends = [abs(end) for each in comparisons for end in each.interval if math.isfinite(end)]
    return max(ends, default=0.0) or 1.0


def group_by_text(report: Report, describe: Callable[[Mapping[str, Any]], str]) -> list[tuple[str, list[str]]]:
    """Return the statements about the runs, each with the trackers that it is true for."""
    groups: dict[str, list[str]] = {}
    for name in report.trackers:
        if name in report.records:
            groups.setdefault(describe(report.records[name].model_dump(mode="json")), []).append(name)
    return list(groups.items())


def facts(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every value in nested mappings; empty values and None are left out."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from facts(value, f"{name}.")
        elif isinstance(value, list | tuple):
            if value:
                yield name, "\n".join(map(str, value))
        elif value is not None and value != "":
            yield name, str(value)


TEMPLATES = "templates"


def render_page(report: Report) -> str:
    """Write the page of a report.

    Names are escaped wherever they stand. The page forbids itself any network by a content security policy.

    Returns:
        A document of HTML.
    """
    styles = make_styles(report.trackers)
    numbers = {name: number for number, name in enumerate(report.sequences)}
    by_sequence = [of_sequence(report, number) for number in range(len(numbers))]
    speed = speed_plot(report.scores, styles)
    scored = dict(zip(report.sequences, by_sequence, strict=True))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            styles=styles,
            css=_asset("report.css"),
            script=_asset("report.js"),
            figure_text=figure_text,
            cividis=CIVIDIS,
            columns=COLUMNS,
            panel_columns=PANEL_COLUMNS,
            summary=figure_rows(COLUMNS, [(score.tracker, score) for score in report.scores], intervals_of(report)),
            curves=[drawing_of(plot) for plot in curve_plots(report.scores, styles)],
            speed=None if speed is None else drawing_of(speed),
            heat=[heat_row(name, [each.figures.ao for _, each in scored[name]]) for name in report.sequences],
            panels=[panel_of(report, each, styles) for each in by_sequence],
            attributes=attribute_rows(report),
            cards=[
                FailureCard(
                    each, numbers[each.period.sequence], caption_pictures(each.pictures, scored[each.period.sequence])
                )
                for each in report.failures
            ],
            comparisons=[(each, comparison_cell(each)) for each in report.comparisons],
            extent=max_extent(report.comparisons),
            commands=group_by_text(report, lambda record: str(record["command"])),
            machines=group_by_text(
                report, lambda record: ", ".join(f"{key} {value}" for key, value in facts(record["machine"]))
            ),
            records={name: list(facts(record.model_dump(mode="json"))) for name, record in report.records.items()},
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("siamtrack.evaluation.report", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> Markup:
    """Return a file of our own that goes into the page as it is."""
    return Markup((resources.files("siamtrack.evaluation.report") / TEMPLATES / name).read_text(encoding="utf-8"))
