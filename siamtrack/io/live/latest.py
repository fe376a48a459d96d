"""The newest picture of a camera or a stream, whoever asks, and however seldom."""

from __future__ import annotations

import logging
import time
from threading import Condition, Event, Thread

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import SourceError
from siamtrack.io.frames import SourceInfo
from siamtrack.io.live.base import LiveFrame, LiveSource
from siamtrack.io.live.capture import Capture
from siamtrack.system.signals import join_thread

logger = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds that closing waits for a driver or a network that does not let go."""
WAKE = 1.0
"""Seconds after which a wait without end begins anew: on Windows, Ctrl-C is heard only between two waits."""


class LatestFrames(LiveSource):
    """Reads a capture on a thread of its own and keeps its newest picture; made by `open_live`.

    Every picture is either given out, once, or counted as dropped when the next one comes first. The capture is closed
    by the thread, when it ends, so that nobody reads what is closed.

    Args:
        name: what the source is called.
        capture: what to read; its first picture is awaited here.

    Raises:
        SourceError: when it has none.
    """

    is_file = False

    def __init__(self, name: str, capture: Capture) -> None:
        self._capture = capture
        self._changed = Condition()
        self._newest: LiveFrame | None = None
        self._captured = 0
        self._over = False
        self._error: BaseException | None = None
        self._stop = Event()
        self.dropped = 0
        self.notice: str | None = None
        self.ended: str | None = None
        try:
            while (first := capture.read()) is None:
                pass
        except BaseException:
            capture.close()
            raise
        self._began = time.monotonic()
        self._offer(first, self._began)
        self.info = SourceInfo(name, first.shape[1], first.shape[0], capture.rate, None, ())
        # A daemon: one that was never closed must not keep the process alive.
        self._thread = Thread(target=self._run, name="siamtrack-live", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            while not self._stop.is_set():
                image = self._capture.read()
                self.notice = self._capture.notice
                if image is not None:
                    self._offer(image, time.monotonic())
        except SourceError as gone:
            if not self._stop.is_set():
                self.ended = str(gone)
                logger.warning("%s", self.ended)
        except BaseException as caught:  # noqa: BLE001  # raised again where the frame is asked for
            error = caught
        finally:
            self._capture.close()
            self._end(error)

    def _offer(self, image: NDArray[np.uint8], captured: float) -> None:
        with self._changed:
            if self._stop.is_set():
                return  # what a driver lets go of after it was closed
            if self._newest is not None:
                self.dropped += 1
            self._newest = LiveFrame(self._captured, captured - self._began, image, captured)
            self._captured += 1
            self._changed.notify_all()

    def _end(self, error: BaseException | None) -> None:
        with self._changed:
            self.notice, self._error, self._over = None, error, True
            self._changed.notify_all()

    def poll(self, timeout: float) -> LiveFrame | None:
        """See `LiveSource`; the last picture is given out even after the source has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._over, timeout)
            frame, self._newest = self._newest, None
            if frame is not None:
                return frame
            if not self._over:
                return None
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def __next__(self) -> LiveFrame:
        while (frame := self.poll(WAKE)) is None:
            pass
        return frame

    def close(self) -> None:
        """See `LiveSource`; returns after two seconds at most.

        A driver or a network that is waited for cannot be stopped: the thread ends by itself then, and releases what
        it reads, when its time-out falls due.
        """
        with self._changed:
            self._stop.set()
            self._newest, self._over = None, True
            self._changed.notify_all()
        self._capture.interrupt()
        join_thread(self._thread, PATIENCE)
        if self._thread.is_alive():
            logger.debug("%s is waited for still, and is released when that ends", self.info.name)
