"""Writing on a thread of its own, behind whoever hands it the work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Semaphore, Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

from siamtrack.system.signals import join_thread

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

ITEMS_BEHIND = 4
"""Frames that wait by default: enough to level out frames that encode slowly, 24 MB at 1080p."""


class _End:
    """Mark after the last item."""


class BackgroundWriter(Generic[Item]):
    """Calls a function with one item after the other, in their order, on a thread of its own; a context manager.

    `put` does not wait while fewer than `behind` items do. A function that is slower for ever does slow down the
    caller in the end, because memory is bounded. When the block is left, for whatever reason, everything that was put
    is written first and the thread has ended.

    An error of the function is raised once, as it is, by the next `put` or at the end of the block, unless the block
    ends with an error of its own. Nothing is written after it.

    Args:
        write: what to do with an item.
        behind: items that may wait, at least 1.
    """

    def __init__(self, write: Callable[[Item], None], behind: int = ITEMS_BEHIND) -> None:
        self._write = write
        self._waiting: SimpleQueue[Item | _End] = SimpleQueue()
        self._room = Semaphore(behind)
        self._failed = False
        self._error: BaseException | None = None
        # A daemon: one that was never closed must not keep the process alive.
        self._thread = Thread(target=self._work, name="siamtrack-write", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not isinstance(item := self._waiting.get(), _End):
            self._room.release()
            if self._failed:
                continue  # taken all the same: `put` must find room
            try:
                self._write(item)
            except BaseException as error:  # noqa: BLE001  # raised again in the caller's thread
                self._failed, self._error = True, error

    def put(self, item: Item) -> None:
        """Have an item written; waits only when `behind` items do.

        Raises:
            Exception: what writing an earlier item raised, the first time; after that, items are dropped.
        """
        self._tell()
        self._room.acquire()
        self._waiting.put(item)

    def close(self) -> None:
        """Write what waits and end the thread.

        Raises:
            Exception: what writing raised, unless it was raised before.
        """
        self._finish()
        self._tell()

    def _finish(self) -> None:
        self._waiting.put(_End())  # never waits, so that nothing can come between it and the end of the thread
        join_thread(self._thread)

    def _tell(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        self._finish()
        if self._error is not None:
            logger.debug("while ending after %r: %r", error, self._error)
