"""Picture of how a tracker decided in one frame: exemplar, search crop, scales and response maps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image
from siamtrack.io.draw import COLORS

if TYPE_CHECKING:
    from siamtrack.tracking.crops import Square
    from siamtrack.tracking.observation import Observation


DPI = 120
MARGIN, GAP, PANEL, SIDE = 0.3, 0.3, 3.7, 2.5
"""Inches: around the picture, between panels, side of a panel, width of the left column."""
HEADER, LINE, FOOTER, TITLE = 0.58, 0.24, 0.62, 0.34
"""Inches: the head line, a line of text, the room below the panels, the title of a panel."""
SMALL, NORMAL, LARGE = 9.0, 10.0, 14.0
"""Points."""
INK, FAINT, MARK, BEFORE, READ = "#222222", "#b9bec5", "#1f6fd1", "#4cc3ff", "#ff5cf4"
COLOR_MAP = "inferno"
OPACITY = 0.72
"""Opacity of a map over the search crop."""
RIM = [withStroke(linewidth=3.6, foreground="#141414")]
"""Keeps a line visible on a background of its own color."""


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Everything that the picture shows."""

    source: str
    frame: int
    model: str
    """Name of the model."""
    exemplar: Image
    """`(z, z, 3)` BGR: the exemplar of the middle scale, as the network got it."""
    previous: Box
    """The target in the last frame that was tracked, in pixels of the frame."""
    seen: Observation
    stride: int
    """Pixels of the search crop from one cell of the response to the next."""
    window_influence: float
    """Share of the cosine window, in [0, 1]."""


def describe(explanation: Explanation) -> list[str]:
    """Return the figures of the decision: one line, and a second one where the network reads boxes."""
    seen, result = explanation.seen, explanation.seen.result
    peak, box = result.peak, result.box
    dx, dy = (now - before for now, before in zip(box.center, explanation.previous.center, strict=True))
    lines = [
        f"score {result.score:.3f} {result.status.value} · PSR {peak.psr:.1f} · APCE {peak.apce:.1f} · "
        f"scale {seen.factors[peak.scale]:.4g} ({peak.scale + 1} of {len(seen.factors)}) · "
        f"moved {math.hypot(dx, dy):.1f} px ({dx:+.1f}, {dy:+.1f})"
    ]
    if seen.box_read is not None and seen.quality is not None:
        read = ", ".join(f"{value:.1f}" for value in seen.box_read)
        lines.append(f"box read {read} · quality {seen.quality:.3f} · reported {', '.join(f'{v:.1f}' for v in box)}")
    return lines


def draw(explanation: Explanation) -> Image:
    """Return the picture, `(H, W, 3)` uint8 BGR."""
    canvas = FigureCanvasAgg(make_figure(explanation))
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])  # type: ignore[no-untyped-call]


