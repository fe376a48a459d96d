"""A computer screen that is played by a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

NO_KEY = -1

Step = int | tuple[int, float, float]
"""A key, or a mouse event with its place in pixels of the frame."""


@dataclass
class Screen:
    """In place of the screen functions of `cv2`; everything else is its own."""

    steps: list[Step]
    """What the user does, one a wait; then the window is closed."""
    zoom: int = 2
    """Of the frames."""
    shown: list[NDArray[np.uint8]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    listen: Callable[..., None] | None = None
    closed: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(cv2, name)

    def namedWindow(self, title: str, flags: int) -> None:  # noqa: N802
        self.open.append(title)

    def resizeWindow(self, title: str, width: int, height: int) -> None:  # noqa: N802
        assert title in self.open

    def setMouseCallback(self, title: str, listen: Callable[..., None]) -> None:  # noqa: N802
        assert title in self.open
        self.listen = listen

    def imshow(self, title: str, image: NDArray[np.uint8]) -> None:
        assert title in self.open
        self.shown.append(image)

    def waitKeyEx(self, delay: int) -> int:  # noqa: N802
        assert delay > 0  # 0 would wait for ever
        if not self.steps:
            self.closed = True
            return NO_KEY
        step = self.steps.pop(0)
        if isinstance(step, int):
            return step
        assert self.listen is not None
        self.listen(step[0], round(step[1] * self.zoom), round(step[2] * self.zoom), 0, None)
        return NO_KEY

    def getWindowProperty(self, title: str, which: int) -> float:  # noqa: N802
        return 0.0 if self.closed else 1.0

    def destroyWindow(self, title: str) -> None:  # noqa: N802
        self.open.remove(title)


def drag(begin: tuple[float, float], end: tuple[float, float]) -> list[Step]:
    """The button goes down, the mouse moves, and the button goes up."""
    return [(cv2.EVENT_LBUTTONDOWN, *begin), (cv2.EVENT_MOUSEMOVE, *end), (cv2.EVENT_LBUTTONUP, *end)]
