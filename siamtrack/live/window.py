"""The window to follow objects in: it shows scenes, and turns keys and the mouse into events of a session."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import cv2

from siamtrack.boxes import Image
from siamtrack.io.mouse import Move, Press, Release
from siamtrack.io.window import enlargement, is_open, key_of, listen_to_mouse, open_window
from siamtrack.live.overlay import KEYS, Scene, draw_scene
from siamtrack.live.session import Command, Event, Select

_BY_KEY = {key: command for command, keys in KEYS.items() for key in keys}


def event_of(code: int) -> Command | Select | None:
    """Return the event of a code of `cv2.waitKeyEx`; None where it is no key or one without a meaning."""
    key = key_of(code)
    if key is None:
        return None
    return Select(int(key)) if key in "123456789" else _BY_KEY.get(key)


class WebcamWindow:
    """A window that opens with the first picture; a context manager.

    Args:
        title: of the window.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._mouse: list[Event] = []
        self._shown: Image | None = None

    def show(self, image: Image, scene: Scene) -> None:
        """Show a scene over a frame, `(H, W, 3)` uint8 BGR."""
        picture = draw_scene(image, scene)
        if self._shown is None:
            open_window(self._title, picture)
            listen_to_mouse(self._title, self._hear, self._place)
        self._shown = image
        cv2.imshow(self._title, picture)

    def events(self, wait: float) -> list[Event]:
        """Return the events since the last call; wait up to this many seconds for a key."""
        if self._shown is None:
            return []
        event = event_of(cv2.waitKeyEx(max(1, round(1000 * wait))))
        if not is_open(self._title):
            event = Command.LEAVE
        heard = [*self._mouse, *([event] if event else [])]
        self._mouse.clear()
        return heard

    def _hear(self, event: Press | Move | Release) -> None:
        self._mouse.append(event)

    def _place(self, x: int, y: int) -> tuple[float, float]:
        """Return the point of the frame; a drag that leaves the window ends at the border."""
        if self._shown is None:
            return 0.0, 0.0
        height, width = self._shown.shape[:2]
        zoom = enlargement(self._shown)
        return min(max(x / zoom, 0.0), float(width)), min(max(y / zoom, 0.0), float(height))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown is not None:
            cv2.destroyWindow(self._title)
