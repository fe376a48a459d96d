"""Following objects before a camera as a value: what each key, the mouse and the tracker's answers make of it.

Nothing here knows a window, a camera or a tracker. Positions are in pixels of the frame, 0-based and continuous.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from siamtrack.boxes import Box
from siamtrack.io.mouse import Move, Press, Release, box_between

LEAST_SIDE = 4.0
"""Shortest side, in pixels, of what counts as drawn: less is a click."""


class Command(StrEnum):
    """Commands of keys."""

    FREEZE = "freeze the picture, or go on"
    NEW = "the next box is another target"
    AGAIN = "the next box is the selected target anew"
    DROP = "stop following the selected target"
    NEXT = "select the next target"
    SNAPSHOT = "save this picture"
    HELP = "show or hide these lines"
    LEAVE = "end"


@dataclass(frozen=True, slots=True)
class Select:
    """A digit was pressed: select this target."""

    target: int


@dataclass(frozen=True, slots=True)
class Added:
    """The tracker follows another target."""

    target: int


@dataclass(frozen=True, slots=True)
class Restarted:
    """The tracker follows a target from another box on."""

    target: int


@dataclass(frozen=True, slots=True)
class Saved:
    """A picture was saved."""

    path: Path


@dataclass(frozen=True, slots=True)
class Refused:
    """Refusal of a request."""

    why: str


@dataclass(frozen=True, slots=True)
class Faded:
    """The answer to the last event has been shown for long enough."""


Answer = Added | Restarted | Saved | Refused
Event = Command | Select | Press | Move | Release | Faded | Answer


@dataclass(frozen=True, slots=True)
class Add:
    """Follow what is in this box of the frame that is shown."""

    box: Box


@dataclass(frozen=True, slots=True)
class Restart:
    """Follow what is in this box of the frame that is shown, under an id that there is."""

    target: int
    box: Box


@dataclass(frozen=True, slots=True)
class Drop:
    """Follow a target no longer."""

    target: int


@dataclass(frozen=True, slots=True)
class TakePicture:
    """Save the picture that is shown."""


Wish = Add | Restart | Drop | TakePicture


@dataclass(frozen=True, slots=True)
class Drag:
    """A box under the mouse."""

    begin: tuple[float, float]
    end: tuple[float, float]

    @property
    def box(self) -> Box:
        """The box as it is now."""
        return box_between(self.begin, self.end)


@dataclass(frozen=True, slots=True)
class Session:
    """Everything about what the user does between two events."""

    ids: tuple[int, ...] = ()
    """The targets, ascending."""
    selected: int | None = None
    """One of them; None when there is none."""
    again: bool = False
    """The next box restarts the selected target instead of adding one."""
    frozen: bool = False
    """The picture is frozen."""
    drag: Drag | None = None
    help: bool = False
    """The keys are shown."""
    note: str = ""
    """Answer to the last event, in words."""
    wish: Wish | None = None
    """Request of the last event; whoever carries it out answers by another event, except for `Drop`."""
    leaving: bool = False
    """The user has quit."""


def advance(session: Session, event: Event) -> Session:
    """Return the session after an event."""
    session = replace(session, wish=None)
    if isinstance(event, Move):
        return _drag_on(session, event)
    session = replace(session, note="")
    match event:
        case Faded():
            return session
        case Press():
            return replace(session, drag=Drag((event.x, event.y), (event.x, event.y)))
        case Release():
            return _let_go(_drag_on(session, event))
        case Select():
            return _select(session, event.target)
        case Added():
            ids = (*session.ids, event.target)
            return replace(
                session, ids=ids, selected=event.target, again=False, note=f"following target {event.target}"
            )
        case Restarted():
            return replace(session, again=False, note=f"following target {event.target} from here")
        case Saved():
            return replace(session, note=f"saved {event.path}")
        case Refused():
            return replace(session, note=event.why)
    return _obey(session, event)


def _obey(session: Session, command: Command) -> Session:
    match command:
        case Command.FREEZE:
            return replace(session, frozen=not session.frozen)
        case Command.NEW:
            return replace(session, again=False, note="draw a box around another target")
        case Command.AGAIN:
            if session.selected is None:
                return _without_target(session)
            return replace(session, again=True)
        case Command.DROP:
            return _drop(session)
        case Command.NEXT:
            return _select_next(session)
        case Command.SNAPSHOT:
            return replace(session, wish=TakePicture())
        case Command.HELP:
            return replace(session, help=not session.help)
        case Command.LEAVE:
            return replace(session, leaving=True)


def _without_target(session: Session) -> Session:
    return replace(session, note="there is no target: drag a box around the object first")


def _drop(session: Session) -> Session:
    if session.selected is None:
        return _without_target(session)
    dropped, left = session.selected, tuple(target for target in session.ids if target != session.selected)
    selected = min(left, key=lambda target: abs(target - dropped), default=None)
    note = f"target {dropped} is dropped"
    return replace(session, ids=left, selected=selected, again=False, note=note, wish=Drop(dropped))


def _select(session: Session, target: int) -> Session:
    if target not in session.ids:
        known = ", ".join(map(str, session.ids)) or "none"
        return replace(session, note=f"there is no target {target} (there are: {known})")
    return replace(session, selected=target)


def _select_next(session: Session) -> Session:
    if session.selected is None:
        return _without_target(session)
    place = session.ids.index(session.selected)
    return replace(session, selected=session.ids[(place + 1) % len(session.ids)])


def _drag_on(session: Session, event: Move | Release) -> Session:
    drag = session.drag
    return session if drag is None else replace(session, drag=replace(drag, end=(event.x, event.y)))


def _let_go(session: Session) -> Session:
    if session.drag is None:
        return session
    box, session = session.drag.box, replace(session, drag=None)
    if min(box.width, box.height) < LEAST_SIDE:
        return replace(session, note="that was a click: drag from one corner of the object to the opposite one")
    if session.again and session.selected is not None:
        return replace(session, wish=Restart(session.selected, box))
    return replace(session, wish=Add(box))
