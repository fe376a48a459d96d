"""The window, on a screen that is played by the test."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.errors import UsageError
from siamtrack.io import window
from siamtrack.io.window import Window, has_display, require_display, select_boxes

IMAGE = np.zeros((120, 160, 3), np.uint8)
NO_KEY = -1


@dataclass
class Screen:
    """In place of the module `cv2`, with what the window may call and nothing else."""

    WINDOW_NORMAL: int = cv2.WINDOW_NORMAL
    WINDOW_KEEPRATIO: int = cv2.WINDOW_KEEPRATIO
    WINDOW_GUI_NORMAL: int = cv2.WINDOW_GUI_NORMAL
    WND_PROP_VISIBLE: int = cv2.WND_PROP_VISIBLE
    key: int = NO_KEY
    """Pressed during the next `waitKey`."""
    visible: float = 1.0
    """0 or -1 once the user has closed the window; it depends on the GUI library."""
    drawn: object = ()
    """What `selectROIs` returns, or raises."""
    open: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    shown: list[NDArray[np.uint8]] = field(default_factory=list)

    def namedWindow(self, title: str, flags: int) -> None:  # noqa: N802
        assert flags & cv2.WINDOW_NORMAL == cv2.WINDOW_NORMAL
        self.open.append(title)

    def resizeWindow(self, title: str, width: int, height: int) -> None:  # noqa: N802
        assert title in self.open
        self.sizes.append((width, height))

    def imshow(self, title: str, image: NDArray[np.uint8]) -> None:
        assert title in self.open
        self.shown.append(image)

    def waitKey(self, delay: int) -> int:  # noqa: N802
        assert delay > 0  # 0 would wait for ever
        return self.key

    def getWindowProperty(self, title: str, which: int) -> float:  # noqa: N802
        assert title in self.open
        assert which == cv2.WND_PROP_VISIBLE
        return self.visible

    def selectROIs(self, title: str, image: NDArray[np.uint8], **_: object) -> object:  # noqa: N802
        assert title in self.open
        self.shown.append(image)
        if isinstance(self.drawn, BaseException):
            raise self.drawn
        return self.drawn

    def destroyWindow(self, title: str) -> None:  # noqa: N802
        self.open.remove(title)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    screen = Screen()
    monkeypatch.setattr(window, "cv2", screen)
    return screen


def test_drawn_boxes_come_out_in_their_order(screen: Screen) -> None:
    screen.drawn = np.array([[10, 20, 30, 40], [5, 6, 7, 8]], np.int32)
    boxes = select_boxes(IMAGE, "draw")
    assert boxes == [Box(10, 20, 30, 40), Box(5, 6, 7, 8)]
    assert all(isinstance(box, Box) and all(type(value) is float for value in box) for box in boxes)
    assert screen.shown[0] is IMAGE
    assert screen.open == []


@pytest.mark.parametrize("nothing", [(), np.empty((0, 4), np.int32)], ids=["as cv2 gives it", "an empty array"])
def test_a_selection_without_a_box_is_a_clear_error(screen: Screen, nothing: object) -> None:
    screen.drawn = nothing
    with pytest.raises(UsageError, match=r"no box was drawn: .*press Enter, then Esc; or give --box X,Y,W,H"):
        select_boxes(IMAGE, "draw")
    assert screen.open == []


def test_a_failed_selection_leaves_no_window_behind(screen: Screen) -> None:
    screen.drawn = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        select_boxes(IMAGE, "draw")
    assert screen.open == []


def test_frames_are_shown_in_one_window_until_the_end(screen: Screen) -> None:
    frames = [np.full((120, 160, 3), level, np.uint8) for level in (0, 100, 200)]
    with Window("watch") as watching:
        assert screen.open == []  # it opens with the first frame
        assert [watching.show(frame) for frame in frames] == [True] * 3
        assert screen.open == ["watch"]
    assert screen.open == []
    assert all(shown is frame for shown, frame in zip(screen.shown, frames, strict=True))


def test_a_window_without_frames_is_never_opened(screen: Screen) -> None:
    with Window("watch"):
        pass
    assert screen.sizes == []


def test_an_error_closes_the_window(screen: Screen) -> None:
    def fail() -> None:
        with Window("watch") as watching:
            watching.show(IMAGE)
            raise ValueError("from within")

    with pytest.raises(ValueError, match="from within"):
        fail()
    assert screen.open == []


@pytest.mark.parametrize(
    ("key", "goes_on"),
    [
        pytest.param(NO_KEY, True, id="no key"),
        pytest.param(ord("x"), True, id="another key"),
        pytest.param(ord("q"), False, id="q"),
        pytest.param(27, False, id="Esc"),
        pytest.param(ord("q") | 0x100000, False, id="q with num lock, as GTK reports it"),
    ],
)
def test_q_and_esc_stop(screen: Screen, key: int, goes_on: bool) -> None:
    with Window("watch") as watching:
        assert watching.show(IMAGE) is True
        screen.key = key
        assert watching.show(IMAGE) is goes_on


@pytest.mark.parametrize("visible", [0.0, -1.0])
def test_closing_the_window_stops(screen: Screen, visible: float) -> None:
    with Window("watch") as watching:
        assert watching.show(IMAGE) is True
        screen.visible = visible
        assert watching.show(IMAGE) is False


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((160, 120), (160, 120)),
        ((1280, 720), (1280, 720)),
        ((3840, 2160), (1280, 720)),
        ((2560, 720), (1280, 360)),
        ((1080, 1920), (405, 720)),
    ],
)
def test_the_window_is_as_large_as_the_picture_up_to_a_screen(
    screen: Screen, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    with Window("watch") as watching:
        watching.show(np.zeros((size[1], size[0], 3), np.uint8))
    assert screen.sizes == [expected]


@settings(deadline=None)
@given(st.integers(16, 8000), st.integers(16, 8000))
def test_every_window_fits_and_keeps_the_shape(width: int, height: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        screen = Screen(drawn=np.array([[0, 0, 8, 8]]))
        monkeypatch.setattr(window, "cv2", screen)
        select_boxes(np.broadcast_to(np.uint8(0), (height, width, 3)), "draw")
    (shown,) = screen.sizes
    assert shown[0] <= 1280
    assert shown[1] <= 720
    assert abs(shown[0] * height - shown[1] * width) <= max(width, height) / 2  # one side is rounded
    assert shown == (width, height) or shown[0] == 1280 or shown[1] == 720


@dataclass
class Probes:
    """In place of `subprocess.run`."""

    outcome: int | BaseException
    calls: list[list[str]] = field(default_factory=list)

    def run(self, command: list[str], *, timeout: float, **_: object) -> subprocess.CompletedProcess[bytes]:
        assert 0 < timeout <= 60
        self.calls.append(command)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return subprocess.CompletedProcess(command, self.outcome, b"", b"")


def set_displays(monkeypatch: pytest.MonkeyPatch, **displays: str) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in displays.items():
        monkeypatch.setenv(name, value)


def test_linux_without_a_display_has_none_and_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    set_displays(monkeypatch)
    monkeypatch.setattr("sys.platform", "linux")
    probes = Probes(0)
    monkeypatch.setattr("subprocess.run", probes.run)
    assert has_display() is False
    set_displays(monkeypatch, DISPLAY="")
    assert has_display() is False
    assert probes.calls == []


@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY"])
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        pytest.param(0, True, id="a window opens"),
        pytest.param(1, False, id="an exception"),
        pytest.param(-6, False, id="the library aborts"),
        pytest.param(subprocess.TimeoutExpired("python", 30), False, id="it hangs"),
    ],
)
def test_a_display_counts_when_another_process_could_open_a_window(
    monkeypatch: pytest.MonkeyPatch, name: str, outcome: int | BaseException, expected: bool
) -> None:
    set_displays(monkeypatch, **{name: ":0"})
    monkeypatch.setattr("sys.platform", "linux")
    probes = Probes(outcome)
    monkeypatch.setattr("subprocess.run", probes.run)
    assert has_display() is expected
    (command,) = probes.calls
    assert command[0] == sys.executable
    assert "namedWindow" in command[-1]


def test_systems_without_display_variables_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    set_displays(monkeypatch)
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("subprocess.run", Probes(0).run)
    assert has_display() is True


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a display by name is X11's")
def test_a_display_that_nobody_serves_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    set_displays(monkeypatch, DISPLAY=":4711")
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    assert has_display() is False  # and this process is still here to say so


def test_require_display_names_the_way_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siamtrack.io.window.has_display", lambda: False)
    with pytest.raises(UsageError, match=r"^the window needs a display, and there is none here: give --box$"):
        require_display("the window", "give --box")
    monkeypatch.setattr("siamtrack.io.window.has_display", lambda: True)
    require_display("the window", "give --box")
