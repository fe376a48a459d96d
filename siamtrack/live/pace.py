"""A file that is played at its own rate, as if it were a camera that waits."""

from __future__ import annotations

import time
from dataclasses import replace

from siamtrack.io.live.base import LiveFrame, LiveSource

WAKE = 1.0
"""Seconds after which a wait without end begins anew."""


class PacedFrames(LiveSource):
    """Gives each frame of a file when its time has come, and leaves none out.

    A frame counts as captured when it is due, or when it is asked for, if that is later: the clock of the file waits
    for whoever is slower, or makes a pause, and never runs faster to catch up.

    Args:
        source: a file; it is closed with this.
    """

    is_file = True

    def __init__(self, source: LiveSource) -> None:
        self.info = source.info
        self.dropped, self.notice, self.ended = source.dropped, source.notice, source.ended  # a file's stay as they are
        self._source = source
        self._next: LiveFrame | None = None
        self._began: float | None = None
        """`time.monotonic()` at which time 0 of the file was due."""

    def poll(self, timeout: float) -> LiveFrame | None:
        """Return the next frame; None when it is not due within `timeout` seconds.

        Raises:
            StopIteration: at the end.
        """
        if self._next is None:
            self._next = next(self._source)
        asked = time.monotonic()
        due = asked if self._began is None else self._began + self._next.time
        if due > asked + timeout:
            time.sleep(timeout)
            return None
        time.sleep(max(0.0, due - asked))
        captured = max(due, asked)
        self._began = captured - self._next.time
        frame, self._next = replace(self._next, captured=captured), None
        return frame

    def __next__(self) -> LiveFrame:
        while (frame := self.poll(WAKE)) is None:
            pass
        return frame

    def close(self) -> None:
        """See `LiveSource`."""
        self._source.close()
