"""One thread that works for many, each in turn."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from siamtrack.errors import UsageError
from siamtrack.system.signals import join_thread

Result = TypeVar("Result")

MAX_WAITING = 2
"""Jobs of one owner that wait: a frame and a command."""


class Worker:
    """Does jobs one after the other on a thread of its own; a context manager.

    Owners take turns: whoever was served goes to the end of the row, so that each of N busy ones gets every Nth job
    done, however many it has handed in. Jobs of one owner keep their order.
    """

    def __init__(self) -> None:
        self._rows: OrderedDict[Hashable, deque[tuple[Future[Any], Callable[[], Any]]]] = OrderedDict()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._work, name="siamtrack-worker", daemon=True)
        self._thread.start()

    def submit(self, owner: Hashable, job: Callable[[], Result]) -> Future[Result]:
        """Have a job done when its owner's turn comes.

        Raises:
            UsageError: when `MAX_WAITING` jobs of this owner wait already, or the worker is closed.
        """
        future: Future[Result] = Future()
        with self._changed:
            if self._closed:
                raise UsageError("the server is stopping: nothing more is done")
            row = self._rows.setdefault(owner, deque())
            if len(row) >= MAX_WAITING:
                raise UsageError(f"{MAX_WAITING} jobs wait already: send the next one after an answer")
            row.append((future, job))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Finish the job at hand, drop those that wait, and end the thread."""
        with self._changed:
            self._closed = True
            for row in self._rows.values():
                for future, _ in row:
                    future.cancel()
            self._changed.notify()
        join_thread(self._thread)

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            future, job = taken
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001  # raised again where the result is asked for
                future.set_exception(error)
            del taken, future, job  # they hold a frame

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._rows or self._closed)
            if self._closed:
                return None
            owner, row = self._rows.popitem(last=False)
            taken = row.popleft()
            if row:
                self._rows[owner] = row
            return taken

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
