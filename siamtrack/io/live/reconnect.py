"""A stream that is opened again when it is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import SourceError
from siamtrack.io.live.capture import Capture

logger = logging.getLogger(__name__)

FIRST_WAIT = 0.5
"""Seconds before the first try; it doubles with each that is in vain."""
LONGEST_WAIT = 10.0
"""Seconds between two tries at most."""


def wait_before(tries: int) -> float:
    """Seconds to wait after so many tries in vain: 0.5, 1, 2, ... 10."""
    return min(FIRST_WAIT * 2.0 ** min(tries, 60), LONGEST_WAIT)  # no overflow, however often it is tried


class ReconnectingCapture(Capture):
    """A capture that is opened again when it ends, with more and more time between the tries.

    Args:
        capture: the first one, open; it is closed here, as those that follow it are. It is not opened again before its
            first picture: that it shows one says that the address is right.
        reopen: opens another; raises `SourceError` when that fails.
        tries: how often it is tried in a row without a picture.
    """

    def __init__(self, capture: Capture, reopen: Callable[[], Capture], tries: int) -> None:
        self.rate = capture.rate
        self._capture: Capture | None = capture
        self._reopen, self._tries = reopen, tries
        self._shown = False
        self._vain = 0
        self._wait = 0.0
        self._interrupted = Event()

    def read(self) -> NDArray[np.uint8] | None:
        """See `Capture`; None after each step of opening it again, with `notice` set."""
        try:
            if self._capture is None:
                if not self._interrupted.wait(self._wait):
                    self._capture = self._reopen()
                return None
            image = self._capture.read()
        except SourceError as error:
            if not self._shown:
                raise
            self._plan(str(error))
            return None
        self._shown = self._shown or image is not None
        if self.notice is not None and image is not None:
            logger.info("the pictures are back after %s", _times(self._vain))
            self.notice, self._vain = None, 0
        return image

    def _plan(self, reason: str) -> None:
        self.close()
        if self._vain >= self._tries:
            raise SourceError(f"{reason}; given up after {_times(self._vain)} to open it again")
        self._wait = wait_before(self._vain)
        self._vain += 1
        self.notice = f"{reason}; opening it again in {self._wait:g} s (try {self._vain} of {self._tries})"
        logger.warning("%s", self.notice)

    def interrupt(self) -> None:
        """See `Capture`; waiting ends at once, a try that is under way at its time-out."""
        self._interrupted.set()
        capture = self._capture
        if capture is not None:
            capture.interrupt()

    def close(self) -> None:
        """Close the one that is open, if any."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.close()


def _times(tries: int) -> str:
    return "1 try" if tries == 1 else f"{tries} tries"
