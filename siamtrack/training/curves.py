"""A picture of how a run went, drawn from its tables: losses, distances, overlaps and the learning rate by step."""

from __future__ import annotations

import csv
import io
import logging
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siamtrack.system.atomic_files import replace_file

log = logging.getLogger(__name__)

FILE_NAME = "curves.png"
REPORTED = "#b9c3d0"
SMOOTH = "#1f6fd1"
KEPT = "#c2410c"


class Panel(NamedTuple):
    """A figure of `log.csv` and what it is called in the picture."""

    column: str
    title: str
    low: float | None
    """Lower end of its axis; None: as the values are."""


PANELS = (
    Panel("loss", "loss", None),
    Panel("center_error", "distance of the greatest response from the target (pixels of the search crop)", 0),
    Panel("overlap", "overlap of the boxes read", 0),
    Panel("learning_rate", "learning rate", 0),
)


def draw_curves(folder: Path, title: str) -> Path | None:
    """Draw the tables of a run, `log.csv` and `validation.csv`, as `curves.png` beside them.

    Pale lines are what was reported, strong ones its mean over a fiftieth of the run. The overlap of the tracks that
    are kept from training, as measured at checkpoints, has a panel of its own; figures that are always 0 have none.

    Args:
        folder: of the run.
        title: of the picture.

    Returns:
        Its path; None where fewer than two lines were reported.
    """
    reported = read_columns(folder / "log.csv")
    steps = reported.get("step", np.empty(0))
    if len(steps) < 2:
        return None
    from matplotlib.figure import Figure  # noqa: PLC0415 - a second that nobody waits for before it is needed

    kept = read_columns(folder / "validation.csv")
    shown = [panel for panel in PANELS if np.nan_to_num(reported.get(panel.column, np.empty(0))).any()]
    rows = len(shown) + bool(len(kept.get("overlap", ())))
    figure = Figure(figsize=(8, 0.5 + 1.9 * rows), dpi=110, layout="constrained")
    figure.suptitle(title.replace("$", r"\$"), fontsize=12, weight="bold", x=0.02, ha="left")
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axes, panel in zip(panels, shown, strict=False):
        values = reported[panel.column]
        axes.plot(steps, values, color=REPORTED, linewidth=0.8)
        axes.plot(steps, smooth(values, max(len(values) // 50, 1)), color=SMOOTH, linewidth=1.8)
        _label(axes, panel.title)
        if panel.low is not None:
            axes.set_ylim(bottom=panel.low)
    if rows > len(shown):
        axes = panels[-1]
        axes.plot(kept["step"], kept["overlap"], color=KEPT, marker="o", markersize=3.5, linewidth=1.4)
        _label(axes, f"average overlap on {kept['tracks'][-1]:.0f} tracks kept from training")
    panels[-1].set_xlabel("step")
    data = io.BytesIO()
    figure.savefig(data, format="png")
    replace_file(folder / FILE_NAME, data.getvalue())
    return folder / FILE_NAME


def _label(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9)
    axes.grid(color="#e3e7ec", linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, labelsize=8)


def read_columns(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a table of numbers; none where there is no such file."""
    if not path.is_file():
        return {}
    with path.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {name: np.array([float(row[name]) for row in rows]) for name in (rows[0] if rows else ())}


def smooth(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """`(N,)` mean of up to `count` values around each place; what is not finite is left out.

    Args:
        values: `(N,)`.
        count: odd, or the next odd number is taken.
    """
    reach = count // 2
    padded = np.concatenate([np.full(reach, math.nan), values, np.full(reach, math.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    known = np.isfinite(windows)
    totals = np.where(known, windows, 0).sum(axis=1)
    means: NDArray[np.float64] = np.divide(
        totals, known.sum(axis=1), where=known.any(axis=1), out=np.full(len(values), math.nan)
    )
    return means
