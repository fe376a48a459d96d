"""What is said where a folder does not hold all sequences of its benchmark."""

from __future__ import annotations

from collections.abc import Collection

SHOWN = 12
"""Names that are given; with more missing, it is the folder that is another one."""


def note_missing(names: Collection[str], total: int, whole: str) -> tuple[str, ...]:
    """A note for the readers of figures, which are those of another benchmark then; none where nothing is missing.

    Args:
        names: of the sequences that are not there.
        total: how many there should be.
        whole: what they are part of.
    """
    if not names:
        return ()
    shown = sorted(names)[:SHOWN]
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (f"{len(names)} of {total} sequences of {whole} are missing: {', '.join(shown)}{rest}",)
