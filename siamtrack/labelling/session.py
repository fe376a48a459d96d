"""State of a labelling session, and its changes by the keys, the mouse and the tracker.

Nothing here depends on a window. Positions are in pixels of the frame, 0-based and continuous.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from siamtrack.boxes import MIN_SIDE, Box
from siamtrack.io.mouse import Move, Press, Release, box_between
from siamtrack.labelling.key_frames import KeyFrame, KeyFrames
from siamtrack.labelling.propagation import interpolate

SKIP = 10
"""Number of frames of a long step."""
CORNER = 8.0
"""Maximum distance in pixels at which the mouse grips a corner; at most a third of the shorter side of the box."""


class Command(StrEnum):
    """Command of a key; its value is the help text."""

    NEXT = "next frame"
    PREVIOUS = "frame before"
    SKIP = f"{SKIP} frames on"
    SKIP_BACK = f"{SKIP} frames back"
    FIRST = "first frame"
    LAST = "last frame"
    NEXT_KEY_FRAME = "next key frame"
    PREVIOUS_KEY_FRAME = "key frame before"
    CONFIRM = "the box is right: make this a key frame"
    TRACK = "track the object from here; any key stops"
    HIDE = "out of sight from here to the next key frame"
    REMOVE = "this is no key frame"
    UNDO = "undo"
    HELP = "show or hide these lines"
    SAVE = "write the sequence and end"
    LEAVE = "end; the key frames are kept"


@dataclass(frozen=True, slots=True)
class TrackedBox:
    """Event: the tracker has looked for the object in the next frame."""

    box: Box | None
    """None: the object is lost."""


Event = Command | Press | Move | Release | TrackedBox


class Stage(StrEnum):
    """Stage of a session."""

    EDIT = "edit"
    TRACK = "track"
    SAVE = "save"
    LEAVE = "leave"


class Origin(StrEnum):
    """Origin of the box on the screen."""

    KEY_FRAME = "key frame"
    DRAWN = "drawing"
    TRACKED = "tracked"
    INTERPOLATED = "between key frames"


@dataclass(frozen=True, slots=True)
class Drag:
    """Box that the mouse draws, resizes or moves."""

    begin: tuple[float, float]
    """Fixed corner; for a box that is moved, the position at which it was gripped."""
    end: tuple[float, float]
    """Position of the mouse."""
    moved: Box | None = None
    """Box before it is moved; None when a box is drawn or resized."""

    @property
    def box(self) -> Box:
        """Current box."""
        if self.moved is None:
            return box_between(self.begin, self.end)
        (x0, y0), (x1, y1) = self.begin, self.end
        return self.moved._replace(x=self.moved.x + x1 - x0, y=self.moved.y + y1 - y0)


@dataclass(frozen=True, slots=True)
class LabellingSession:
    """State of a labelling session between two events."""

    count: int
    """Number of frames."""
    key_frames: KeyFrames = field(default_factory=KeyFrames)
    missing: frozenset[int] = frozenset()
    """Frames that could not be decoded; nothing can be drawn there."""
    can_track: bool = True
    """True if there is a tracker."""
    min_key_frames: int = 2
    """Minimum number of key frames for which sequences can be written."""
    frame: int = 0
    """Index of the frame on the screen."""
    stage: Stage = Stage.EDIT
    drag: Drag | None = None
    tracked: Mapping[int, Box] = field(default_factory=dict)
    """Boxes of the tracker by frame, as long as the key frames before and after are unchanged."""
    undo: tuple[KeyFrames, ...] = ()
    """Key frames before each change."""
    help: bool = True
    """List the keys on the screen."""
    note: str = ""
    """Message about the last event."""

    @property
    def tracking_end(self) -> int:
        """End of tracking from this frame, exclusive: the next key frame, or the end of the video."""
        following = self.key_frames.after(self.frame)
        return self.count if following is None else following.frame


def visible_box(session: LabellingSession) -> tuple[Box, Origin] | None:
    """Return the box on the screen and its origin; None when there is no box or the object is out of sight."""
    if session.drag is not None:
        return session.drag.box, Origin.DRAWN
    key_frame = session.key_frames.at(session.frame)
    if key_frame is not None:
        return None if key_frame.box is None else (key_frame.box, Origin.KEY_FRAME)
    if session.frame in session.tracked:
        return session.tracked[session.frame], Origin.TRACKED
    interval = next(each for each in session.key_frames.intervals(session.count) if session.frame in each.frames)
    if interval.before is None or interval.after is None:
        return None
    row = interpolate(interval)[session.frame - interval.frames.start]
    return Box(*map(float, row)), Origin.INTERPOLATED


def handle(session: LabellingSession, event: Event) -> LabellingSession:
    """Return the session after an event."""
    if isinstance(event, TrackedBox):
        return _add_tracked(session, event.box) if session.stage is Stage.TRACK else session
    if isinstance(event, Move):
        return _move_drag(session, event) if session.drag else session
    session = replace(session, note="")
    if session.stage is Stage.TRACK:  # any other event only stops the tracker
        return replace(session, stage=Stage.EDIT)
    if isinstance(event, Press):
        return _begin_drag(session, (event.x, event.y))
    if isinstance(event, Release):
        return _end_drag(_move_drag(session, event)) if session.drag else session
    return _execute(replace(session, drag=None), event)


def _execute(session: LabellingSession, command: Command) -> LabellingSession:
    match command:
        case Command.NEXT:
            return _go_to(session, session.frame + 1)
        case Command.PREVIOUS:
            return _go_to(session, session.frame - 1)
        case Command.SKIP:
            return _go_to(session, session.frame + SKIP)
        case Command.SKIP_BACK:
            return _go_to(session, session.frame - SKIP)
        case Command.FIRST:
            return _go_to(session, 0)
        case Command.LAST:
            return _go_to(session, session.count - 1)
        case Command.NEXT_KEY_FRAME:
            return _go_to_key_frame(session, session.key_frames.after(session.frame))
        case Command.PREVIOUS_KEY_FRAME:
            return _go_to_key_frame(session, session.key_frames.before(session.frame))
        case Command.CONFIRM:
            visible = visible_box(session)
            if visible is None:
                return replace(session, note="there is no box here: draw one")
            return _set_box(session, visible[0])
        case Command.TRACK:
            return _start_tracking(session)
        case Command.HIDE:
            return _set_box(session, None)
        case Command.REMOVE:
            if session.key_frames.at(session.frame) is None:
                return replace(session, note="this is no key frame")
            return _change(session, session.key_frames.without(session.frame))
        case Command.UNDO:
            if not session.undo:
                return replace(session, note="there is nothing to undo")
            return replace(session, key_frames=session.undo[-1], undo=session.undo[:-1], tracked={})
        case Command.HELP:
            return replace(session, help=not session.help)
        case Command.SAVE:
            return _save(session)
        case Command.LEAVE:
            return replace(session, stage=Stage.LEAVE)


def _go_to(session: LabellingSession, frame: int) -> LabellingSession:
    return replace(session, frame=min(max(frame, 0), session.count - 1))


def _go_to_key_frame(session: LabellingSession, key_frame: KeyFrame | None) -> LabellingSession:
    if key_frame is None:
        return replace(session, note="there is no key frame on this side")
    return replace(session, frame=key_frame.frame)


def _start_tracking(session: LabellingSession) -> LabellingSession:
    """Start to track the box on the screen, and make it a key frame."""
    if not session.can_track:
        return replace(session, note="boxes are interpolated here, nothing is tracked")
    visible = visible_box(session)
    if visible is None:
        return replace(session, note="there is no box here to track: draw one")
    if session.key_frames.at(session.frame) is None:
        session = _set_box(session, visible[0])
    if session.tracking_end == session.frame + 1:
        return replace(session, note="there is nothing to track: the next frame is a key frame, or the end")
    return replace(session, stage=Stage.TRACK, note="tracking; any key stops")


def _add_tracked(session: LabellingSession, box: Box | None) -> LabellingSession:
    """Show the box of the tracker in the next frame."""
    end, frame = session.tracking_end, session.frame + 1
    tracked = dict(session.tracked)
    tracked.pop(frame, None)
    if box is not None:
        tracked[frame] = box
    session = replace(session, frame=frame, tracked=tracked)
    if box is None and frame not in session.missing:
        return replace(session, stage=Stage.EDIT, note="lost: draw the box, or mark the object as out of sight")
    return replace(session, stage=Stage.EDIT, note="") if frame + 1 == end else session


def _set_box(session: LabellingSession, box: Box | None) -> LabellingSession:
    """Make the frame on the screen a key frame with this box."""
    if session.frame in session.missing:
        return replace(session, note="this frame could not be decoded: it cannot be a key frame")
    # Sequences on disk keep a thousandth of a pixel too.
    rounded = None if box is None else Box(*(round(value, 3) for value in box))
    return _change(session, session.key_frames.with_key_frame(KeyFrame(session.frame, rounded)))


def _change(session: LabellingSession, key_frames: KeyFrames) -> LabellingSession:
    """Set the key frames after a change in the frame on the screen, and drop the boxes that were tracked from it."""
    following = key_frames.after(session.frame)
    stale = range(session.frame, session.count if following is None else following.frame)
    tracked = {frame: box for frame, box in session.tracked.items() if frame not in stale}
    return replace(session, key_frames=key_frames, tracked=tracked, undo=(*session.undo, session.key_frames))


def _save(session: LabellingSession) -> LabellingSession:
    if not any(box for _, box in session.key_frames):
        return replace(session, note="there is no box yet: draw one around the object")
    if len(session.key_frames) < session.min_key_frames:
        note = f"{session.min_key_frames} key frames are needed: go to a later frame and draw the box there"
        return replace(session, note=note)
    return replace(session, stage=Stage.SAVE)


def _begin_drag(session: LabellingSession, point: tuple[float, float]) -> LabellingSession:
    """Grip a corner or the inside of the box on the screen, or begin another box."""
    visible = visible_box(session)
    if visible is not None:
        x, y, width, height = visible[0]
        reach = min(CORNER, width / 3, height / 3)
        for corner, opposite in (
            ((x, y), (x + width, y + height)),
            ((x + width, y), (x, y + height)),
            ((x, y + height), (x + width, y)),
            ((x + width, y + height), (x, y)),
        ):
            if max(abs(point[0] - corner[0]), abs(point[1] - corner[1])) <= reach:
                return replace(session, drag=Drag(opposite, point))
        if x <= point[0] < x + width and y <= point[1] < y + height:
            return replace(session, drag=Drag(point, point, moved=visible[0]))
    return replace(session, drag=Drag(point, point))


def _move_drag(session: LabellingSession, event: Move | Release) -> LabellingSession:
    drag = session.drag
    return session if drag is None else replace(session, drag=replace(drag, end=(event.x, event.y)))


def _end_drag(session: LabellingSession) -> LabellingSession:
    drag, session = session.drag, replace(session, drag=None)
    if drag is None or (drag.begin == drag.end and drag.moved is not None):  # a click on the box
        return session
    if min(drag.box.width, drag.box.height) < MIN_SIDE:
        return replace(session, note="the box is too small: drag from one corner of the object to the opposite one")
    return _set_box(session, drag.box)
