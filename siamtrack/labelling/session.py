"""Labelling by hand as a value: what is known and shown now, and what each key and each move of the mouse make of it.

Nothing here knows a window. Positions are in pixels of the frame, 0-based and continuous.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from siamtrack.boxes import MIN_SIDE, Box
from siamtrack.io.mouse import Move, Press, Release, box_between
from siamtrack.labelling.annotations import Annotations, Key
from siamtrack.labelling.tracks import interpolated

STRIDE = 10
"""Frames that the longer step goes."""
CORNER = 8.0
"""Distance in pixels from a corner at which the mouse takes hold of it, or a third of the box's shorter side."""


class Command(StrEnum):
    """What a key asks for."""

    NEXT = "next frame"
    PREVIOUS = "frame before"
    LEAP = f"{STRIDE} frames on"
    LEAP_BACK = f"{STRIDE} frames back"
    FIRST = "first frame"
    LAST = "last frame"
    NEXT_KEY = "next key frame"
    PREVIOUS_KEY = "key frame before"
    CONFIRM = "the box is right: make this a key frame"
    FOLLOW = "follow the object from here; any key stops"
    HIDE = "out of sight from here to the next key frame"
    REMOVE = "this is no key frame"
    UNDO = "undo"
    HELP = "show or hide these lines"
    SAVE = "write the sequence and end"
    LEAVE = "end; the key frames are kept"


@dataclass(frozen=True, slots=True)
class Found:
    """The tracker has looked for the object in the next frame."""

    box: Box | None
    """None: it was lost."""


Event = Command | Press | Move | Release | Found


class Stage(StrEnum):
    """What the session is about to do."""

    EDIT = "edit"
    FOLLOW = "follow"
    SAVE = "save"
    LEAVE = "leave"


class Origin(StrEnum):
    """Where a box that is shown comes from."""

    KEY = "key frame"
    DRAWN = "drawing"
    FOLLOWED = "followed"
    INTERPOLATED = "between key frames"


@dataclass(frozen=True, slots=True)
class Drag:
    """A box under the mouse."""

    begin: tuple[float, float]
    """The corner that stays; of a box that is moved, where it was taken hold of."""
    end: tuple[float, float]
    """Where the mouse is."""
    moved: Box | None = None
    """The box that is moved, as it was; None when one is drawn."""

    @property
    def box(self) -> Box:
        """The box as it is now."""
        if self.moved is None:
            return box_between(self.begin, self.end)
        (x0, y0), (x1, y1) = self.begin, self.end
        return self.moved._replace(x=self.moved.x + x1 - x0, y=self.moved.y + y1 - y0)


@dataclass(frozen=True, slots=True)
class Session:
    """Everything about a labelling session between two events."""

    count: int
    """Number of frames."""
    annotations: Annotations = field(default_factory=Annotations)
    missing: frozenset[int] = frozenset()
    """Frames that could not be decoded, where nothing can be drawn."""
    can_follow: bool = True
    """Whether there is a tracker."""
    least: int = 2
    """Key frames that are needed before anything can be written."""
    frame: int = 0
    """The one that is shown."""
    stage: Stage = Stage.EDIT
    drag: Drag | None = None
    followed: Mapping[int, Box] = field(default_factory=dict)
    """What the tracker found since the key frames around changed."""
    past: tuple[Annotations, ...] = ()
    """Key frames before each change, for undo."""
    help: bool = True
    """Whether the keys are shown."""
    note: str = ""
    """What the last event led to, in words."""

    @property
    def end_of_following(self) -> int:
        """Frame to follow the object to, exclusive: the next key frame, or the end."""
        key = self.annotations.after(self.frame)
        return self.count if key is None else key.frame


def shown(session: Session) -> tuple[Box, Origin] | None:
    """The box to show on the frame at hand; None where nothing is known, or the object is out of sight."""
    if session.drag is not None:
        return session.drag.box, Origin.DRAWN
    key = session.annotations.at(session.frame)
    if key is not None:
        return None if key.box is None else (key.box, Origin.KEY)
    if session.frame in session.followed:
        return session.followed[session.frame], Origin.FOLLOWED
    span = next(span for span in session.annotations.spans(session.count) if session.frame in span.frames)
    if span.before is None or span.after is None:
        return None
    row = interpolated(span)[session.frame - span.frames.start]
    return Box(*map(float, row)), Origin.INTERPOLATED


def advance(session: Session, event: Event) -> Session:
    """The session after an event."""
    if isinstance(event, Found):
        return _take(session, event.box) if session.stage is Stage.FOLLOW else session
    if isinstance(event, Move):
        return _drag_on(session, event) if session.drag else session
    session = replace(session, note="")
    if session.stage is Stage.FOLLOW:  # whatever it is, it stops the tracker, and that is all
        return replace(session, stage=Stage.EDIT)
    if isinstance(event, Press):
        return _take_hold(session, (event.x, event.y))
    if isinstance(event, Release):
        return _let_go(_drag_on(session, event)) if session.drag else session
    return _obey(replace(session, drag=None), event)


