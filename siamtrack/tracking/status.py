"""What a tracker says about a target in one frame."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """State of a target in a frame."""

    TRACKED = "tracked"
    """The box is where the target is."""
    UNCERTAIN = "uncertain"
    """The response is weak or ambiguous; the box is the best guess."""
    LOST = "lost"
    """The response does not show the target; the box is a guess, and the search goes on from it."""
    SKIPPED = "skipped"
    """The frame could not be decoded; there is no box."""
