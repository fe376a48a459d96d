"""Window of a labelling session: it shows the session and turns keys and the mouse into its events."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from siamtrack.boxes import Box, Image
from siamtrack.io.draw import WHITE, Color, Look, Rect, draw_box, draw_label, label_height, letter_scale, line_width
from siamtrack.io.window import enlargement, is_open, key_of, listen_to_mouse, open_window
from siamtrack.labelling.frames import FrameStore
from siamtrack.labelling.key_frames import KeyFrames
from siamtrack.labelling.propagation import TrackRange
from siamtrack.labelling.session import (
    Command,
    Event,
    LabellingSession,
    Origin,
    Stage,
    TrackedBox,
    handle,
    visible_box,
)

WAIT = 20
"""Milliseconds to wait for a key between two looks at the mouse."""

COLORS: dict[Origin, Color] = {
    Origin.KEY_FRAME: (90, 230, 70),
    Origin.DRAWN: (255, 255, 255),
    Origin.TRACKED: (0, 190, 255),
    Origin.INTERPOLATED: (255, 190, 60),
}
"""BGR: green, white, amber, blue."""
HIDDEN: Color = (90, 90, 255)

KEYS: dict[Command, tuple[str, str]] = {
    Command.NEXT: ("d", "Right"),
    Command.PREVIOUS: ("a", "Left"),
    Command.SKIP: ("c", "Page Down"),
    Command.SKIP_BACK: ("z", "Page Up"),
    Command.FIRST: ("1", "Home"),
    Command.LAST: ("9", "End"),
    Command.NEXT_KEY_FRAME: ("e", "Down"),
    Command.PREVIOUS_KEY_FRAME: ("w", "Up"),
    Command.CONFIRM: ("k", "Enter"),
    Command.TRACK: ("t", "Space"),
    Command.HIDE: ("h", ""),
    Command.REMOVE: ("x", "Delete"),
    Command.UNDO: ("u", ""),
    Command.HELP: ("?", "F1"),
    Command.SAVE: ("s", ""),
    Command.LEAVE: ("q", "Esc"),
}
"""Letter, which works everywhere, and name of another key."""

_BY_KEY = {key: command for command, keys in KEYS.items() for key in keys if key}


def find_command(code: int) -> Command | None:
    """Return the command of a code of `cv2.waitKeyEx`; None when there is none."""
    key = key_of(code)
    return None if key is None else _BY_KEY.get(key)


def label_in_window(
    session: LabellingSession,
    frames: FrameStore,
    track_range: TrackRange,
    save: Callable[[KeyFrames], None],
    title: str,
) -> LabellingSession:
    """Let the user label until he saves or leaves the session. Closing the window leaves it.

    Args:
        session: first state.
        frames: frames of the video.
        track_range: tracker, used if the session can track.
        save: called with the key frames after every change.
        title: title of the window.

    Returns:
        The last state.
    """
    mouse: list[Event] = []
    tracked: Iterator[Box | None] = iter(())
    drawn: LabellingSession | None = None
    zoom = enlargement(frames.image(session.frame))
    open_window(title, draw_session(frames.image(session.frame), session))
    try:
        listen_to_mouse(title, mouse.append, lambda x, y: (x / zoom, y / zoom))
        while session.stage in (Stage.EDIT, Stage.TRACK):
            if session is not drawn:
                image = frames.image(session.frame)
                zoom = enlargement(image)
                cv2.imshow(title, draw_session(image, session))
                drawn = session
            code = cv2.waitKeyEx(1 if session.stage is Stage.TRACK else WAIT)
            command = find_command(code) if is_open(title) else Command.LEAVE
            events = [*mouse, *([command] if command else [])]
            mouse.clear()
            for event in events:
                before, session = session, handle(session, event)
                if session.key_frames != before.key_frames:
                    save(session.key_frames)
                if session.stage is Stage.TRACK and before.stage is not Stage.TRACK:
                    start = session.key_frames.at(session.frame)
                    if start is not None and start.box is not None:
                        tracked = track_range(range(session.frame, session.tracking_end), start.box)
            # Loading the tracker takes seconds, so the message is drawn first.
            if session.stage is Stage.TRACK and drawn.stage is Stage.TRACK:
                session = handle(session, TrackedBox(next(tracked)))
    finally:
        cv2.destroyWindow(title)
    return session


def draw_session(image: Image, session: LabellingSession) -> Image:
    """Return the picture in the window.

    Args:
        image: frame on the screen, `(H, W, 3)` uint8 BGR; it is not changed.
        session: session to draw.

    Returns:
        A new `(H, W, 3)` uint8 BGR picture. A small frame is enlarged by a whole number.
    """
    zoom = enlargement(image)
    canvas = np.asarray(cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST), np.uint8)
    thickness, scale = line_width(canvas), letter_scale(canvas)
    visible = visible_box(session)
    if visible is not None:
        box, origin = visible
        enlarged = Box(*(zoom * value for value in box))
        draw_box(canvas, enlarged, COLORS[origin], thickness, dashed=origin in (Origin.TRACKED, Origin.INTERPOLATED))
    _draw_timeline(canvas, session)
    taken: list[Rect] = []
    line = label_height(scale) + 1
    for number, text in enumerate(_lines(session)):
        draw_label(canvas, [text], Look(WHITE, scale), [(0, number * line)], taken)
    return canvas


def _lines(session: LabellingSession) -> list[str]:
    """Return the text in the window: the frame and its box, the message, and the keys."""
    key_frame, visible = session.key_frames.at(session.frame), visible_box(session)
    if session.frame in session.missing:
        box = "could not be decoded"
    elif key_frame is not None and key_frame.box is None:
        box = "out of sight"
    else:
        box = visible[1].value if visible else "no box"
    lines = [f"frame {session.frame} of 0 to {session.count - 1}: {box} (key frames: {len(session.key_frames)})"]
    if session.note:
        lines.append(session.note)
    if session.help:
        lines.append("mouse: draw a box, move it, or drag a corner")
        lines += [f"{letter}{f' or {name}' if name else ''}: {command}" for command, (letter, name) in KEYS.items()]
    return lines


def _draw_timeline(canvas: Image, session: LabellingSession) -> None:
    """Draw a line at the lower edge with the key frames, the tracked frames and the frame on the screen."""
    height, width = canvas.shape[:2]
    tall = max(6, height // 80)
    canvas[height - tall :] = 40

    def column(frame: int) -> int:
        return int(frame * (width - 1) / max(session.count - 1, 1))

    marks = [(frame, COLORS[Origin.KEY_FRAME] if box else HIDDEN) for frame, box in session.key_frames]
    for frame, color in [*((frame, COLORS[Origin.TRACKED]) for frame in session.tracked), *marks]:
        cv2.line(canvas, (column(frame), height - tall), (column(frame), height), color, 2)
    cv2.line(canvas, (column(session.frame), height - 2 * tall), (column(session.frame), height), WHITE, 2)
