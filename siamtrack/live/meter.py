"""Meter of frames per second and of the time from capture to display."""

from __future__ import annotations

from collections import deque
from statistics import median

SPAN = 30
"""Frames that figures are taken over."""


class Meter:
    """Figures over the last `SPAN` frames."""

    def __init__(self) -> None:
        self._shown: deque[float] = deque(maxlen=SPAN)
        self._delays: deque[float] = deque(maxlen=SPAN)

    def add(self, captured: float, shown: float) -> None:
        """Count a frame, by the times in seconds at which it was captured and was there to see."""
        self._shown.append(shown)
        self._delays.append(shown - captured)

    def restart(self) -> None:
        """Forget everything, after a pause that says nothing about the speed."""
        self._shown.clear()
        self._delays.clear()

    @property
    def fps(self) -> float | None:
        """Frames per second; None before the second frame."""
        seconds = self._shown[-1] - self._shown[0] if self._shown else 0.0
        return (len(self._shown) - 1) / seconds if seconds > 0 else None

    @property
    def delay(self) -> float | None:
        """Median of the seconds from capture to display; None before the first frame."""
        return median(self._delays) if self._delays else None
