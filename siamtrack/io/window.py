"""A window on the screen: to draw boxes in, and to watch."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.errors import UsageError
from siamtrack.io.mouse import Move, Press, Release

_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"
_STOP_KEYS = (ord("q"), 27)
_LARGEST = (1280, 720)
SHORTEST_SIDE = 480
"""Smaller frames are enlarged by a whole number, so that there is room for words."""

CODES: dict[str, tuple[int, ...]] = {
    "Left": (0xFF51, 0x250000, 0xF702),
    "Up": (0xFF52, 0x260000, 0xF700),
    "Right": (0xFF53, 0x270000, 0xF703),
    "Down": (0xFF54, 0x280000, 0xF701),
    "Page Up": (0xFF55, 0x210000, 0xF72C),
    "Page Down": (0xFF56, 0x220000, 0xF72D),
    "Home": (0xFF50, 0x240000, 0xF729),
    "End": (0xFF57, 0x230000, 0xF72B),
    "Delete": (0xFFFF, 0x2E0000, 0xF728),
    "F1": (0xFFBE, 0x700000, 0xF704),
    "Tab": (9, 0xFF09),
    "Enter": (10, 13, 0xFF0D),
    "Space": (32,),
    "Esc": (27, 0xFF1B),
}
"""Codes of `cv2.waitKeyEx` for a key: X11's keysym, Windows' virtual key in the high word, macOS' function key."""

_NAMES = {code: name for name, codes in CODES.items() for code in codes}


def has_display() -> bool:
    """Return whether a window can be opened here.

    Where there is a chance, another process tries: a GUI library that finds no screen ends its whole process, and no
    exception says so.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


def require_display(purpose: str, instead: str) -> None:
    """Check that a window can be opened here.

    Args:
        purpose: purpose of the window, for the error.
        instead: what to do without a display, for the error.

    Raises:
        UsageError: when there is no display.
    """
    if not has_display():
        raise UsageError(f"{purpose} needs a display, and there is none here: {instead}")


def select_boxes(image: NDArray[np.uint8], title: str) -> list[Box]:
    """Let the user draw a box around each target.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        title: title of the window.

    Raises:
        UsageError: when no box was drawn.
    """
    open_window(title, image)
    try:
        drawn = cv2.selectROIs(title, image, showCrosshair=False)
    finally:
        cv2.destroyWindow(title)
    boxes = [Box(*(float(value) for value in box)) for box in drawn]
    if not boxes:
        raise UsageError(
            "no box was drawn: drag one around the object and press Enter, then Esc; or give --box X,Y,W,H"
        )
    return boxes


class Window:
    """Shows frames while they are tracked.

    Args:
        title: title of the window.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._opened = False

    def show(self, image: NDArray[np.uint8]) -> bool:
        """Show a frame, `(H, W, 3)` uint8 BGR; false when the user asked to stop (q, Esc, or the window was closed)."""
        if not self._opened:
            open_window(self._title, image)
            self._opened = True
        cv2.imshow(self._title, image)
        key = cv2.waitKey(1) & 0xFF
        return key not in _STOP_KEYS and is_open(self._title)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened:
            cv2.destroyWindow(self._title)


def open_window(title: str, image: NDArray[np.uint8]) -> None:
    """Open a window in the shape of a picture `(H, W, C)`, and as large as that up to a screen."""
    height, width = image.shape[:2]
    shrink = min(1.0, _LARGEST[0] / width, _LARGEST[1] / height)
    # Without Qt's tool bar, the mouse is where the picture says.
    cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
    cv2.resizeWindow(title, round(width * shrink), round(height * shrink))


def is_open(title: str) -> bool:
    """Return whether a window is still there: the user may have closed it."""
    return cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1


def key_of(code: int) -> str | None:
    """Return the key that a code of `cv2.waitKeyEx` stands for: a name of `CODES`, or the letter itself.

    None where no key was pressed, or one that has neither. GTK adds bits for num lock and the like.
    """
    if code < 0:  # without its upper bits, that would be Delete
        return None
    for each in (code, code & 0xFFFF):
        if each in _NAMES:
            return _NAMES[each]
        if ord(" ") < each < 127:
            return chr(each)
    return None


def listen_to_mouse(
    title: str,
    tell: Callable[[Press | Move | Release], None],
    place: Callable[[int, int], tuple[float, float]],
) -> None:
    """Hear what the left button and the moves of the mouse do in a window.

    Args:
        title: of an open window.
        tell: called with each of them, while a key is waited for.
        place: turns a pixel of the picture that is shown into a point of the frame.
    """
    kinds: dict[int, type[Press | Move | Release]] = {
        cv2.EVENT_LBUTTONDOWN: Press,
        cv2.EVENT_MOUSEMOVE: Move,
        cv2.EVENT_LBUTTONUP: Release,
    }

    def listen(kind: int, x: int, y: int, flags: int, data: object) -> None:
        if kind in kinds:
            tell(kinds[kind](*place(x, y)))

    cv2.setMouseCallback(title, listen)


def enlargement(image: NDArray[np.uint8]) -> int:
    """Return how many times as large a frame, `(H, W, 3)`, is shown."""
    shorter: int = min(image.shape[:2])
    return max(1, math.ceil(SHORTEST_SIDE / shorter))
