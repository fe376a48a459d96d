"""Overlay of a camera's picture: figures, the list of targets, hints and the keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from siamtrack.boxes import Box, Image
from siamtrack.io.draw import (
    COLORS,
    DARK,
    FONT,
    WHITE,
    Color,
    Look,
    draw_box,
    draw_label,
    draw_targets,
    label_height,
    letter_scale,
    line_width,
)
from siamtrack.io.results import Row
from siamtrack.io.window import enlargement
from siamtrack.live.session import Command, Session
from siamtrack.tracking.confidence import Status

KEYS: dict[Command, tuple[str, ...]] = {
    Command.FREEZE: ("Space",),
    Command.NEW: ("n",),
    Command.AGAIN: ("r",),
    Command.DROP: ("d",),
    Command.NEXT: ("Tab",),
    Command.SNAPSHOT: ("s",),
    Command.HELP: ("h",),
    Command.LEAVE: ("q", "Esc"),
}
"""The keys of each command."""
MOUSE = (
    ("mouse", "drag a box around the object, also while it moves"),
    ("", "it counts for the picture at the end of the drag"),
    ("", "(Space freezes one to draw in at leisure)"),
)
SELECT = ("1 to 9", "select the target of this number")

AMBER: Color = COLORS[Status.UNCERTAIN]
RED: Color = COLORS[Status.LOST]
GROOVE: Color = (85, 85, 85)
"""The part of a bar that is not filled."""
DIMMED = 0.35
"""Brightness of the picture behind the keys."""
LISTED = 9
"""Targets in the list; of more, the rest is counted."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of the run."""

    fps: float | None = None
    """Frames per second, where there were two."""
    delay: float | None = None
    """Seconds from capture to display."""
    dropped: int = 0
    """Frames of the source that were left out."""
    recording: bool = False
    """A video is written."""
    notice: str | None = None
    """Fault of the source."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Contents of the overlay."""

    session: Session
    rows: tuple[Row, ...] = ()
    """The targets in it."""
    figures: Figures = Figures()


def draw_scene(image: Image, scene: Scene) -> Image:
    """Return the picture in the window.

    Args:
        image: `(H, W, 3)` uint8 BGR; it is not changed.
        scene: what to show.

    Returns:
        A new `(H, W, 3)` uint8 BGR picture, the frame enlarged by `enlargement`.
    """
    session, zoom = scene.session, enlargement(image)
    # A row's box is only missing where a frame could not be decoded, which no live source gives.
    rows = [replace(row, box=_times(zoom, row.box)) for row in scene.rows if row.box is not None]
    large = np.asarray(cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR), np.uint8)
    for row in rows:
        if len(rows) > 1 and row.target == session.selected and row.box is not None:
            _draw_corners(large, row.box)  # below the labels
    canvas = draw_targets(large, rows, None)
    if session.drag is not None:
        draw_box(canvas, _times(zoom, session.drag.box), WHITE, line_width(canvas))
    if session.help:
        canvas = np.asarray(cv2.convertScaleAbs(canvas, alpha=DIMMED), np.uint8)
        _draw_help(canvas)
    else:
        _draw_status(canvas, scene)
        _draw_list(canvas, rows, session.selected)
    return canvas


def _times(zoom: int, box: Box) -> Box:
    return Box(*(zoom * value for value in box))


def _draw_corners(canvas: Image, box: Box) -> None:
    """Mark the box of the selected target by white corners around it."""
    thickness = line_width(canvas)
    gap = 3 * thickness
    left, top = box.x - gap, box.y - gap
    right, bottom = box.x + box.width + gap, box.y + box.height + gap
    reach = max(gap, min(right - left, bottom - top) / 5)
    for x, inwards in ((left, reach), (right, -reach)):
        for y, downwards in ((top, reach), (bottom, -reach)):
            for color, width in ((DARK, thickness + 2), (WHITE, thickness)):
                line = np.rint([(x + inwards, y), (x, y), (x, y + downwards)]).astype(np.int32)
                cv2.polylines(canvas, [line], False, color, width, cv2.LINE_AA)


def status_lines(scene: Scene) -> list[tuple[str, Color]]:
    """Return the lines at the top, with their colors: figures, what is wrong, what to do."""
    session, figures = scene.session, scene.figures
    parts = [] if figures.fps is None else [f"{figures.fps:.1f} fps"]
    parts += [] if figures.delay is None else [f"{1000 * figures.delay:.0f} ms"]
    lines = [("  |  ".join([*parts, f"{figures.dropped} dropped", "h: help"]), WHITE)]
    if figures.notice:
        lines.append((figures.notice, RED))
    if session.frozen:
        lines.append(("frozen: draw boxes, then Space goes on", AMBER))
    if session.note:
        lines.append((session.note, WHITE))
    elif session.again:
        lines.append((f"draw target {session.selected} anew, or n for another target", WHITE))
    elif not session.ids and not session.frozen:
        lines.append(("drag a box around an object", WHITE))
    return lines


