"""Boxes and labels on frames, readable at any size of frame and on any background."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.io.sinks import Row
from siamtrack.tracking.status import Status

Color = tuple[int, int, int]
Point = tuple[float, float]

COLORS: dict[Status, Color] = {
    Status.TRACKED: (90, 230, 70),
    Status.UNCERTAIN: (0, 190, 255),
    Status.LOST: (90, 90, 255),
    Status.SKIPPED: (190, 190, 190),
}
"""BGR: green, amber, red, gray."""

WHITE: Color = (255, 255, 255)
DARK: Color = (20, 20, 20)
PLATE_OPACITY = 0.85
FONT = cv2.FONT_HERSHEY_SIMPLEX
CAPITAL = 21.0
"""Height of a capital of `FONT` at scale 1, in pixels."""
SUBPIXEL = 4
"""Fractional bits of the coordinates that OpenCV draws."""


class Look(NamedTuple):
    """How a label is written."""

    color: Color
    scale: float
    """Scale of `FONT`."""


Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels, the last two exclusive."""


def draw_targets(image: NDArray[np.uint8], rows: Iterable[Row], fps: float | None) -> NDArray[np.uint8]:
    """Draw the targets of a frame: box, label `id score status`, and the frame rate in the top left corner.

    The colour tells the status; the box of a target that is uncertain or lost is dashed. Lines and letters grow with
    the frame; where a label is wider than the frame, it loses its status first, then its score. Rows without a box are
    left out.

    Args:
        image: `(H, W, 3)` uint8 BGR; it is not changed.
        rows: what is known about the targets in this frame.
        fps: frames per second to show; None shows none.

    Returns:
        A new `(H, W, 3)` uint8 BGR image.
    """
    canvas = image.copy()
    height, width = canvas.shape[:2]
    # By the area, so that a long and narrow frame gets no huge letters.
    unit = math.sqrt(height * width)
    thickness = max(1, round(1 + unit / 360))
    scale = min(max(unit * 0.019, 8), 48) / CAPITAL
    taken: list[Rect] = []
    drawn = [(row, row.box) for row in rows if row.box is not None and all(map(math.isfinite, row.box))]
    for row, box in drawn:
        draw_box(canvas, box, COLORS[row.status], thickness, dashed=row.status is not Status.TRACKED)
    # Labels come after all boxes, so that no line runs through a text.
    if fps is not None:
        _draw_label(canvas, [f"{fps:.1f} fps"], Look(WHITE, scale), [(0, 0)], taken)
    for row, box in drawn:
        number, score = str(row.target), "" if row.score is None else f" {row.score:.2f}"
        texts = [f"{number}{score} {row.status.value}", f"{number}{score}", number]
        gap, plate = 2 * thickness, _plate_size(texts[0], scale)[1]
        left, top, bottom = box.x - thickness, box.y, box.y + box.height
        spots = [(left, top - gap - plate), (left, bottom + gap), (left + gap, top + gap), (left + gap, bottom - plate)]
        _draw_label(canvas, texts, Look(COLORS[row.status], scale), spots, taken)
    return canvas


def draw_box(canvas: NDArray[np.uint8], box: Box, color: Color, thickness: int, *, dashed: bool = False) -> None:
    """Draw the outline of a box, with a dark rim, into a picture.

    Args:
        canvas: `(H, W, 3)` uint8 BGR; it is changed.
        box: finite; it may hang over the border.
        color: BGR.
        thickness: of the line, in pixels.
        dashed: whether the line is broken.
    """
    height, width = canvas.shape[:2]
    # Far outside the frame nothing is seen, and OpenCV's coordinates are 16-bit at heart.
    # A line of odd thickness is centred on a pixel, another one between two: thin lines stay crisp.
    half = thickness % 2 / 2
    left, right = np.rint(np.clip([box.x, box.x + box.width], -width, 2 * width) - half) + half
    top, bottom = np.rint(np.clip([box.y, box.y + box.height], -height, 2 * height) - half) + half
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    strokes = [stroke for side in pairwise([*corners, corners[0]]) for stroke in _strokes(*side, thickness, dashed)]
    # A dark rim keeps the line visible on a background of its own colour.
    for stroke_color, stroke_width in ((DARK, thickness + 2), (color, thickness)):
        for begin, end in strokes:
            cv2.line(canvas, _fixed(begin), _fixed(end), stroke_color, stroke_width, cv2.LINE_AA, SUBPIXEL)


def _strokes(begin: Point, end: Point, thickness: int, dashed: bool) -> list[tuple[Point, Point]]:
    """One line, or the dashes of one: an odd number of equal parts, so that both corners are drawn."""
    length = math.hypot(end[0] - begin[0], end[1] - begin[1])
    parts = max(1, round(length / (6 * thickness + 2))) | 1 if dashed else 1

    def along(part: float) -> Point:
        share = part / parts
        return begin[0] + (end[0] - begin[0]) * share, begin[1] + (end[1] - begin[1]) * share

    return [(along(part), along(part + 1)) for part in range(0, parts, 2)]


def _fixed(point: Point) -> tuple[int, int]:
    """A continuous point for OpenCV, which has the centre of the first pixel at 0."""
    return round((point[0] - 0.5) * (1 << SUBPIXEL)), round((point[1] - 0.5) * (1 << SUBPIXEL))


def _plate_size(text: str, scale: float) -> tuple[int, int]:
    (width, height), baseline = cv2.getTextSize(text, FONT, scale, _weight(scale))
    margin = _margin(scale)
    return width + 2 * margin, height + baseline + 2 * margin


def _weight(scale: float) -> int:
    return max(1, round(scale * 1.6))


def _margin(scale: float) -> int:
    return max(1, round(scale * 5))


def _draw_label(
    canvas: NDArray[np.uint8], texts: Sequence[str], look: Look, spots: Sequence[Point], taken: list[Rect]
) -> None:
    """Draw the first text that fits into the frame (there may be none) at the first spot that is free."""
    height, width = canvas.shape[:2]
    for text in texts:
        plate_width, plate_height = _plate_size(text, look.scale)
        if plate_width <= width and plate_height <= height:
            break
    else:
        return
    # A spot above the frame would be moved onto the box; the one below is better then.
    rects = [_inside(spot, plate_width, plate_height, width, height) for spot in spots]
    free = (
        rect
        for rect, spot in zip(rects, spots, strict=True)
        if rect[1] == round(spot[1]) and not any(_overlap(rect, other) for other in taken)
    )
    rect = next(free, rects[0])
    taken.append(rect)
    left, top, right, bottom = rect
    plate = canvas[top:bottom, left:right]
    plate[:] = np.rint(plate * (1 - PLATE_OPACITY) + np.array(DARK) * PLATE_OPACITY)
    margin, weight = _margin(look.scale), _weight(look.scale)
    origin = left + margin, bottom - margin - cv2.getTextSize(text, FONT, look.scale, weight)[1]
    cv2.putText(canvas, text, origin, FONT, look.scale, look.color, weight, cv2.LINE_AA)


def _inside(spot: Point, plate_width: int, plate_height: int, width: int, height: int) -> Rect:
    """The plate at a spot, moved into the frame."""
    left = min(max(round(spot[0]), 0), width - plate_width)
    top = min(max(round(spot[1]), 0), height - plate_height)
    return left, top, left + plate_width, top + plate_height


def _overlap(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
