"""How work on the frames of a video tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

Advance = Callable[[int, float], None]
"""Called after every frame with the number of frames done and the frames per second so far."""
Progress = Callable[[int | None], AbstractContextManager[Advance]]
"""Opened with the number of frames, where it is known."""