def make_figure(explanation: Explanation) -> Figure:
    """Return the picture as a figure of its own, which matplotlib's global state knows nothing of.

    Its axes are labelled `exemplar`, `scales`, `search`, `response` and `window`.
    """
    seen = explanation.seen
    peak = seen.result.peak
    lines = describe(explanation)
    width = 2 * MARGIN + SIDE + 3 * (PANEL + GAP)
    height = HEADER + LINE * len(lines) + TITLE + PANEL + FOOTER
    figure = Figure((width, height), DPI, facecolor="white")

    def place(label: str, left: float, bottom: float, wide: float, high: float) -> Axes:
        axes: Axes = figure.add_axes((left / width, bottom / height, wide / width, high / height), label=label)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(length=0, labelsize=SMALL, labelcolor=INK)
        return axes

    def write(text: str, down: float, **look: Any) -> None:
        # File names may hold dollar signs, which are no formulas here.
        figure.text(MARGIN / width, 1 - down / height, text, va="top", color=INK, parse_math=False, **look)

    write(f"{explanation.source}, frame {explanation.frame} · {explanation.model}", 0.2, fontsize=LARGE, weight="bold")
    for row, line in enumerate(lines):
        write(line, 0.54 + LINE * row, fontsize=NORMAL + 1)

    top = FOOTER + PANEL
    exemplar_side = 0.53 * PANEL
    _show_picture(place("exemplar", MARGIN, top - exemplar_side, exemplar_side, exemplar_side), explanation.exemplar)
    rows = 0.33 * PANEL
    _draw_scales(place("scales", MARGIN + 0.55, FOOTER, SIDE - 0.55, rows), seen)
    lefts = [MARGIN + SIDE + GAP + column * (PANEL + GAP) for column in range(3)]
    crop, square = seen.crops[seen.crop_index], seen.squares[seen.crop_index]
    search, response, window = (
        place(label, left, FOOTER, PANEL, PANEL)
        for label, left in zip(("search", "response", "window"), lefts, strict=True)
    )
    _draw_search(search, explanation, crop, square)
    raw = seen.maps[peak.scale]
    # The window only says where to look: its map is shown relative to the place that was chosen.
    mixed = seen.mixture / max(float(seen.mixture.max()), 1e-300)
    for axes, values, left in ((response, raw, lefts[1]), (window, mixed, lefts[2])):
        image = _draw_map(axes, values, explanation, crop)
        bar = figure.add_axes(((left + 0.6) / width, (FOOTER - 0.22) / height, (PANEL - 1.2) / width, 0.1 / height))
        form = ".0%" if axes is window else ".4g"
        low, high = (format(float(value), form) for value in (values.min(), values.max()))
        figure.colorbar(image, cax=bar, orientation="horizontal", ticks=[])
        bar.text(-0.03, 0.5, low, ha="right", va="center", fontsize=SMALL, transform=bar.transAxes)
        bar.text(1.03, 0.5, high, ha="left", va="center", fontsize=SMALL, transform=bar.transAxes)
        bar.tick_params(length=0)
        for spine in bar.spines.values():
            spine.set_visible(False)
    ticks = _positions(explanation, crop)(np.arange(len(seen.window)))
    window.contour(ticks, ticks, seen.window, [0.5 * seen.window.max()], colors="white", linewidths=1, linestyles=":")
    size = explanation.exemplar.shape[0]
    decider = "with" if seen.filter_response is None else "filter with"
    titles = {
        "exemplar": f"exemplar, {size} px",
        "scales": "peak of each scale",
        "search": f"search crop, {crop.shape[0]} px of {square.side} px",
        "response": f"response, scale {seen.factors[peak.scale]:.4g}",
        "window": f"{decider} {explanation.window_influence:.1%} cosine window (dotted: half)",
    }
    for axes in figure.axes:
        if axes.get_label() in titles:
            axes.set_title(titles[str(axes.get_label())], loc="left", fontsize=NORMAL, color=INK, weight="bold", pad=6)
    return figure


def _show_picture(axes: Axes, image: Image) -> None:
    height, width = image.shape[:2]
    axes.imshow(image[..., ::-1], extent=(0, width, height, 0), interpolation="bilinear")
    axes.set_axis_off()


def _draw_scales(axes: Axes, seen: Observation) -> None:
    """Draw one bar a scale: the raw peak, and a line at the peak after the scale penalty."""
    chosen = seen.result.peak.scale
    peaks = [float(each.max()) for each in seen.maps]
    colors = [MARK if scale == chosen else FAINT for scale in range(len(peaks))]
    axes.barh(range(len(peaks)), peaks, height=0.62, color=colors)
    low, high = min(0.0, *peaks), max(0.0, *peaks)
    span = (high - low) or 1.0
    for scale, (peak, penalized) in enumerate(zip(peaks, seen.penalized, strict=True)):
        if penalized != peak:
            axes.plot([penalized] * 2, [scale - 0.31, scale + 0.31], color=INK, linewidth=1.2)
        weight = "bold" if scale == chosen else "normal"
        axes.text(max(peak, 0.0) + 0.03 * span, scale, f"{peak:.4g}", va="center", fontsize=SMALL, weight=weight)
    axes.set_xlim(low, high + 0.25 * span)
    axes.set_ylim(-0.6, len(peaks) - 0.4)
    axes.set_xticks([])
    axes.set_yticks(range(len(peaks)), [f"{factor:.3f}" for factor in seen.factors])
    axes.get_yticklabels()[chosen].set_fontweight("bold")
    if len(peaks) > 1:
        axes.set_xlabel("black line: after the scale penalty", fontsize=SMALL, color=INK, loc="left")


