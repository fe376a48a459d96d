"""A report on disk: the page, the plots, the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from siamtrack.errors import OutputError
from siamtrack.evaluation.report.contents import Report
from siamtrack.evaluation.report.page import render_page
from siamtrack.evaluation.report.palette import make_styles
from siamtrack.evaluation.report.plots import curve_plots, speed_plot
from siamtrack.evaluation.report.png import draw_png
from siamtrack.evaluation.report.tables import curves_csv, performance_json, sequences_csv, summary_csv
from siamtrack.system.atomic_files import replace_file

PAGE = "report.html"
TEXTS: dict[str, Callable[[Report], str]] = {
    PAGE: render_page,
    "summary.csv": summary_csv,
    "sequences.csv": sequences_csv,
    "curves.csv": curves_csv,
    "performance.json": performance_json,
}


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write a report; files of an earlier one are replaced, each as a whole or not at all.

    Args:
        report: what it shows.
        folder: is made where it is missing.

    Returns:
        The files: the page, the tables, and a PNG file a plot.

    Raises:
        OutputError: when one cannot be written.
    """
    written = []
    for name, data in _files(report):
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(path, data)
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}; choose another --out") from error
        written.append(path)
    return written


def _files(report: Report) -> Iterator[tuple[str, bytes]]:
    for name, render in TEXTS.items():
        yield name, render(report).encode()
    styles = make_styles(report.trackers)
    speed = speed_plot(report.scores, styles)
    for plot in (*curve_plots(report.scores, styles), *([] if speed is None else [speed])):
        yield f"{plot.key}.png", draw_png(plot)