def help_lines() -> list[tuple[str, str]]:
    """Return the keys, and what each does."""
    keys = [(" or ".join(keys), str(command)) for command, keys in KEYS.items()]
    place = list(KEYS).index(Command.NEXT)
    return [*MOUSE, *keys[:place], SELECT, *keys[place:]]


def _draw_status(canvas: Image, scene: Scene) -> None:
    scale = letter_scale(canvas)
    lines = [
        (part, color) for text, color in status_lines(scene) for part in wrap(text, Look(color, scale), canvas.shape[1])
    ]
    for number, (text, color) in enumerate(lines):
        draw_label(canvas, [text], Look(color, scale), [(0, number * (label_height(scale) + 1))], [])
    if scene.figures.recording:
        draw_label(canvas, ["REC"], Look(RED, scale), [(canvas.shape[1], 0)], [])


def _text_width(text: str, scale: float) -> int:
    (width, _), _ = cv2.getTextSize(text, FONT, scale, max(1, round(2 * scale)))
    return width + round(12 * scale) + 2  # and the margins of a label


def wrap(text: str, look: Look, width: int) -> list[str]:
    """Return a text in as many lines as it takes for them to be labels in a picture of this width, in pixels."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _text_width(longer, look.scale) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _draw_help(canvas: Image) -> None:
    """Write the keys and what they do in the middle, in letters that are small enough for all of them to be seen."""
    height, width = canvas.shape[:2]
    lines, scale = help_lines(), letter_scale(canvas)

    def size(scale: float) -> tuple[int, int, int]:
        """Width of the keys, of both columns, and height of a line."""
        keys = max(_text_width(key, scale) for key, _ in lines) + label_height(scale) // 2
        return keys, keys + max(_text_width(text, scale) for _, text in lines), label_height(scale)

    _, wide, tall = size(scale)
    scale *= min(1.0, 0.9 * width / wide, 0.9 * height / (tall * (len(lines) + 1)))  # and half a line on either side
    keys, wide, tall = size(scale)
    left, top = max(0, (width - wide) // 2), max(0, (height - tall * len(lines)) // 2)
    margin = tall // 2
    canvas[max(0, top - margin) : top + tall * len(lines) + margin, max(0, left - margin) : left + wide + margin] = DARK
    for number, (key, text) in enumerate(lines):
        draw_label(canvas, [key], Look(AMBER, scale), [(left, top + number * tall)], [])
        draw_label(canvas, [text], Look(WHITE, scale), [(left + keys, top + number * tall)], [])


def _draw_list(canvas: Image, rows: Sequence[Row], selected: int | None) -> None:
    """List the targets in the lower left corner: number, bar of the score, score and status."""
    scale = letter_scale(canvas)
    tall = label_height(scale)
    listed = rows[:LISTED]
    number = max((_text_width(str(row.target), scale) for row in listed), default=0)
    text = number + 5 * tall
    end = text + _text_width(f"0.00 {Status.UNCERTAIN.value} <", scale)
    top = canvas.shape[0] - tall * (len(listed) + (len(rows) > LISTED))
    for row in listed:
        color, score = COLORS[row.status], row.score or 0.0
        mark = " <" if row.target == selected and len(rows) > 1 else ""
        canvas[top : top + tall, :end] = DARK
        draw_label(canvas, [str(row.target)], Look(WHITE, scale), [(0, top)], [])
        _draw_bar(canvas[top + tall // 4 : top + tall - tall // 4, number : text - tall // 4], score, color)
        draw_label(canvas, [f"{score:.2f} {row.status.value}{mark}"], Look(color, scale), [(text, top)], [])
        top += tall
    if len(rows) > LISTED:
        draw_label(canvas, [f"and {len(rows) - LISTED} more"], Look(WHITE, scale), [(0, top)], [])


def _draw_bar(bar: Image, share: float, color: Color) -> None:
    """Fill a bar from the left, as far as the share (0 to 1) of its width."""
    filled = round(bar.shape[1] * min(max(share, 0.0), 1.0))
    bar[:, :filled], bar[:, filled:] = color, GROOVE
