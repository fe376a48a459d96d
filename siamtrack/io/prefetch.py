"""Reading on a thread of its own, some items ahead of whoever uses them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

from siamtrack.system.signals import join_thread

Item = TypeVar("Item")

ITEMS_AHEAD = 4
"""Frames that wait by default: enough to level out frames that decode slowly, 24 MB at 1080p."""


@dataclass(frozen=True, slots=True)
class _End:
    """Mark after the last item."""

    error: BaseException | None


class Prefetcher(Iterator[Item], Generic[Item]):
    """The items of an iterator in their order, taken from it on a thread of its own; a context manager.

    At most `ahead` items wait, with one more in the making, so that memory stays bounded. An error of the iterator
    comes once, as it is, where the item would have come; the iteration is over then. The iterator belongs to the thread
    until the block is left, and may be closed after that: the thread has ended then, whatever ended the block, after
    the item that it was taking.

    Args:
        items: what to read, a `Source` for example; it is not closed.
        ahead: items that may wait, at least 1.
    """

    def __init__(self, items: Iterator[Item], ahead: int = ITEMS_AHEAD) -> None:
        self._items = items
        self._waiting: Queue[Item | _End] = Queue(ahead)
        self._stop = Event()
        self._over = False
        # A daemon: one that was never closed must not keep the process alive.
        self._thread = Thread(target=self._read, name="siamtrack-read", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                self._waiting.put(item)
                if self._stop.is_set():
                    return
        except BaseException as caught:  # noqa: BLE001  # raised again where the item is asked for
            error = caught
        self._waiting.put(_End(error))

    def __next__(self) -> Item:
        if self._over:
            raise StopIteration
        item = self._waiting.get()
        if not isinstance(item, _End):
            return item
        self._over = True
        if item.error is not None:
            raise item.error
        raise StopIteration

    def close(self) -> None:
        """End the thread; what waits is dropped, an error that was not asked for too, and the iteration is over."""
        self._over = True
        self._stop.set()
        # The thread puts at most one thing more, for which there is room then.
        try:
            while True:
                self._waiting.get_nowait()
        except Empty:
            pass
        join_thread(self._thread)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