def _obey(session: Session, command: Command) -> Session:
    match command:
        case Command.NEXT:
            return _go(session, session.frame + 1)
        case Command.PREVIOUS:
            return _go(session, session.frame - 1)
        case Command.LEAP:
            return _go(session, session.frame + STRIDE)
        case Command.LEAP_BACK:
            return _go(session, session.frame - STRIDE)
        case Command.FIRST:
            return _go(session, 0)
        case Command.LAST:
            return _go(session, session.count - 1)
        case Command.NEXT_KEY:
            return _go_to_key(session, session.annotations.after(session.frame))
        case Command.PREVIOUS_KEY:
            return _go_to_key(session, session.annotations.before(session.frame))
        case Command.CONFIRM:
            box = shown(session)
            return _set_key(session, box[0]) if box else replace(session, note="there is no box here: draw one")
        case Command.FOLLOW:
            return _follow(session)
        case Command.HIDE:
            return _set_key(session, None)
        case Command.REMOVE:
            if session.annotations.at(session.frame) is None:
                return replace(session, note="this is no key frame")
            return _change(session, session.annotations.without(session.frame))
        case Command.UNDO:
            if not session.past:
                return replace(session, note="there is nothing to undo")
            return replace(session, annotations=session.past[-1], past=session.past[:-1], followed={})
        case Command.HELP:
            return replace(session, help=not session.help)
        case Command.SAVE:
            return _save(session)
        case Command.LEAVE:
            return replace(session, stage=Stage.LEAVE)


def _go(session: Session, frame: int) -> Session:
    return replace(session, frame=min(max(frame, 0), session.count - 1))


def _go_to_key(session: Session, key: Key | None) -> Session:
    if key is None:
        return replace(session, note="there is no key frame on this side")
    return replace(session, frame=key.frame)


def _follow(session: Session) -> Session:
    """Begin to follow the box that is shown, which is right then."""
    if not session.can_follow:
        return replace(session, note="boxes are interpolated here, nothing is tracked")
    box = shown(session)
    if box is None:
        return replace(session, note="there is no box here to follow: draw one")
    if session.annotations.at(session.frame) is None:
        session = _set_key(session, box[0])
    if session.end_of_following == session.frame + 1:
        return replace(session, note="there is nothing to follow: the next frame is a key frame, or the end")
    return replace(session, stage=Stage.FOLLOW, note="following; any key stops")


def _take(session: Session, box: Box | None) -> Session:
    """Show what the tracker found in the next frame."""
    stop = session.end_of_following
    frame = session.frame + 1
    followed = dict(session.followed)
    followed.pop(frame, None)
    if box is not None:
        followed[frame] = box
    session = replace(session, frame=frame, followed=followed)
    if box is None and frame not in session.missing:
        return replace(session, stage=Stage.EDIT, note="lost: draw the box, or say that it is out of sight")
    return replace(session, stage=Stage.EDIT, note="") if frame + 1 == stop else session


def _set_key(session: Session, box: Box | None) -> Session:
    if session.frame in session.missing:
        return replace(session, note="this frame could not be decoded, nothing can be said about it")
    # A thousandth of a pixel is all that a sequence keeps too.
    rounded = None if box is None else Box(*(round(value, 3) for value in box))
    return _change(session, session.annotations.with_key(Key(session.frame, rounded)))


def _change(session: Session, annotations: Annotations) -> Session:
    """Other key frames, after a change in the frame at hand: what was followed from it is out of date."""
    after = annotations.after(session.frame)
    stale = range(session.frame, session.count if after is None else after.frame)
    followed = {frame: box for frame, box in session.followed.items() if frame not in stale}
    past = (*session.past, session.annotations)
    return replace(session, annotations=annotations, followed=followed, past=past)


def _save(session: Session) -> Session:
    keys = session.annotations.keys
    if not any(key.box for key in keys):
        return replace(session, note="there is no box yet: draw one around the object")
    if len(keys) < session.least:
        return replace(
            session, note=f"{session.least} key frames are needed: go to a later frame and draw the box there"
        )
    return replace(session, stage=Stage.SAVE)


def _take_hold(session: Session, point: tuple[float, float]) -> Session:
    """Take hold of a corner or of the inside of the box that is shown, or begin another one."""
    there = shown(session)
    if there is not None:
        x, y, width, height = there[0]
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
            return replace(session, drag=Drag(point, point, moved=there[0]))
    return replace(session, drag=Drag(point, point))


def _drag_on(session: Session, event: Move | Release) -> Session:
    drag = session.drag
    return session if drag is None else replace(session, drag=replace(drag, end=(event.x, event.y)))


def _let_go(session: Session) -> Session:
    drag, session = session.drag, replace(session, drag=None)
    if drag is None or (drag.begin == drag.end and drag.moved is not None):  # a click on the box
        return session
    if min(drag.box.width, drag.box.height) < MIN_SIDE:
        return replace(session, note="the box is too small: drag from one corner of the object to the opposite one")
    return _set_key(session, drag.box)
