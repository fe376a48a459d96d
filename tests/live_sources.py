"""Live sources made of pictures that are there already."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction

from siamtrack.boxes import Image
from siamtrack.io.frames import SourceInfo
from siamtrack.io.live.base import LiveFrame, LiveSource


class Pictures(LiveSource):
    """Gives pictures one after the other, each when it is asked for.

    Args:
        images: the pictures.
        times: of each, in seconds; None: as the rate says.
        rate: that the source claims.
        is_file: whether it says that it is one.
    """

    def __init__(
        self,
        images: Sequence[Image],
        times: Sequence[float] | None = None,
        *,
        rate: Fraction = Fraction(25),
        is_file: bool = True,
        name: str = "pictures",
    ) -> None:
        height, width = images[0].shape[:2] if images else (48, 64)
        self.info = SourceInfo(name, width, height, rate, len(images) if is_file else None, ())
        self.is_file = is_file
        self.dropped = 0
        self.notice: str | None = None
        self.ended: str | None = None
        self.closed = False
        self.asked = 0
        """Frames that were given."""
        self._images = images
        self._times = times or [index / float(rate) for index in range(len(images))]

    def poll(self, timeout: float) -> LiveFrame | None:
        return next(self)

    def __next__(self) -> LiveFrame:
        if self.closed or self.asked == len(self._images):
            raise StopIteration
        index, self.asked = self.asked, self.asked + 1
        return LiveFrame(index, self._times[index], self._images[index], time.monotonic())

    def close(self) -> None:
        self.closed = True


class Camera(Pictures):
    """Gives the newest picture by the clock, as a camera does, and leaves out those that nobody asked for in time."""

    def __init__(self, images: Sequence[Image], rate: Fraction = Fraction(30)) -> None:
        super().__init__(images, rate=rate, is_file=False, name="camera")
        self._began: float | None = None

    def poll(self, timeout: float) -> LiveFrame | None:
        now = time.monotonic()
        if self._began is None:
            self._began = now
        newest = int((now - self._began) * self.info.rate)
        if newest < self.asked:  # the last that was given
            due = self._began + self.asked / float(self.info.rate)
            time.sleep(min(timeout, max(0.0, due - now)))
            if due > now + timeout:
                return None
            newest = self.asked
        if self.closed or newest >= len(self._images):
            raise StopIteration
        self.dropped += newest - self.asked
        self.asked = newest + 1
        seconds = newest / float(self.info.rate)
        return LiveFrame(newest, seconds, self._images[newest], self._began + seconds)

    def __next__(self) -> LiveFrame:
        while (frame := self.poll(1.0)) is None:
            pass
        return frame
