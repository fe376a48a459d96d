"""Labelling by hand, event by event, without a window."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.io.mouse import Move, Press, Release
from siamtrack.labelling.annotations import Annotations, Key
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

BOX = Box(20, 30, 40, 50)
OTHER = Box(60, 30, 40, 50)


def after(session: Session, *events: Event) -> Session:
    return reduce(advance, events, session)


def drag(begin: tuple[float, float], end: tuple[float, float]) -> tuple[Event, ...]:
    return Press(*begin), Move((begin[0] + end[0]) / 2, begin[1]), Release(*end)


def keyed(*keys: Key, count: int = 30) -> Session:
    return Session(count, Annotations.of(keys))


@pytest.mark.parametrize(
    ("begin", "end"), [((20, 30), (60, 80)), ((60, 80), (20, 30)), ((20, 80), (60, 30))], ids=["down", "up", "across"]
)
def test_a_box_is_drawn_from_any_corner_and_makes_a_key_frame(
    begin: tuple[float, float], end: tuple[float, float]
) -> None:
    session = after(replace(keyed(), frame=4), *drag(begin, end))
    assert session.annotations.keys == (Key(4, BOX),)
    assert shown(session) == (BOX, Origin.KEY)


def test_the_box_is_shown_while_it_is_drawn_and_another_key_gives_it_up() -> None:
    session = after(keyed(), Press(20, 30), Move(60, 80))
    assert shown(session) == (BOX, Origin.DRAWN)
    session = after(session, Command.NEXT)
    assert session.drag is None
    assert len(session.annotations) == 0


def test_a_click_draws_nothing_and_says_why() -> None:
    session = after(keyed(), *drag((20, 30), (21, 80)))
    assert len(session.annotations) == 0
    assert "too small" in session.note
    assert after(keyed(Key(0, BOX)), Press(40, 50), Release(40, 50)).annotations == keyed(Key(0, BOX)).annotations


def test_a_box_is_moved_by_its_inside_and_resized_by_a_corner() -> None:
    moved = after(keyed(Key(0, BOX)), *drag((40, 50), (45, 48)))
    assert moved.annotations.keys == (Key(0, Box(25, 28, 40, 50)),)
    resized = after(keyed(Key(0, BOX)), *drag((59, 81), (70, 90)))
    assert resized.annotations.keys == (Key(0, Box(20, 30, 50, 60)),)
    resized = after(keyed(Key(0, BOX)), *drag((20, 80), (10, 90)))
    assert resized.annotations.keys == (Key(0, Box(10, 30, 50, 60)),)


def test_a_box_that_was_filled_in_is_corrected_by_moving_it() -> None:
    session = replace(keyed(Key(0, BOX), Key(10, OTHER)), frame=5)
    there = shown(session)
    assert there is not None
    assert there[0] == pytest.approx((40, 30, 40, 50))
    assert there[1] is Origin.INTERPOLATED
    session = after(session, *drag((60, 50), (60, 60)))
    assert session.annotations.at(5) == Key(5, Box(40, 40, 40, 50))


@pytest.mark.parametrize(
    ("command", "frame"),
    [
        (Command.NEXT, 13),
        (Command.PREVIOUS, 11),
        (Command.LEAP, 22),
        (Command.LEAP_BACK, 2),
        (Command.FIRST, 0),
        (Command.LAST, 29),
        (Command.NEXT_KEY, 20),
        (Command.PREVIOUS_KEY, 5),
    ],
)
def test_keys_go_through_the_frames(command: Command, frame: int) -> None:
    session = replace(keyed(Key(5, BOX), Key(20, None)), frame=12)
    assert after(session, command).frame == frame


def test_there_is_nothing_beyond_the_ends() -> None:
    assert after(keyed(), Command.PREVIOUS, Command.LEAP_BACK).frame == 0
    assert after(keyed(count=5), Command.LEAP, Command.NEXT).frame == 4
    assert "no key frame on this side" in after(keyed(), Command.NEXT_KEY).note


def test_what_is_shown_can_be_confirmed_hidden_removed_and_undone() -> None:
    session = replace(keyed(Key(0, BOX), Key(10, OTHER)), frame=5)
    confirmed = after(session, Command.CONFIRM)
    assert confirmed.annotations.at(5) == Key(5, Box(40, 30, 40, 50))
    hidden = after(confirmed, Command.HIDE)
    assert hidden.annotations.at(5) == Key(5, None)
    assert shown(hidden) is None
    assert "no box" in after(hidden, Command.CONFIRM).note
    removed = after(hidden, Command.REMOVE)
    assert removed.annotations == session.annotations
    assert "no key frame" in after(removed, Command.REMOVE).note
    back = after(removed, Command.UNDO, Command.UNDO)
    assert back.annotations == confirmed.annotations
    assert "nothing to undo" in after(back, Command.UNDO, Command.UNDO).note


def test_following_shows_a_box_a_frame_up_to_the_next_key_frame() -> None:
    session = after(replace(keyed(Key(4, OTHER)), frame=0), *drag((20, 30), (60, 80)), Command.FOLLOW)
    assert (session.stage, session.end_of_following) == (Stage.FOLLOW, 4)
    session = after(session, Found(BOX), Found(BOX))
    assert (session.stage, session.frame) == (Stage.FOLLOW, 2)
    assert shown(session) == (BOX, Origin.FOLLOWED)
    session = after(session, Found(OTHER))
    assert (session.stage, session.frame, session.note) == (Stage.EDIT, 3, "")
    assert session.annotations.keys == (Key(0, BOX), Key(4, OTHER))  # what is followed is no key frame by itself


def test_following_makes_the_box_that_is_shown_a_key_frame() -> None:
    session = replace(keyed(Key(0, BOX), Key(10, OTHER)), frame=5)
    assert after(session, Command.FOLLOW).annotations.at(5) == Key(5, Box(40, 30, 40, 50))


def test_any_key_stops_the_tracker_and_does_nothing_else() -> None:
    session = after(keyed(Key(0, BOX)), Command.FOLLOW, Found(BOX))
    for event in (Command.NEXT, Command.LEAVE, Command.REMOVE, Press(1, 1)):
        stopped = after(session, event)
        assert (stopped.stage, stopped.frame, stopped.drag) == (Stage.EDIT, 1, None)
        assert after(stopped, Found(OTHER)) == stopped  # too late


def test_a_lost_object_stops_the_tracker_and_a_frame_without_picture_does_not() -> None:
    lost = after(keyed(Key(0, BOX)), Command.FOLLOW, Found(None))
    assert (lost.stage, lost.frame) == (Stage.EDIT, 1)
    assert "lost" in lost.note
    session = replace(keyed(Key(0, BOX)), missing=frozenset({1}))
    session = after(session, Command.FOLLOW, Found(None))
    assert session.stage is Stage.FOLLOW
    assert "nothing can be said" in after(session, Command.HIDE, Command.HIDE).note


def test_a_change_makes_what_was_followed_from_there_out_of_date() -> None:
    session = after(keyed(Key(0, BOX)), Command.FOLLOW, *[Found(BOX)] * 9, Command.NEXT)
    session = after(replace(session, frame=5), *drag((200, 30), (240, 80)))
    assert sorted(session.followed) == [1, 2, 3, 4]
    assert session.annotations.at(5) == Key(5, Box(200, 30, 40, 50))


def test_there_is_a_word_when_nothing_can_be_followed() -> None:
    assert "draw one" in after(keyed(), Command.FOLLOW).note
    assert "interpolated" in after(replace(keyed(Key(0, BOX)), can_follow=False), Command.FOLLOW).note
    assert "nothing to follow" in after(keyed(Key(0, BOX), Key(1, BOX)), Command.FOLLOW).note
    assert "nothing to follow" in after(replace(keyed(Key(29, BOX)), frame=29), Command.FOLLOW).note


def test_saving_needs_enough_key_frames() -> None:
    assert "no box yet" in after(keyed(Key(0, None)), Command.SAVE).note
    assert "2 key frames" in after(keyed(Key(0, BOX)), Command.SAVE).note
    assert after(replace(keyed(Key(0, BOX)), least=1), Command.SAVE).stage is Stage.SAVE
    assert after(keyed(Key(0, BOX), Key(9, BOX)), Command.SAVE).stage is Stage.SAVE
    assert after(keyed(), Command.LEAVE).stage is Stage.LEAVE


def test_help_comes_and_goes() -> None:
    assert not after(keyed(), Command.HELP).help
    assert after(keyed(), Command.HELP, Command.HELP).help


positions = st.floats(0, 200)
events = st.one_of(
    st.sampled_from([command for command in Command if command not in (Command.SAVE, Command.LEAVE)]),
    st.builds(Press, positions, positions),
    st.builds(Move, positions, positions),
    st.builds(Release, positions, positions),
    st.builds(Found, st.sampled_from([BOX, None])),
)


@given(st.lists(events, max_size=40))
def test_no_order_of_events_leads_out_of_the_video_or_to_a_box_without_size(sequence: list[Event]) -> None:
    session = Session(12)
    for event in sequence:
        session = advance(session, event)
        assert 0 <= session.frame < 12
        assert all(0 <= key.frame < 12 for key in session.annotations.keys)
        assert all(key.box is None or min(key.box.width, key.box.height) >= 2 for key in session.annotations.keys)
        assert session.stage is Stage.EDIT or session.frame + 1 < session.end_of_following
        shown(session)
