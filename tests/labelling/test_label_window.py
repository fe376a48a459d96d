"""Window of a labelling session, on a screen that the test plays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from labelled_videos import make_store, straight_on, write_pictures
from played_screen import NO_KEY, Screen, Step, drag

from siamtrack.boxes import Box
from siamtrack.io.window import CODES
from siamtrack.labelling import window
from siamtrack.labelling.frames import FrameStore
from siamtrack.labelling.key_frames import KeyFrame, KeyFrames
from siamtrack.labelling.session import Command, LabellingSession, Stage
from siamtrack.labelling.window import COLORS, KEYS, draw_session, find_command, label_in_window

RIGHT = 0xFF53
TRUTH = straight_on(8)[1]
DRAWN = Box(10, 20, 30, 40)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FrameStore]:
    with make_store(write_pictures(tmp_path / "video", straight_on(8)[0])) as store:
        yield store


@dataclass
class Outcome:
    """Result of a session in the window."""

    session: LabellingSession
    screen: Screen
    saved: list[KeyFrames]


@pytest.fixture
def use(store: FrameStore, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Return a function that uses the window."""

    def track_range(order: range, box: Box) -> Iterator[Box | None]:
        yield from (TRUTH[frame] for frame in order[1:])

    def call(*steps: Step, session: LabellingSession | None = None) -> Outcome:
        screen, saved = Screen(list(steps)), list[KeyFrames]()
        monkeypatch.setattr(window, "cv2", screen)
        monkeypatch.setattr("siamtrack.io.window.cv2", screen)
        ended = label_in_window(session or LabellingSession(len(store)), store, track_range, saved.append, "label")
        assert screen.open == []
        return Outcome(ended, screen, saved)

    return call


def test_window_draws_boxes_saves_every_change_and_ends_with_s(use: Callable[..., Outcome]) -> None:
    outcome = use(*drag((10, 20), (40, 60)), RIGHT, RIGHT, NO_KEY, *drag((20, 30), (60, 70)), ord("s"), RIGHT)
    first, second = KeyFrame(0, DRAWN), KeyFrame(2, Box(20, 30, 40, 40))
    assert outcome.session.stage is Stage.SAVE
    assert outcome.session.key_frames.items == (first, second)
    assert outcome.saved == [KeyFrames((first,)), KeyFrames((first, second))]
    assert outcome.screen.steps == [RIGHT]


def test_window_tracks_until_a_key_is_pressed(use: Callable[..., Outcome]) -> None:
    session = LabellingSession(8, KeyFrames((KeyFrame(0, TRUTH[0]),)))
    outcome = use(ord("t"), NO_KEY, NO_KEY, ord("q"), session=session)
    assert outcome.session.frame == 2
    assert dict(outcome.session.tracked) == {frame: TRUTH[frame] for frame in (1, 2)}
    assert len(outcome.screen.shown) == 5  # the first picture, the message, two frames, and the end
    whole = use(ord("t"), *[NO_KEY] * 20, session=session)
    assert whole.session.frame == 7


def test_window_leaves_the_session_when_it_is_closed(use: Callable[..., Outcome]) -> None:
    outcome = use(*drag((10, 20), (40, 60)))
    assert outcome.session.stage is Stage.LEAVE
    assert outcome.saved == [KeyFrames((KeyFrame(0, DRAWN),))]


def test_window_draws_after_changes_only(use: Callable[..., Outcome]) -> None:
    assert len(use(*[NO_KEY] * 10).screen.shown) == 1
    assert len(use(RIGHT, NO_KEY, NO_KEY).screen.shown) == 2


def test_window_has_a_letter_for_every_command_and_a_code_for_every_key() -> None:
    assert set(KEYS) == set(Command)
    letters = [letter for letter, _ in KEYS.values()]
    assert len(set(letters)) == len(letters)
    assert {name for _, name in KEYS.values() if name} <= set(CODES)
    for command, (letter, name) in KEYS.items():
        assert {find_command(code) for code in (ord(letter), *CODES.get(name, ()))} == {command}


@pytest.mark.parametrize(
    ("code", "command"),
    [
        pytest.param(NO_KEY, None, id="no key"),
        pytest.param(ord("j"), None, id="a key without a meaning"),
        pytest.param(0xFFFF, Command.REMOVE, id="Delete on X11"),
        pytest.param(0x10FF53, Command.NEXT, id="Right with num lock, as GTK reports it"),
        pytest.param(0x270000, Command.NEXT, id="Right on Windows"),
        pytest.param(0x250000, Command.PREVIOUS, id="Left on Windows"),
    ],
)
def test_find_command_on_every_system(code: int, command: Command | None) -> None:
    assert find_command(code) is command


def test_draw_session_places_the_box_on_an_enlarged_frame() -> None:
    frame = np.full((240, 320, 3), 90, np.uint8)
    session = LabellingSession(8, KeyFrames((KeyFrame(0, Box(100, 120, 60, 50)),)), help=False)
    picture = draw_session(frame, session)
    assert picture.shape == (480, 640, 3)
    rows, columns = np.nonzero((picture == COLORS[next(iter(COLORS))]).all(2)[:460])
    assert (columns.min(), columns.max()) == pytest.approx((200, 320), abs=4)
    assert (rows.min(), rows.max()) == pytest.approx((240, 340), abs=4)
    assert (frame == 90).all()


def test_draw_session_shows_help_notes_and_key_frames() -> None:
    frame = np.full((480, 640, 3), 90, np.uint8)
    plain = draw_session(frame, LabellingSession(8, help=False))
    assert (draw_session(frame, LabellingSession(8)) != plain).any(2).mean() > 0.05
    assert (draw_session(frame, LabellingSession(8, help=False, note="lost")) != plain).any()
    keys = draw_session(frame, LabellingSession(8, KeyFrames((KeyFrame(7, None),)), help=False))
    assert (keys[470:, 600:] != plain[470:, 600:]).any()


@pytest.mark.parametrize(
    "module", ["siamtrack.labelling.workflow", "siamtrack.workflows.track", "siamtrack.live.webcam"]
)
def test_opencv_is_loaded_before_pyav(module: str) -> None:
    """PyAV brings a libxcb with which OpenCV's Qt hangs when it is loaded first (PyAV-Org/PyAV#1050)."""
    code = f"import sys, {module}; names = list(sys.modules); assert names.index('cv2') < names.index('av')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
