"""What is written over the picture."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.io.draw import COLORS, Look
from siamtrack.io.results import Row
from siamtrack.live.overlay import (
    KEYS,
    LISTED,
    Figures,
    Scene,
    draw_scene,
    help_lines,
    status_lines,
    wrap,
)
from siamtrack.live.session import Command, Drag, Select, Session
from siamtrack.live.window import event_of
from siamtrack.tracking.confidence import Status

FRAME = np.full((480, 640, 3), 90, np.uint8)
SESSION = Session(ids=(1,), selected=1)


def row(target: int, box: Box, score: float = 0.8, status: Status = Status.TRACKED) -> Row:
    return Row(7, 0.28, target, box, score, status)


def changed(one: np.ndarray, other: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what differs."""
    rows, columns = np.nonzero((one != other).any(2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def words(session: Session = SESSION, **figures: object) -> str:
    return "\n".join(text for text, _ in status_lines(Scene(session, (), Figures(**figures))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            words(fps=29.94, delay=0.0412, dropped=3), "29.9 fps  |  41 ms  |  3 dropped  |  h: help", id="all"
        ),
        pytest.param(words(), "0 dropped  |  h: help", id="the first frame has no rate"),
        pytest.param(words(notice="no picture"), "0 dropped  |  h: help\nno picture", id="a stall"),
        pytest.param(
            words(Session()), "0 dropped  |  h: help\ndrag a box around an object", id="what to do at the beginning"
        ),
        pytest.param(
            words(replace(SESSION, again=True)),
            "0 dropped  |  h: help\ndraw target 1 anew, or n for another target",
            id="what the next box will do",
        ),
        pytest.param(
            words(replace(SESSION, frozen=True, note="target 2 is dropped")),
            "0 dropped  |  h: help\nfrozen: draw boxes, then Space goes on\ntarget 2 is dropped",
            id="frozen, and a note",
        ),
    ],
)
def test_the_lines_at_the_top(text: str, wanted: str) -> None:
    assert text == wanted


def test_every_command_has_a_key_that_the_help_names() -> None:
    assert set(KEYS) == set(Command)
    keys = [key for keys in KEYS.values() for key in keys]
    assert len(set(keys)) == len(keys)
    lines = help_lines()
    for command, names in KEYS.items():
        assert (" or ".join(names), command.value) in lines
    assert "1 to 9" in dict(lines)
    assert any("end of the drag" in text for _, text in lines)


@pytest.mark.parametrize(
    ("code", "event"),
    [
        (-1, None),
        (ord("x"), None),
        (ord("0"), None),
        (32, Command.FREEZE),
        (9, Command.NEXT),
        (ord("q"), Command.LEAVE),
        (27, Command.LEAVE),
        (0x100000 | ord("r"), Command.AGAIN),
        (ord("1"), Select(1)),
        (0x100000 | ord("9"), Select(9)),
        (0xFF53, None),
    ],
)
def test_keys(code: int, event: Command | Select | None) -> None:
    assert event_of(code) == event


def test_the_frame_is_not_changed_and_small_ones_are_enlarged() -> None:
    small = np.full((120, 160, 3), 90, np.uint8)
    box = Box(40, 60, 50, 30)
    plain = draw_scene(small, Scene(SESSION))
    assert plain.shape == (480, 640, 3)
    drawn = draw_scene(small, Scene(replace(SESSION, drag=Drag((40, 60), (90, 90)))))
    assert changed(plain, drawn) == pytest.approx((160, 240, 360, 360), abs=6)
    found = draw_scene(small, Scene(SESSION, (row(1, box),)))
    green = np.argwhere((found[240:300] == COLORS[Status.TRACKED]).all(2))
    assert (green[:, 1].min(), green[:, 1].max()) == pytest.approx((160, 360), abs=4)
    assert (small == 90).all()


@pytest.mark.parametrize("status", [Status.TRACKED, Status.UNCERTAIN, Status.LOST])
def test_the_bar_is_as_long_as_the_score_and_in_the_color_of_the_status(status: Status) -> None:
    lengths = []
    for score in (0.25, 0.5, 1.0):
        picture = draw_scene(FRAME, Scene(SESSION, (row(1, Box(300, 100, 80, 80), score, status),)))
        bar = (picture[466:474] == COLORS[status]).all(2).all(0)  # the middle of the last line
        lengths.append(np.flatnonzero(np.diff(np.r_[0, bar.astype(int), 0]))[1] - np.flatnonzero(bar)[0])
    assert lengths[2] > 60
    assert lengths[:2] == pytest.approx([lengths[2] / 4, lengths[2] / 2], abs=1)


def test_the_selected_one_of_several_is_marked() -> None:
    rows = (row(1, Box(100, 150, 80, 80)), row(2, Box(400, 150, 80, 80)))
    session = Session(ids=(1, 2), selected=1)
    one, two = (draw_scene(FRAME, Scene(replace(session, selected=which), rows)) for which in (1, 2))
    left, _, right, _ = changed(one[140:250], two[140:250])
    assert (left, right) == pytest.approx((94, 486), abs=9)
    white = (one[140:250] == 255).all(2)
    assert white[:, 90:200].any()
    assert not white[:, 300:].any()


def test_of_many_targets_the_rest_is_counted() -> None:
    rows = [row(target, Box(20.0 * target, 50, 15, 15)) for target in range(1, LISTED + 4)]
    session = Session(ids=tuple(range(1, LISTED + 4)), selected=1)
    full = draw_scene(FRAME, Scene(session, tuple(rows[:LISTED])))
    more = draw_scene(FRAME, Scene(session, tuple(rows)))
    assert (full[460:, :40] != more[460:, :40]).any()
    assert more.shape == FRAME.shape


def test_a_recording_is_seen() -> None:
    plain, red = (draw_scene(FRAME, Scene(SESSION, (), Figures(recording=each))) for each in (False, True))
    left, top, right, bottom = changed(plain, red)
    assert (top, right) == (0, 640)
    assert left > 560
    assert bottom < 40


@pytest.mark.parametrize("shape", [(480, 640), (144, 176), (853, 480), (480, 1900), (64, 48), (1080, 1920)])
def test_the_keys_are_seen_whole_at_every_size(shape: tuple[int, int]) -> None:
    frame = np.full((*shape, 3), 200, np.uint8)
    picture = draw_scene(frame, Scene(replace(SESSION, help=True)))
    height, width = picture.shape[:2]
    left, top, right, bottom = changed(picture, np.full_like(picture, picture[-1, -1]))
    assert min(left, top, width - right, height - bottom) > 0
    letters = (picture.max(2) > 200).any(1)
    # A line of letters for each line of the help: rows with letters are broken by rows without.
    assert np.count_nonzero(np.diff(letters.astype(int)) == 1) >= len(help_lines()) - 3


@settings(deadline=None)
@given(st.text("abcdefgh ", min_size=1, max_size=120), st.integers(120, 800))
def test_long_lines_are_wrapped_without_losing_a_word(text: str, width: int) -> None:
    lines = wrap(text, Look((255, 255, 255), 0.5), width)
    assert " ".join(lines) == text
    for line in lines:
        (wide, _), _ = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
        assert wide <= width or " " not in line
