"""Labelling sessions, event by event, without a window."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.io.mouse import Move, Press, Release
from siamtrack.labelling.key_frames import KeyFrame, KeyFrames
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

BOX = Box(20, 30, 40, 50)
OTHER = Box(60, 30, 40, 50)


def after(session: LabellingSession, *events: Event) -> LabellingSession:
    return reduce(handle, events, session)


def drag(begin: tuple[float, float], end: tuple[float, float]) -> tuple[Event, ...]:
    return Press(*begin), Move((begin[0] + end[0]) / 2, begin[1]), Release(*end)


def keyed(*keys: KeyFrame, count: int = 30) -> LabellingSession:
    return LabellingSession(count, KeyFrames.of(keys))


@pytest.mark.parametrize(
    ("begin", "end"), [((20, 30), (60, 80)), ((60, 80), (20, 30)), ((20, 80), (60, 30))], ids=["down", "up", "across"]
)
def test_session_draws_a_box_from_any_corner_and_makes_a_key_frame(
    begin: tuple[float, float], end: tuple[float, float]
) -> None:
    session = after(replace(keyed(), frame=4), *drag(begin, end))
    assert session.key_frames.items == (KeyFrame(4, BOX),)
    assert visible_box(session) == (BOX, Origin.KEY_FRAME)


def test_session_shows_a_box_while_it_is_drawn_and_another_key_drops_it() -> None:
    session = after(keyed(), Press(20, 30), Move(60, 80))
    assert visible_box(session) == (BOX, Origin.DRAWN)
    session = after(session, Command.NEXT)
    assert session.drag is None
    assert len(session.key_frames) == 0


def test_session_refuses_a_click_as_a_box_and_says_why() -> None:
    session = after(keyed(), *drag((20, 30), (21, 80)))
    assert len(session.key_frames) == 0
    assert "too small" in session.note
    session = keyed(KeyFrame(0, BOX))
    assert after(session, Press(40, 50), Release(40, 50)).key_frames == session.key_frames


def test_session_moves_a_box_by_its_inside_and_resizes_it_by_a_corner() -> None:
    moved = after(keyed(KeyFrame(0, BOX)), *drag((40, 50), (45, 48)))
    assert moved.key_frames.items == (KeyFrame(0, Box(25, 28, 40, 50)),)
    resized = after(keyed(KeyFrame(0, BOX)), *drag((59, 81), (70, 90)))
    assert resized.key_frames.items == (KeyFrame(0, Box(20, 30, 50, 60)),)
    resized = after(keyed(KeyFrame(0, BOX)), *drag((20, 80), (10, 90)))
    assert resized.key_frames.items == (KeyFrame(0, Box(10, 30, 50, 60)),)


def test_session_corrects_an_interpolated_box_by_moving_it() -> None:
    session = replace(keyed(KeyFrame(0, BOX), KeyFrame(10, OTHER)), frame=5)
    visible = visible_box(session)
    assert visible is not None
    assert visible[0] == pytest.approx((40, 30, 40, 50))
    assert visible[1] is Origin.INTERPOLATED
    session = after(session, *drag((60, 50), (60, 60)))
    assert session.key_frames.at(5) == KeyFrame(5, Box(40, 40, 40, 50))


@pytest.mark.parametrize(
    ("command", "frame"),
    [
        (Command.NEXT, 13),
        (Command.PREVIOUS, 11),
        (Command.SKIP, 22),
        (Command.SKIP_BACK, 2),
        (Command.FIRST, 0),
        (Command.LAST, 29),
        (Command.NEXT_KEY_FRAME, 20),
        (Command.PREVIOUS_KEY_FRAME, 5),
    ],
)
def test_session_goes_through_the_frames_by_keys(command: Command, frame: int) -> None:
    session = replace(keyed(KeyFrame(5, BOX), KeyFrame(20, None)), frame=12)
    assert after(session, command).frame == frame


def test_session_stays_between_the_ends() -> None:
    assert after(keyed(), Command.PREVIOUS, Command.SKIP_BACK).frame == 0
    assert after(keyed(count=5), Command.SKIP, Command.NEXT).frame == 4
    assert "no key frame on this side" in after(keyed(), Command.NEXT_KEY_FRAME).note


def test_session_confirms_hides_removes_and_undoes() -> None:
    session = replace(keyed(KeyFrame(0, BOX), KeyFrame(10, OTHER)), frame=5)
    confirmed = after(session, Command.CONFIRM)
    assert confirmed.key_frames.at(5) == KeyFrame(5, Box(40, 30, 40, 50))
    hidden = after(confirmed, Command.HIDE)
    assert hidden.key_frames.at(5) == KeyFrame(5, None)
    assert visible_box(hidden) is None
    assert "no box" in after(hidden, Command.CONFIRM).note
    removed = after(hidden, Command.REMOVE)
    assert removed.key_frames == session.key_frames
    assert "no key frame" in after(removed, Command.REMOVE).note
    back = after(removed, Command.UNDO, Command.UNDO)
    assert back.key_frames == confirmed.key_frames
    assert "nothing to undo" in after(back, Command.UNDO, Command.UNDO).note


def test_session_tracks_up_to_the_next_key_frame() -> None:
    session = after(replace(keyed(KeyFrame(4, OTHER)), frame=0), *drag((20, 30), (60, 80)), Command.TRACK)
    assert (session.stage, session.tracking_end) == (Stage.TRACK, 4)
    session = after(session, TrackedBox(BOX), TrackedBox(BOX))
    assert (session.stage, session.frame) == (Stage.TRACK, 2)
    assert visible_box(session) == (BOX, Origin.TRACKED)
    session = after(session, TrackedBox(OTHER))
    assert (session.stage, session.frame, session.note) == (Stage.EDIT, 3, "")
    # Tracked boxes are not key frames.
    assert session.key_frames.items == (KeyFrame(0, BOX), KeyFrame(4, OTHER))


def test_session_makes_the_box_that_is_tracked_from_a_key_frame() -> None:
    session = replace(keyed(KeyFrame(0, BOX), KeyFrame(10, OTHER)), frame=5)
    assert after(session, Command.TRACK).key_frames.at(5) == KeyFrame(5, Box(40, 30, 40, 50))


def test_session_stops_tracking_with_any_key_and_does_nothing_else() -> None:
    session = after(keyed(KeyFrame(0, BOX)), Command.TRACK, TrackedBox(BOX))
    for event in (Command.NEXT, Command.LEAVE, Command.REMOVE, Press(1, 1)):
        stopped = after(session, event)
        assert (stopped.stage, stopped.frame, stopped.drag) == (Stage.EDIT, 1, None)
        assert after(stopped, TrackedBox(OTHER)) == stopped  # too late


def test_session_stops_tracking_when_the_object_is_lost_but_not_at_a_missing_frame() -> None:
    lost = after(keyed(KeyFrame(0, BOX)), Command.TRACK, TrackedBox(None))
    assert (lost.stage, lost.frame) == (Stage.EDIT, 1)
    assert "lost" in lost.note
    session = replace(keyed(KeyFrame(0, BOX)), missing=frozenset({1}))
    session = after(session, Command.TRACK, TrackedBox(None))
    assert session.stage is Stage.TRACK
    assert "cannot be a key frame" in after(session, Command.HIDE, Command.HIDE).note


def test_session_drops_tracked_boxes_after_a_change_before_them() -> None:
    session = after(keyed(KeyFrame(0, BOX)), Command.TRACK, *[TrackedBox(BOX)] * 9, Command.NEXT)
    session = after(replace(session, frame=5), *drag((200, 30), (240, 80)))
    assert sorted(session.tracked) == [1, 2, 3, 4]
    assert session.key_frames.at(5) == KeyFrame(5, Box(200, 30, 40, 50))


def test_session_says_why_nothing_can_be_tracked() -> None:
    assert "draw one" in after(keyed(), Command.TRACK).note
    assert "interpolated" in after(replace(keyed(KeyFrame(0, BOX)), can_track=False), Command.TRACK).note
    assert "nothing to track" in after(keyed(KeyFrame(0, BOX), KeyFrame(1, BOX)), Command.TRACK).note
    assert "nothing to track" in after(replace(keyed(KeyFrame(29, BOX)), frame=29), Command.TRACK).note


def test_session_needs_enough_key_frames_to_save() -> None:
    assert "no box yet" in after(keyed(KeyFrame(0, None)), Command.SAVE).note
    assert "2 key frames" in after(keyed(KeyFrame(0, BOX)), Command.SAVE).note
    assert after(replace(keyed(KeyFrame(0, BOX)), min_key_frames=1), Command.SAVE).stage is Stage.SAVE
    assert after(keyed(KeyFrame(0, BOX), KeyFrame(9, BOX)), Command.SAVE).stage is Stage.SAVE
    assert after(keyed(), Command.LEAVE).stage is Stage.LEAVE


def test_session_shows_and_hides_help() -> None:
    assert not after(keyed(), Command.HELP).help
    assert after(keyed(), Command.HELP, Command.HELP).help


positions = st.floats(0, 200)
events = st.one_of(
    st.sampled_from([command for command in Command if command not in (Command.SAVE, Command.LEAVE)]),
    st.builds(Press, positions, positions),
    st.builds(Move, positions, positions),
    st.builds(Release, positions, positions),
    st.builds(TrackedBox, st.sampled_from([BOX, None])),
)


@given(st.lists(events, max_size=40))
def test_session_stays_valid_after_any_events(sequence: list[Event]) -> None:
    session = LabellingSession(12)
    for event in sequence:
        session = handle(session, event)
        assert 0 <= session.frame < 12
        assert all(0 <= key.frame < 12 for key in session.key_frames)
        assert all(key.box is None or min(key.box.width, key.box.height) >= 2 for key in session.key_frames)
        assert session.stage is Stage.EDIT or session.frame + 1 < session.tracking_end
        visible_box(session)
