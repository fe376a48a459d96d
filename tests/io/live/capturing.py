"""Captures that do what a test says, one step after the other."""

from __future__ import annotations

import threading
from fractions import Fraction
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray
from rendering import numbered

from siamtrack.io.live.capture import Capture

PATIENCE = 20.0
"""Seconds until something that should have happened is given up."""

Step = int | None | BaseException
"""What a reading gives: the picture of a number, none, or an error."""


class Scripted(Capture):
    """Gives what it is fed and waits for more; says when it has given all of it."""

    def __init__(self, *steps: Step) -> None:
        self.rate = Fraction(30)
        self.closed = threading.Event()
        self._steps: SimpleQueue[Step] = SimpleQueue()
        self._changed = threading.Condition()
        self._fed = self._asked = 0
        for step in steps:
            self._put(step)

    def _put(self, step: Step) -> None:
        self._fed += 1
        self._steps.put(step)

    def feed(self, *steps: Step) -> None:
        """Have these given, and wait until whoever reads has dealt with them and asks for more."""
        for step in steps:
            self._put(step)
        with self._changed:
            assert self._changed.wait_for(lambda: self._asked > self._fed, PATIENCE)

    def read(self) -> NDArray[np.uint8] | None:
        with self._changed:
            self._asked += 1
            self._changed.notify_all()
        step = self._steps.get()
        if isinstance(step, BaseException):
            raise step
        return None if step is None else numbered(step)

    def interrupt(self) -> None:
        self._put(None)

    def close(self) -> None:
        self.closed.set()


class Stubborn(Scripted):
    """Cannot be interrupted."""

    def interrupt(self) -> None:
        pass


def live_threads() -> list[threading.Thread]:
    """The threads that read live sources at present."""
    return [thread for thread in threading.enumerate() if thread.name == "siamtrack-live"]
