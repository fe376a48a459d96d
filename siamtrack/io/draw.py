"""Boxes and labels on frames, readable at any size of frame and on any background."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.errors import UsageError
from siamtrack.io.images import to_bgr8
from siamtrack.io.results import Row
from siamtrack.tracking.confidence import Status

if TYPE_CHECKING:
    from siamtrack.tracking.state import TrackResult

Color = tuple[int, int, int]
Point = tuple[float, float]

COLORS: dict[Status, Color] = {
    Status.TRACKED: (90, 230, 70),
    Status.UNCERTAIN: (0, 190, 255),
    Status.LOST: (90, 90, 255),
    Status.SKIPPED: (190, 190, 190),
}
"""BGR: green, amber, red, gray."""

TARGET_COLORS: tuple[Color, ...] = (
    COLORS[Status.TRACKED],
    (255, 185, 60),
    (240, 130, 255),
    (150, 255, 220),
    (255, 110, 150),
    (190, 240, 0),
)
"""BGR of targets that are tracked, in turn, the first for number 1: green, blue, pink, lime, violet, turquoise. None of
them is taken for amber or red."""

WHITE: Color = (255, 255, 255)
DARK: Color = (20, 20, 20)
GROOVE: Color = (85, 85, 85)
"""The part of a score's bar that is not filled."""
PLATE_OPACITY = 0.85
LOST_OPACITY = 0.6
"""Opacity of the last box of a lost target."""
FONT = cv2.FONT_HERSHEY_SIMPLEX
CAPITAL = 21.0
"""Height of a capital of `FONT` at scale 1, in pixels."""
SUBPIXEL = 4
"""Fractional bits of the coordinates that OpenCV draws."""