def _draw_search(axes: Axes, explanation: Explanation, crop: Image, square: Square) -> None:
    seen = explanation.seen
    _show_picture(axes, crop)
    blue, green, red = (value / 255 for value in COLORS[seen.result.status])
    # The found box comes first, with a broad line: on top of it, the others are seen where they coincide.
    boxes: list[tuple[str, Box, Any, Any]] = [("found", seen.result.box, (red, green, blue), "-")]
    if seen.box_read is not None:
        boxes.append(("read by the box head", seen.box_read, READ, (0, (1, 1.5))))
    boxes.append(("previous", explanation.previous, BEFORE, (0, (3, 3))))
    scale = crop.shape[0] / square.side
    handles = []
    for name, box, color, style in boxes:
        corner = (box.x - square.left) * scale, (box.y - square.top) * scale
        found = style == "-"
        look: dict[str, Any] = {"linewidth": 2.2 if found else 1.3, "linestyle": style}
        look["path_effects"] = RIM if found else []
        axes.add_patch(
            Rectangle(corner, box.width * scale, box.height * scale, fill=False, edgecolor=color, label=name, **look)
        )
        handles.append(Line2D([], [], color=color, label=name, **look))
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(-0.01, -0.01),
        ncols=len(handles),
        frameon=False,
        fontsize=SMALL,
        borderaxespad=0.4,
        handlelength=1.8,
        columnspacing=1.4,
    )


def _positions(explanation: Explanation, crop: Image) -> Callable[[Any], Any]:
    """Convert positions on the upsampled grid to pixels of the crop, or back."""
    seen = explanation.seen
    # The middles of both lie on each other, and a cell of the response is as wide as a stride.
    spacing = seen.responses.shape[-1] * explanation.stride / len(seen.window)
    return lambda position: crop.shape[0] / 2 + (position - (len(seen.window) - 1) / 2) * spacing


def _draw_map(axes: Axes, values: NDArray[np.float64], explanation: Explanation, crop: Image) -> Any:
    """Return a map over the search crop in gray, with the greatest raw response and the place that was chosen."""
    seen = explanation.seen
    peak, n, size = seen.result.peak, len(values), crop.shape[0]
    _show_picture(axes, np.repeat(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2))
    position = _positions(explanation, crop)
    first, last = float(position(-0.5)), float(position(n - 0.5))
    low, high = float(values.min()), float(values.max())
    image = axes.imshow(
        values,
        cmap=COLOR_MAP,
        norm=Normalize(low, high if high > low else low + 1),
        alpha=OPACITY,
        extent=(first, last, last, first),
    )
    axes.set_xlim(0, size)
    axes.set_ylim(size, 0)

    def mark(row: float, col: float, shape: str, name: str) -> None:
        filled: dict[str, Any] = {"markerfacecolor": "none"} if shape == "o" else {}
        axes.plot(
            position(col),
            position(row),
            shape,
            color="white",
            markersize=11,
            markeredgewidth=1.6,
            path_effects=RIM,
            label=name,
            **filled,
        )

    raw = seen.maps[peak.scale]
    row, col = np.unravel_index(int(raw.argmax()), raw.shape)
    mark(float(row), float(col), "o", "greatest response")
    mark(peak.row, peak.col, "+", "chosen")
    axes.legend(loc="lower left", fontsize=SMALL, framealpha=0.55, facecolor="#141414", labelcolor="white", ncols=2)
    return image
