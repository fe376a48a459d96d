"""Errors of siamtrack. Each message names the thing, its value and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class SiamTrackError(Exception):
    """Base of every error that siamtrack raises on purpose; the command line exits with `exit_code`."""

    exit_code = 1


class UsageError(SiamTrackError):
    """Request that makes no sense: a malformed argument, an unknown name, an impossible value."""

    exit_code = 2


class BoxError(UsageError):
    """A target box that cannot be tracked."""


class RecipeError(UsageError):
    """A training recipe with an unknown key or an impossible value."""


class SourceError(SiamTrackError):
    """Frames that cannot be read."""


class OutputError(SiamTrackError):
    """Results that cannot be written."""


class WeightsError(SiamTrackError):
    """A weights file that is corrupt, foreign or does not fit its network."""


class DataError(SiamTrackError):
    """Training data that is missing or unusable."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `, did you mean 'NEAREST'?`, or nothing where no known name is near."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f", did you mean '{nearest[0]}'?" if nearest else ""


def unknown_name(kind: str, name: str, known: Sequence[str]) -> str:
    """Return the message for an unknown name: it suggests the nearest known name and lists all of them."""
    return f"unknown {kind} '{name}'{did_you_mean(name, known)} (known: {', '.join(known) or 'none'})"
