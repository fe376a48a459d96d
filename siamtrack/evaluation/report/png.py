"""Plots as PNG, for papers and for places that show no SVG."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from siamtrack.evaluation.report.palette import Style
from siamtrack.evaluation.report.plots import Plot

INCHES = (6.4, 4.0)
DOTS_PER_INCH = 200
INK, FAINT = "#1c2027", "#d5d9e0"


def draw_png(plot: Plot) -> bytes:
    """Draw a plot with its legend.

    The figure is its own, matplotlib's global state knows nothing of it.

    Returns:
        The content of a PNG file.
    """
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for mark in plot.marks:
        axes.axvline(mark, color=FAINT, linewidth=1)
    for line in plot.lines:
        axes.plot(line.x, line.y, label=_plain(f"{line.name}  {line.figure}"), linewidth=1.8, **_look(line.style))
    for dot in plot.dots:
        bars = [[dot.y - dot.low], [dot.high - dot.y]]
        look: dict[str, Any] = {"color": dot.style.color, "label": _plain(dot.name)}
        axes.errorbar([dot.x], [dot.y], yerr=bars, fmt="o", markersize=7, elinewidth=1.2, **look)
    axes.set_title(plot.title, loc="left", fontsize=11, weight="bold", color=INK)
    axes.set(xlabel=plot.x.label, ylabel=plot.y.label)
    axes.set_xlim(plot.x.low, plot.x.high)
    axes.set_ylim(plot.y.low, plot.y.high)
    axes.set_xticks([place for place, _ in plot.x.ticks], [text for _, text in plot.x.ticks])
    axes.set_yticks([place for place, _ in plot.y.ticks], [text for _, text in plot.y.ticks])
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, colors=INK)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()


def _look(style: Style) -> dict[str, Any]:
    # matplotlib counts dashes in widths of the line, a page in pixels; these lines are about two pixels wide.
    return {"color": style.color, "linestyle": (0, tuple(length / 2 for length in style.dash)) if style.dash else "-"}


def _plain(text: str) -> str:
    """Return a text that is no formula, whatever is in it."""
    return text.replace("$", r"\$")
