"""The page: one file of HTML that needs nothing else, neither a network nor a server."""

from __future__ import annotations

from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from siamtrack.evaluation.report.contents import Report
from siamtrack.evaluation.report.palette import CIVIDIS, styles
from siamtrack.evaluation.report.plots import curve_plots, figure_text, speed_plot
from siamtrack.evaluation.report.tables import COLUMNS
from siamtrack.evaluation.report.views import (
    PANEL_COLUMNS,
    Card,
    attribute_rows,
    comparison_cell,
    drawing_of,
    facts,
    figure_rows,
    grouped,
    heat_row,
    intervals_of,
    of_sequence,
    panel_of,
    reach_of,
    shown_pictures,
)

TEMPLATES = "templates"


def render_page(report: Report) -> str:
    """Write the page of a report.

    Names are escaped wherever they stand. The page forbids itself any network by a content security policy.

    Returns:
        A document of HTML.
    """
    looks = styles(report.trackers)
    numbers = {name: number for number, name in enumerate(report.sequences)}
    by_sequence = [of_sequence(report, number) for number in range(len(numbers))]
    speed = speed_plot(report.scores, looks)
    scored = dict(zip(report.sequences, by_sequence, strict=True))
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            looks=looks,
            css=_asset("report.css"),
            script=_asset("report.js"),
            figure_text=figure_text,
            cividis=CIVIDIS,
            columns=COLUMNS,
            panel_columns=PANEL_COLUMNS,
            summary=figure_rows(COLUMNS, [(score.tracker, score) for score in report.scores], intervals_of(report)),
            curves=[drawing_of(plot) for plot in curve_plots(report.scores, looks)],
            speed=None if speed is None else drawing_of(speed),
            heat=[heat_row(name, [each.figures.ao for _, each in scored[name]]) for name in report.sequences],
            panels=[panel_of(report, each, looks) for each in by_sequence],
            attributes=attribute_rows(report),
            cards=[
                Card(each, numbers[each.moment.sequence], shown_pictures(each.pictures, scored[each.moment.sequence]))
                for each in report.failures
            ],
            comparisons=[(each, comparison_cell(each)) for each in report.comparisons],
            reach=reach_of(report.comparisons),
            commands=grouped(report, lambda record: str(record["command"])),
            machines=grouped(
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
