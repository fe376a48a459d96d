"""A window on the screen: to draw boxes in, and to watch."""

from __future__ import annotations

import os
import subprocess
import sys
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.errors import UsageError

_PROBE = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"
_STOP_KEYS = (ord("q"), 27)
_LARGEST = (1280, 720)


def has_display() -> bool:
    """Whether a window can be opened here.

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
        return key not in _STOP_KEYS and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1

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
