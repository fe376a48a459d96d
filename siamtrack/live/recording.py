"""A video at a constant rate of frames that come irregularly: it plays as fast as things happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

from siamtrack.boxes import Image
from siamtrack.io.background_writer import BackgroundWriter
from siamtrack.io.frames import SourceInfo
from siamtrack.io.video.sink import VideoEncoder

Draw = Callable[[], Image]
"""Makes a picture, `(H, W, 3)` uint8 BGR, on the thread that encodes it."""

LAG = 0.5
"""Seconds after which a picture that should have come is not waited for: its place is given to the one before it."""


class Timeline:
    """Places in a video of constant rate for frames that come irregularly.

    A frame takes the next place as long as that is less than a frame off its time, so that the jitter of a camera is
    not seen; otherwise the nearest place to its time. So the video is never a whole frame off where frames come often
    enough, gaps are filled by what was shown before them, and what is too much is left out.

    Args:
        rate: frames per second of the video.
    """

    def __init__(self, rate: Fraction) -> None:
        self._rate = float(rate)
        self._origin: float | None = None
        self._place = -1
        """Place of the last frame."""
        self.filled = 0
        """Places that are taken for good."""

    def begin(self, time: float) -> int:
        """Another frame is shown from `time`, in seconds, on: for how many places the one before it is kept.

        With 0 of these for a frame that has no place yet, it is left out.
        """
        if self._origin is None:
            self._origin = time
        ideal = (time - self._origin) * self._rate
        following = max(self._place + 1, self.filled)
        if abs(ideal - following) < 1:
            self._place = following
        else:
            self._place = max(round(ideal), self._place, self.filled)
        return self._fill(self._place)

    def reach(self, time: float) -> int:
        """No frame came up to `time`: for how many places the last one is kept by now."""
        return 0 if self._origin is None else self._fill(int((time - self._origin - LAG) * self._rate))

    def end(self) -> int:
        """Nothing comes any more: for how many places the last one is kept, so that it has one."""
        return self._fill(self._place + 1)

    def _fill(self, end: int) -> int:
        count = max(0, end - self.filled)
        self.filled += count
        return count


class Stretch(NamedTuple):
    """A picture and the number of places that it fills."""

    draw: Draw
    places: int


class Recording:
    """An annotated video, each frame of which is placed by its time (see `Timeline`); made by `record`."""

    def __init__(self, rate: Fraction, put: Callable[[Stretch], None]) -> None:
        self._timeline = Timeline(rate)
        self._put = put
        self._draw: Draw | None = None

    def show(self, time: float, draw: Draw) -> None:
        """Show a picture from this time of the source, in seconds, on.

        Raises:
            OutputError: when an earlier one could not be written.
        """
        self._keep(self._timeline.begin(time))
        self._draw = cache(draw)

    def amend(self, draw: Draw) -> None:
        """Show another picture in place of the last, as far as that has not been written."""
        self._draw = cache(draw)

    def reach(self, time: float) -> None:
        """Say that nothing new was seen up to this time of the source, in seconds.

        Raises:
            OutputError: when an earlier one could not be written.
        """
        self._keep(self._timeline.reach(time))

    def end(self) -> None:
        """Give the last picture its place.

        Raises:
            OutputError: when an earlier one could not be written.
        """
        self._keep(self._timeline.end())

    def _keep(self, count: int) -> None:
        if self._draw is not None and count:
            self._put(Stretch(self._draw, count))


@contextmanager
def record(path: Path, info: SourceInfo) -> Iterator[Recording]:
    """Record a video, drawn and encoded on a thread of its own. Whatever ends the block, it is finished and plays.

    Args:
        path: file to write, see `VideoEncoder`.
        info: of the source: the size of the frames and the rate of the video.

    Raises:
        UsageError: for an extension that is no video's.
        OutputError: when the file cannot be written.
    """
    with VideoEncoder(path, info.width, info.height, info.rate) as sink:

        def write(stretch: Stretch) -> None:
            picture = stretch.draw()
            for _ in range(stretch.places):
                sink.write(picture)

        with BackgroundWriter(write) as behind:
            recording = Recording(info.rate, behind.put)
            try:
                yield recording
            finally:
                recording.end()
