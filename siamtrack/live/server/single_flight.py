"""Actions that a page may do only once at a time."""

from __future__ import annotations

from types import TracebackType

from siamtrack.errors import UsageError


class BusyError(UsageError):
    """Something that is being done already."""


class SingleFlight:
    """Held by one at a time; whoever comes meanwhile is refused, not kept waiting. A context manager.

    Args:
        busy: what is told then.
    """

    def __init__(self, busy: str) -> None:
        self._busy = busy
        self._taken = False

    def __enter__(self) -> None:
        if self._taken:
            raise BusyError(self._busy)
        self._taken = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._taken = False
