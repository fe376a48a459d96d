"""Ctrl-C as a wish to stop at a good point."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class StopSignal:
    """Turns the first Ctrl-C or SIGTERM into a request to stop after the work at hand; the second one interrupts."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def join_thread(thread: threading.Thread, seconds: float = math.inf) -> None:
    """Wait until a thread has ended, also through Ctrl-C: what the thread works on is closed next.

    Args:
        thread: has been started.
        seconds: how long to wait at most.

    Raises:
        KeyboardInterrupt: after that, when there was one.
    """
    interrupt: KeyboardInterrupt | None = None
    deadline = time.monotonic() + seconds
    while thread.is_alive() and (left := deadline - time.monotonic()) > 0:
        try:
            thread.join(left if math.isfinite(left) else None)
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes that are started in this block never hear Ctrl-C, from their first instruction on.

    A terminal sends it to all processes of a command; only the one that started the others is to act on it. Where the
    system has no signal masks (Windows), nothing changes.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
