"""Events of the mouse in a window, as values. Nothing here knows a window.

Positions are in pixels of the frame that the window shows, 0-based and continuous.
"""

from __future__ import annotations

from dataclasses import dataclass

from siamtrack.boxes import Box


@dataclass(frozen=True, slots=True)
class Press:
    """The mouse button goes down."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Move:
    """The mouse moves, with the button down or up."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Release:
    """The mouse button goes up."""

    x: float
    y: float


def box_between(one: tuple[float, float], other: tuple[float, float]) -> Box:
    """Return the box that has these two points as opposite corners."""
    return Box(min(one[0], other[0]), min(one[1], other[1]), abs(one[0] - other[0]), abs(one[1] - other[1]))