class Look(NamedTuple):
    """Look of a label."""

    color: Color
    scale: float
    """Scale of `FONT`."""


Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels, the last two exclusive."""


@runtime_checkable
class Finding(Protocol):
    """Drawable result of a target: a `TrackResult` has it, and so has a `Row`."""

    @property
    def box(self) -> Box | None:
        """Box in pixels, 0-based and continuous; None where there is none."""

    @property
    def score(self) -> float | None:
        """Confidence in [0, 1]; None where there is none."""

    @property
    def status(self) -> Status:
        """Status of the target."""


def draw(
    frame: NDArray[Any], results: TrackResult | Iterable[TrackResult] | Mapping[int, TrackResult]
) -> NDArray[np.uint8]:
    """Draw what a tracker found in a frame: the box of each target, its number, score and status.

    A target that is tracked has a solid box in a color of its own. While the tracker is uncertain, the box is dashed
    and amber. For a target that is lost, a thin red box is dashed faintly where the tracker looks for it. The bar at
    the foot of a label is as long as the score is high.

    >>> source = siamtrack.open_source("clip.mp4")
    >>> tracker = siamtrack.load()
    >>> tracker.init(next(source).image, (120, 80, 64, 48))
    >>> image = next(source).image
    >>> siamtrack.draw(image, tracker.update(image)).shape
    (240, 320, 3)

    Args:
        frame: `(H, W, 3)` uint8 BGR, or what `siamtrack.io.to_bgr8` takes; it is not changed.
        results: of `Tracker.update`, which is number 1; of `Tracker.step`, which are numbered from 1; or of
            `MultiTracker.update`, under their ids.

    Returns:
        A new `(H, W, 3)` uint8 BGR picture.

    Raises:
        UsageError: for an array that is no picture, and for results that come from no tracker.
    """
    found = _numbered(results)
    for each in found.values():
        if not isinstance(each, Finding):
            raise UsageError(f"draw() takes results of a tracker: this is of type {type(each).__name__}")
    return _draw(to_bgr8(frame), found.items(), None)


def _numbered(results: Finding | Iterable[Finding] | Mapping[int, Finding]) -> Mapping[int, Finding]:
    if isinstance(results, Mapping):
        return results
    return dict(enumerate(results if isinstance(results, Iterable) else [results], 1))


def draw_targets(image: NDArray[np.uint8], rows: Iterable[Row], fps: float | None) -> NDArray[np.uint8]:
    """Draw the targets of a frame as `draw` does, and the frame rate in the top left corner.

    Lines and letters grow with the frame; where a label is wider than the frame, it loses what says least first. Rows
    without a box are left out.

    Args:
        image: `(H, W, 3)` uint8 BGR; it is not changed.
        rows: what is known about the targets in this frame.
        fps: frames per second to show; None shows none.

    Returns:
        A new `(H, W, 3)` uint8 BGR image.
    """
    return _draw(image, ((row.target, row) for row in rows), fps)


def _draw(image: NDArray[np.uint8], found: Iterable[tuple[int, Finding]], fps: float | None) -> NDArray[np.uint8]:
    canvas = image.copy()
    thickness, scale = line_width(canvas), letter_scale(canvas)
    taken: list[Rect] = []
    drawn = [
        (number, each, each.box) for number, each in found if each.box is not None and all(map(math.isfinite, each.box))
    ]
    # What is sure lies above what is not.
    lost = [box for _, each, box in drawn if each.status is Status.LOST]
    for box in lost:
        draw_box(canvas, box, COLORS[Status.LOST], max(1, thickness // 2), dashed=True)
    if lost:
        cv2.addWeighted(canvas, LOST_OPACITY, image, 1 - LOST_OPACITY, 0, dst=canvas)
    for number, each, box in drawn:
        if each.status is not Status.LOST:
            dashed = each.status is not Status.TRACKED
            draw_box(canvas, box, _color(number, each.status), thickness, dashed=dashed)
    # Labels come after all boxes, so that no line runs through a text.
    if fps is not None:
        draw_label(canvas, [f"{fps:.1f} fps"], Look(WHITE, scale), [(0, 0)], taken)
    for number, each, box in drawn:
        texts, color = _texts(number, each), _color(number, each.status)
        gap, plate = 2 * thickness, _plate_size(texts[0], scale)[1]
        left, top, bottom = box.x - thickness, box.y, box.y + box.height
        spots = [(left, top - gap - plate), (left, bottom + gap), (left + gap, top + gap), (left + gap, bottom - plate)]
        rect = draw_label(canvas, texts, Look(color, scale), spots, taken)
        if rect is not None and each.score is not None:
            _draw_bar(canvas, rect, each.score, color)
    return canvas


def _color(number: int, status: Status) -> Color:
    """Return a color of its own while a target is tracked, and that of its status otherwise."""
    return TARGET_COLORS[(number - 1) % len(TARGET_COLORS)] if status is Status.TRACKED else COLORS[status]


def _texts(number: int, found: Finding) -> list[str]:
    """Return the label in more and in fewer words: what goes first is the status of a sure target, the score of
    another.
    """
    score = "" if found.score is None else f" {found.score:.2f}"
    short = score if found.status is Status.TRACKED else f" {found.status.value}"
    return [f"{number}{score} {found.status.value}", f"{number}{short}", f"{number}"]


def _draw_bar(canvas: NDArray[np.uint8], plate: Rect, share: float, color: Color) -> None:
    """Fill the foot of a label from the left, as far as the share (0 to 1) of its width."""
    left, top, right, bottom = plate
    bar = canvas[bottom - max(1, (bottom - top) // 9) : bottom, left:right]
    filled = round((right - left) * min(max(share, 0.0), 1.0)) if math.isfinite(share) else 0
    bar[:, :filled], bar[:, filled:] = color, GROOVE


def line_width(image: NDArray[np.uint8]) -> int:
    """Return how thick lines on a picture are, in pixels; `image` is `(H, W, 3)`."""
    return max(1, round(1 + _unit(image) / 360))


def letter_scale(image: NDArray[np.uint8]) -> float:
    """Scale of `FONT` for the labels on a picture, `(H, W, 3)`."""
    return min(max(_unit(image) * 0.019, 8), 48) / CAPITAL


def label_height(scale: float) -> int:
    """Height of a label, in pixels."""
    return _plate_size("Xg", scale)[1]


def _unit(image: NDArray[np.uint8]) -> float:
    # By the area, so that a long and narrow frame gets no huge letters.
    height, width = image.shape[:2]
    return math.sqrt(height * width)


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
    # A line of odd thickness is centerd on a pixel, another one between two: thin lines stay crisp.
    half = thickness % 2 / 2
    left, right = np.rint(np.clip([box.x, box.x + box.width], -width, 2 * width) - half) + half
    top, bottom = np.rint(np.clip([box.y, box.y + box.height], -height, 2 * height) - half) + half
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    strokes = [stroke for side in pairwise([*corners, corners[0]]) for stroke in _strokes(*side, thickness, dashed)]
    # A dark rim keeps the line visible on a background of its own color.
    for stroke_color, stroke_width in ((DARK, thickness + 2), (color, thickness)):
        for begin, end in strokes:
            cv2.line(canvas, _fixed(begin), _fixed(end), stroke_color, stroke_width, cv2.LINE_AA, SUBPIXEL)


def _strokes(begin: Point, end: Point, thickness: int, dashed: bool) -> list[tuple[Point, Point]]:
    """Return one line, or the dashes of one: an odd number of equal parts, so that both corners are drawn."""
    length = math.hypot(end[0] - begin[0], end[1] - begin[1])
    parts = max(1, round(length / (6 * thickness + 2))) | 1 if dashed else 1

    def along(part: float) -> Point:
        share = part / parts
        return begin[0] + (end[0] - begin[0]) * share, begin[1] + (end[1] - begin[1]) * share

    return [(along(part), along(part + 1)) for part in range(0, parts, 2)]


def _fixed(point: Point) -> tuple[int, int]:
    """Return a continuous point for OpenCV, which has the center of the first pixel at 0."""
    return round((point[0] - 0.5) * (1 << SUBPIXEL)), round((point[1] - 0.5) * (1 << SUBPIXEL))


def _plate_size(text: str, scale: float) -> tuple[int, int]:
    (width, height), baseline = cv2.getTextSize(text, FONT, scale, _weight(scale))
    margin = _margin(scale)
    return width + 2 * margin, height + baseline + 2 * margin


def _weight(scale: float) -> int:
    return max(1, round(scale * 1.6))


def _margin(scale: float) -> int:
    return max(1, round(scale * 5))


def draw_label(
    canvas: NDArray[np.uint8], texts: Sequence[str], look: Look, spots: Sequence[Point], taken: list[Rect]
) -> Rect | None:
    """Draw the first text that fits into the picture (there may be none) at the first spot that is free.

    Args:
        canvas: `(H, W, 3)` uint8 BGR; it is drawn into.
        texts: the same in more and in fewer words.
        look: of the letters.
        spots: left and top of places for it; where none is free, the first is taken.
        taken: places of earlier labels; the one that is drawn is added.

    Returns:
        Where it was drawn; None where no text fits.
    """
    height, width = canvas.shape[:2]
    for text in texts:
        plate_width, plate_height = _plate_size(text, look.scale)
        if plate_width <= width and plate_height <= height:
            break
    else:
        return None
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
    return rect


def _inside(spot: Point, plate_width: int, plate_height: int, width: int, height: int) -> Rect:
    """Return the plate at a spot, moved into the frame."""
    left = min(max(round(spot[0]), 0), width - plate_width)
    top = min(max(round(spot[1]), 0), height - plate_height)
    return left, top, left + plate_width, top + plate_height


def _overlap(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
