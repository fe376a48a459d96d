"""The window to label in: it shows a session, and turns keys and the mouse into its events."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from siamtrack.boxes import Box, Image
from siamtrack.errors import UsageError
from siamtrack.io.draw import WHITE, Color, Look, Rect, draw_box, draw_label, label_height, letter_scale, line_width
from siamtrack.io.window import enlargement, has_display, is_open, key_of, listen_to_mouse, open_window
from siamtrack.labelling.annotations import Annotations
from siamtrack.labelling.frames import FrameStore
from siamtrack.labelling.session import (
    Command,
    Event,
    Found,
    Origin,
    Session,
    Stage,
    advance,
    shown,
)
from siamtrack.labelling.tracks import Follow

WAIT = 20
"""Milliseconds that a key is waited for before the mouse is asked again."""

COLORS: dict[Origin, Color] = {
    Origin.KEY: (90, 230, 70),
    Origin.DRAWN: (255, 255, 255),
    Origin.FOLLOWED: (0, 190, 255),
    Origin.INTERPOLATED: (255, 190, 60),
}
"""BGR: green, white, amber, blue."""
HIDDEN: Color = (90, 90, 255)

KEYS: dict[Command, tuple[str, str]] = {
    Command.NEXT: ("d", "Right"),
    Command.PREVIOUS: ("a", "Left"),
    Command.LEAP: ("c", "Page Down"),
    Command.LEAP_BACK: ("z", "Page Up"),
    Command.FIRST: ("1", "Home"),
    Command.LAST: ("9", "End"),
    Command.NEXT_KEY: ("e", "Down"),
    Command.PREVIOUS_KEY: ("w", "Up"),
    Command.CONFIRM: ("k", "Enter"),
    Command.FOLLOW: ("t", "Space"),
    Command.HIDE: ("h", ""),
    Command.REMOVE: ("x", "Delete"),
    Command.UNDO: ("u", ""),
    Command.HELP: ("?", "F1"),
    Command.SAVE: ("s", ""),
    Command.LEAVE: ("q", "Esc"),
}
"""A letter, which works everywhere, and a key with a name."""

_BY_KEY = {key: command for command, keys in KEYS.items() for key in keys if key}


def require_display() -> None:
    """Check that a window can be opened here.

    Raises:
        UsageError: when it cannot.
    """
    if not has_display():
        raise UsageError(
            "without --boxes a window is opened to draw them, and it needs a display, and there is none here:"
            " give --boxes FILE with a line frame,x,y,w,h for each key frame"
        )


def find_command(code: int) -> Command | None:
    """What a code of `cv2.waitKeyEx` asks for, None where it is no key or one without a meaning."""
    key = key_of(code)
    return None if key is None else _BY_KEY.get(key)


def label_in_window(
    session: Session, frames: FrameStore, follow: Follow, save: Callable[[Annotations], None], title: str
) -> Session:
    """Let the user label until the session is to be saved or left; closing the window leaves it.

    Args:
        session: where to begin.
        frames: of the video.
        follow: the tracker, used where the session can follow.
        save: called with the key frames whenever they have changed.
        title: of the window.
    """
    mouse: list[Event] = []
    found: Iterator[Box | None] = iter(())
    drawn: Session | None = None
    zoom = enlargement(frames.image(session.frame))
    open_window(title, draw_session(frames.image(session.frame), session))
    try:
        listen_to_mouse(title, mouse.append, lambda x, y: (x / zoom, y / zoom))
        while session.stage in (Stage.EDIT, Stage.FOLLOW):
            if session is not drawn:
                image = frames.image(session.frame)
                zoom = enlargement(image)
                cv2.imshow(title, draw_session(image, session))
                drawn = session
            code = cv2.waitKeyEx(1 if session.stage is Stage.FOLLOW else WAIT)
            command = find_command(code) if is_open(title) else Command.LEAVE
            events = [*mouse, *([command] if command else [])]
            mouse.clear()
            for event in events:
                before, session = session, advance(session, event)
                if session.annotations != before.annotations:
                    save(session.annotations)
                if session.stage is Stage.FOLLOW and before.stage is not Stage.FOLLOW:
                    key = session.annotations.at(session.frame)
                    if key is not None and key.box is not None:
                        found = follow(range(session.frame, session.end_of_following), key.box)
            # Not before it was drawn: to load the tracker takes seconds, and the picture says what goes on.
            if session.stage is Stage.FOLLOW and drawn.stage is Stage.FOLLOW:
                session = advance(session, Found(next(found)))
    finally:
        cv2.destroyWindow(title)
    return session


def draw_session(image: Image, session: Session) -> Image:
    """The picture in the window.

    Args:
        image: `(H, W, 3)` uint8 BGR, the frame of the session; it is not changed.
        session: what to show.

    Returns:
        A new `(H, W, 3)` uint8 BGR picture, the frame enlarged by a whole number where it is small.
    """
    zoom = enlargement(image)
    canvas = np.asarray(cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST), np.uint8)
    thickness, scale = line_width(canvas), letter_scale(canvas)
    there = shown(session)
    if there is not None:
        box, origin = there
        enlarged = Box(*(zoom * value for value in box))
        draw_box(canvas, enlarged, COLORS[origin], thickness, dashed=origin in (Origin.FOLLOWED, Origin.INTERPOLATED))
    _draw_timeline(canvas, session)
    taken: list[Rect] = []
    line = label_height(scale) + 1
    for number, text in enumerate(_lines(session)):
        draw_label(canvas, [text], Look(WHITE, scale), [(0, number * line)], taken)
    return canvas


def _lines(session: Session) -> list[str]:
    """The text in the window: where the session is, what happened, and the keys."""
    key = session.annotations.at(session.frame)
    there = shown(session)
    what = "out of sight" if key is not None and key.box is None else there[1].value if there else "no box"
    if session.frame in session.missing:
        what = "could not be decoded"
    lines = [f"frame {session.frame} of 0 to {session.count - 1}: {what} (key frames: {len(session.annotations)})"]
    if session.note:
        lines.append(session.note)
    if session.help:
        lines.append("mouse: draw a box, move it, or drag a corner")
        lines += [f"{letter}{f' or {name}' if name else ''}: {command}" for command, (letter, name) in KEYS.items()]
    return lines


def _draw_timeline(canvas: Image, session: Session) -> None:
    """A line at the lower edge with the key frames and the frame that is shown."""
    height, width = canvas.shape[:2]
    tall = max(6, height // 80)
    canvas[height - tall :] = 40

    def column(frame: int) -> int:
        return int(frame * (width - 1) / max(session.count - 1, 1))

    marks = [(key.frame, COLORS[Origin.KEY] if key.box else HIDDEN) for key in session.annotations.keys]
    for frame, color in [*((frame, COLORS[Origin.FOLLOWED]) for frame in session.followed), *marks]:
        cv2.line(canvas, (column(frame), height - tall), (column(frame), height), color, 2)
    cv2.line(canvas, (column(session.frame), height - 2 * tall), (column(session.frame), height), WHITE, 2)
