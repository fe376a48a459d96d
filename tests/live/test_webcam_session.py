"""What keys, mouse and answers make of a session: no window, no camera, no tracker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.io.mouse import Move, Press, Release
from siamtrack.live.session import (
    LEAST_SIDE,
    Add,
    Added,
    Command,
    Drop,
    Event,
    Faded,
    Refused,
    Restart,
    Restarted,
    Saved,
    Select,
    Session,
    TakePicture,
    advance,
)

TWO = Session(ids=(1, 2), selected=2)


def after(session: Session, *events: Event) -> Session:
    for event in events:
        session = advance(session, event)
    return session


def drag(begin: tuple[float, float], end: tuple[float, float]) -> tuple[Event, ...]:
    return Press(*begin), Move((begin[0] + end[0]) / 2, begin[1]), Release(*end)


@pytest.mark.parametrize(
    ("begin", "end"), [((10, 20), (40, 60)), ((40, 60), (10, 20)), ((40, 20), (10, 60))], ids=["down", "up", "across"]
)
def test_a_box_that_is_drawn_asks_for_a_target(begin: tuple[float, float], end: tuple[float, float]) -> None:
    session = after(Session(), *drag(begin, end))
    assert session.wish == Add(Box(10, 20, 30, 40))
    assert session.drag is None
    followed = after(session, Added(1))
    assert (followed.ids, followed.selected, followed.wish) == ((1,), 1, None)


def test_the_box_is_seen_while_it_is_drawn_also_when_the_picture_is_frozen_meanwhile() -> None:
    session = after(Session(), Press(10, 20), Command.FREEZE, Move(40, 60))
    assert session.drag is not None
    assert session.drag.box == Box(10, 20, 30, 40)
    assert session.frozen
    assert after(session, Release(50, 60)).wish == Add(Box(10, 20, 40, 40))


@pytest.mark.parametrize("end", [(10, 20), (12, 80), (80, 23.9)], ids=["a click", "a line down", "a line across"])
def test_a_click_is_told_and_asks_for_nothing(end: tuple[float, float]) -> None:
    session = after(TWO, *drag((10, 20), end))
    assert session.wish is None
    assert session.note.startswith("that was a click: drag")
    assert replace(session, note="") == TWO


def test_the_selected_target_is_shown_anew_once_and_keeps_its_number() -> None:
    session = after(TWO, Select(1), Command.AGAIN, *drag((10, 20), (40, 60)))
    assert session.wish == Restart(1, Box(10, 20, 30, 40))
    done = after(session, Restarted(1))
    assert (done.ids, done.selected, done.again) == ((1, 2), 1, False)
    assert after(done, *drag((10, 20), (40, 60))).wish == Add(Box(10, 20, 30, 40))


def test_another_target_after_all() -> None:
    session = after(TWO, Command.AGAIN, Command.NEW, *drag((10, 20), (40, 60)))
    assert session.wish == Add(Box(10, 20, 30, 40))


def test_a_box_that_is_refused_may_be_drawn_again() -> None:
    session = after(TWO, Command.AGAIN, *drag((10, 20), (40, 60)), Refused("box outside"))
    assert (session.note, session.again, session.ids) == ("box outside", True, (1, 2))


@pytest.mark.parametrize(
    ("ids", "selected", "left", "then"),
    [
        ((1,), 1, (), None),
        ((1, 2, 3), 2, (1, 3), 1),
        ((2, 5, 6), 5, (2, 6), 6),
        ((1, 2), 2, (1,), 1),
    ],
)
def test_dropping_selects_the_nearest(
    ids: tuple[int, ...], selected: int, left: tuple[int, ...], then: int | None
) -> None:
    session = after(Session(ids=ids, selected=selected, again=True), Command.DROP)
    assert session.wish == Drop(selected)
    assert (session.ids, session.selected, session.again) == (left, then, False)


@pytest.mark.parametrize("command", [Command.DROP, Command.AGAIN, Command.NEXT])
def test_without_a_target_there_is_a_hint(command: Command) -> None:
    session = after(Session(), command)
    assert session.note.startswith("there is no target: drag")
    assert replace(session, note="") == Session()


def test_targets_are_selected_by_number_and_in_turn() -> None:
    assert after(TWO, Select(1)).selected == 1
    assert [after(TWO, *[Command.NEXT] * times).selected for times in (1, 2, 3)] == [1, 2, 1]
    unknown = after(TWO, Select(7))
    assert unknown.selected == 2
    assert unknown.note == "there is no target 7 (there are: 1, 2)"


@pytest.mark.parametrize(
    ("command", "name"), [(Command.FREEZE, "frozen"), (Command.HELP, "help")], ids=["freeze", "help"]
)
def test_what_is_switched_on_is_switched_off_again(command: Command, name: str) -> None:
    on = after(TWO, command)
    assert getattr(on, name) is True
    assert after(on, command) == TWO


def test_a_snapshot_is_asked_for_once_and_its_name_is_told() -> None:
    session = after(TWO, Command.SNAPSHOT)
    assert session.wish == TakePicture()
    saved = after(session, Saved(Path("a.png")))
    assert (saved.wish, saved.note) == (None, "saved a.png")
    assert after(saved, Move(1, 1)).note == "saved a.png"
    assert after(saved, Faded()) == TWO


def test_leaving() -> None:
    assert after(TWO, Command.LEAVE).leaving


positions = st.floats(0, 640, width=32)
events = st.one_of(
    st.sampled_from([command for command in Command if command is not Command.LEAVE]),
    st.builds(Select, st.integers(1, 9)),
    st.builds(Press, positions, positions),
    st.builds(Move, positions, positions),
    st.builds(Release, positions, positions),
    st.just(Faded()),
)


@given(st.lists(st.tuples(events, st.booleans()), max_size=60))
def test_any_order_of_events_keeps_to_the_rules(steps: list[tuple[Event, bool]]) -> None:
    session, targets, last = Session(), list[int](), 0
    for event, willing in steps:
        session = advance(session, event)
        match session.wish:
            case Add(box) | Restart(_, box) if not willing:
                session = advance(session, Refused(f"{box} cannot be tracked"))
            case Add(box):
                assert min(box.width, box.height) >= LEAST_SIDE
                last += 1
                targets.append(last)
                session = advance(session, Added(last))
            case Restart(target, box):
                assert min(box.width, box.height) >= LEAST_SIDE
                assert target in targets
                session = advance(session, Restarted(target))
            case Drop(target):
                targets.remove(target)  # raises where it is not followed
            case TakePicture():
                session = advance(session, Saved(Path("a.png")))
        assert session.ids == tuple(targets)
        assert (session.selected in session.ids) if session.ids else session.selected is None
        assert session.selected is not None or not session.again
        assert not session.leaving
