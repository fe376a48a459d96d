"""Plots as SVG for the page: its style sheet gives ink and paper, its script reads values back from the curves.

Curves are drawn in their own units inside a group that is scaled to the plot, so that the numbers of a path are the
values themselves.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import NamedTuple

import numpy as np

from siamtrack.evaluation.report.plots import Array, Axis, Dot, Line, Plot, true_runs

LEFT, TOP, RIGHT, BOTTOM = 52.0, 10.0, 12.0, 42.0
"""Margins for what is written at the axes, on a phone in larger letters."""
LETTER = 6.2
"""Width of a letter, about: labels are kept apart by it."""
LABEL_HEIGHT = 14.0


def draw_svg(plot: Plot, width: int = 540, height: int = 340) -> str:
    """Draw a plot.

    Args:
        plot: what to draw.
        width: of the whole picture, in units that are pixels when it is shown at its own size.
        height: likewise.

    Returns:
        An element `svg` for a page of HTML, in well-formed XML.
    """
    inner_width, inner_height = width - LEFT - RIGHT, height - TOP - BOTTOM
    root = ET.Element("svg", {"class": "plot", "viewBox": f"0 0 {width} {height}", "role": "img"})
    root.set("aria-label", f"{plot.title}: {plot.y.label} against {plot.x.label}")
    for x, text in plot.x.ticks:
        place = LEFT + _share(plot.x, x) * inner_width
        _line(root, place, TOP, place, TOP + inner_height, "grid")
        _text(root, place, TOP + inner_height + 17, text, "middle")
    for y, text in plot.y.ticks:
        place = TOP + (1 - _share(plot.y, y)) * inner_height
        _line(root, LEFT, place, LEFT + inner_width, place, "grid")
        _text(root, LEFT - 6, place + 4, text, "end")
    _text(root, LEFT + inner_width / 2, height - 5.0, plot.x.label, "middle", "label")
    upright = _text(root, 0, 0, plot.y.label, "middle", "label")
    upright.set("transform", f"translate(13 {_number(TOP + inner_height / 2)}) rotate(-90)")
    area = {"x": LEFT, "y": TOP, "width": inner_width, "height": inner_height}
    ET.SubElement(root, "rect", {"class": "area", **{name: _number(value) for name, value in area.items()}})
    data = ET.SubElement(root, "g", {"class": "data", "transform": _transform(plot, inner_width, inner_height)})
    for mark in plot.marks:
        ET.SubElement(data, "path", {"class": "mark", "d": f"M{_number(mark)} {plot.y.low:g}V{plot.y.high:g}"})
    # The best is drawn last, on top of the others.
    for line in reversed(plot.lines):
        _curve(data, line)
    for dot in plot.dots:
        _dot(data, dot)
    for dot, position in zip(plot.dots, _label_positions(plot, inner_width, inner_height), strict=True):
        _text(root, position.x, position.y, dot.name, position.anchor, "name").set("data-name", dot.name)
    return ET.tostring(root, encoding="unicode")


def _share(axis: Axis, value: float) -> float:
    """Return the place of a value on an axis, from 0 to 1."""
    return (value - axis.low) / (axis.high - axis.low)


def _transform(plot: Plot, width: float, height: float) -> str:
    """Return the function from the units of the axes to those of the picture."""
    x_scale, y_scale = width / (plot.x.high - plot.x.low), -height / (plot.y.high - plot.y.low)
    left, bottom = LEFT - plot.x.low * x_scale, TOP + height - plot.y.low * y_scale
    return f"matrix({x_scale:.8g} 0 0 {y_scale:.8g} {left:.8g} {bottom:.8g})"


def _number(value: float) -> str:
    """Return the shortest text of a number, to five places."""
    return f"{value:.5f}".rstrip("0").rstrip(".")


def path_of(x: Array, y: Array) -> str:
    """Return the data of an SVG path through points; where y is NaN it is broken, and a lone point is a dot."""
    parts = []
    for begin, end in true_runs(np.isfinite(y)):
        points = [
            f"{_number(a)} {_number(b)}" for a, b in zip(x[begin:end].tolist(), y[begin:end].tolist(), strict=True)
        ]
        parts.append("M" + "L".join(points if len(points) > 1 else points * 2))
    return "".join(parts)


def _curve(parent: ET.Element, line: Line) -> None:
    look = {"class": "line", "data-name": line.name, "stroke": line.style.color, "d": path_of(line.x, line.y)}
    if line.style.dash:
        look["stroke-dasharray"] = " ".join(map(str, line.style.dash))
    ET.SubElement(parent, "path", look)


def _dot(parent: ET.Element, dot: Dot) -> None:
    """Draw the interval as an upright line, and the point as a round line cap, which scaling keeps round."""
    group = ET.SubElement(parent, "g", {"class": "dot", "data-name": dot.name, "stroke": dot.style.color})
    group.set("tabindex", "0")
    group.set("role", "img")
    group.set("aria-label", f"{dot.name}: {dot.figure}")
    x, y, low, high = (_number(value) for value in (dot.x, dot.y, dot.low, dot.high))
    ET.SubElement(group, "path", {"class": "interval", "d": f"M{x} {low}V{high}"})
    ET.SubElement(group, "path", {"class": "point", "d": f"M{x} {y}L{x} {y}"})


def _line(parent: ET.Element, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    ET.SubElement(parent, "line", {"class": kind, **{name: _number(value) for name, value in ends.items()}})


def _text(parent: ET.Element, x: float, y: float, text: str, anchor: str, kind: str = "tick") -> ET.Element:
    look = {"class": kind, "x": _number(x), "y": _number(y), "text-anchor": anchor}
    element = ET.SubElement(parent, "text", look)
    element.text = text
    return element


class _LabelPosition(NamedTuple):
    """Position of a label: its base line, and which end of it is there."""

    x: float
    y: float
    anchor: str


class _Rect(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Rect) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def _label_positions(plot: Plot, width: float, height: float) -> list[_LabelPosition]:
    """Return a label position for each dot: the first free one beside it inside the plot, else the first one."""
    centers = [(LEFT + _share(plot.x, dot.x) * width, TOP + (1 - _share(plot.y, dot.y)) * height) for dot in plot.dots]
    taken = [_Rect(x - 6, y - 6, x + 6, y + 6) for x, y in centers]
    area = _Rect(LEFT, TOP, LEFT + width, TOP + height)
    chosen: list[_LabelPosition] = []
    for dot, (x, y) in zip(plot.dots, centers, strict=True):
        shifts = (0.0, -LABEL_HEIGHT, LABEL_HEIGHT, -2 * LABEL_HEIGHT, 2 * LABEL_HEIGHT)
        positions = [_LabelPosition(x + side * 9, y + 4 + shift, anchor) for shift in shifts for side, anchor in SIDES]
        rects = [_extent(position, dot.name) for position in positions]
        free = (
            index
            for index, rect in enumerate(rects)
            if _inside(rect, area) and not any(rect.meets(other) for other in taken)
        )
        index = next(free, 0)
        chosen.append(positions[index])
        taken.append(rects[index])
    return chosen


SIDES = ((1, "start"), (-1, "end"))


def _extent(position: _LabelPosition, text: str) -> _Rect:
    length = LETTER * len(text)
    left = position.x if position.anchor == "start" else position.x - length
    return _Rect(left, position.y - LABEL_HEIGHT + 3, left + length, position.y + 3)


def _inside(rect: _Rect, area: _Rect) -> bool:
    return rect.left >= area.left and rect.right <= area.right and rect.top >= area.top and rect.bottom <= area.bottom
