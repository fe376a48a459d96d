"""Annotated video of a constant rate: the clocks that place frames in it, and the threads that draw and encode it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from siamtrack.boxes import Image
from siamtrack.io.background_writer import BackgroundWriter
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.system.stage_clock import StageClock

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from av.video.frame import VideoFrame

CONVERTED_FRAMES = 1
"""Converted frames that may wait for the encoder. One is enough to draw the next one meanwhile."""
MAX_DELAY = 0.5
"""Seconds that the clock waits for a late frame. After that, the picture before it takes its place."""
PAGE_RATE = Fraction(20)
"""Frames per second of a video whose frames come from a page or a camera of the server."""
MAX_GAP = 1.0
"""Longest time in seconds without a frame, as in a pause, that `ElapsedClock` shows."""


class AnnotatedVideo:
    """Video that is drawn and converted on one thread and encoded on another. A context manager.

    At the end of the block all pictures are encoded and both threads have ended.

    Args:
        encoder: open until after the block.
        stages: clock that adds up the seconds of the stages `convert` and `encode`.
    """

    def __init__(self, encoder: VideoEncoder, stages: StageClock | None = None) -> None:
        self._encoder = encoder
        self._stages = stages
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack as stack:
            self._converted = stack.enter_context(BackgroundWriter(self._encode, CONVERTED_FRAMES))
            self._pictures = stack.enter_context(BackgroundWriter(self._convert))
            self._stack = stack.pop_all()
        return self

    def put(self, draw: Callable[[], Image], places: int = 1) -> None:
        """Append a picture.

        Args:
            draw: returns the picture, `(H, W, 3)` uint8 BGR. The drawing thread calls it.
            places: number of frames of the video that show it.

        Raises:
            OutputError: when an earlier picture could not be written.
        """
        self._pictures.put((draw, places))

    def _convert(self, item: tuple[Callable[[], Image], int]) -> None:
        draw, places = item
        picture = draw()
        for _ in range(places):
            with self._measure("convert"):
                converted = self._encoder.convert(picture)
            self._converted.put(converted)

    def _encode(self, converted: VideoFrame) -> None:
        with self._measure("encode"):
            self._encoder.encode(converted)

    def _measure(self, stage: str) -> AbstractContextManager[None]:
        return nullcontext() if self._stages is None else self._stages.measure(stage)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


class ConstantRateClock:
    """Places of irregular frames in a video of constant rate, where a picture stays until the next one comes.

    A frame takes the next place as long as that is less than a frame off its time, so that the jitter of a camera is
    not seen. Otherwise it takes the place nearest to its time. So the video is never a whole frame off where frames
    come often enough. The picture before a gap fills it, and surplus frames are left out.

    Args:
        rate: frames per second of the video.
    """

    def __init__(self, rate: Fraction) -> None:
        self._rate = float(rate)
        self._origin: float | None = None
        self._place = -1
        """Place of the last frame."""
        self.filled = 0
        """Number of places that are taken for good."""

    def begin(self, time: float) -> int:
        """Return the number of places that the picture before takes, when a frame at `time`, in seconds, follows it.

        A picture that has got no place by then is left out.
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

    def wait(self, time: float) -> int:
        """Return the number of places that the last picture takes by now, when no frame came up to `time`."""
        return 0 if self._origin is None else self._fill(int((time - self._origin - MAX_DELAY) * self._rate))

    def end(self) -> int:
        """Return the number of places that the last picture still takes at the end, so that it has one."""
        return self._fill(self._place + 1)

    def _fill(self, end: int) -> int:
        count = max(0, end - self.filled)
        self.filled += count
        return count


class FrameClock(Protocol):
    """Number of places of each frame in a video of constant rate, known as soon as the frame is."""

    rate: Fraction

    def places(self, time: float) -> int:
        """Return the number of places of the frame at this time, in seconds."""


class EveryFrame:
    """Clock of a video file: every frame has one place."""

    def __init__(self, rate: Fraction) -> None:
        self.rate = rate

    def places(self, time: float) -> int:
        """See `FrameClock`."""
        return 1


class ElapsedClock:
    """Clock of live frames, at `PAGE_RATE`: a frame fills the time since the one before, up to `MAX_GAP`.

    Unlike `ConstantRateClock`, it never changes a place later, and a pause is cut short.
    """

    def __init__(self) -> None:
        self.rate = PAGE_RATE
        self._last: float | None = None
        self._elapsed = 0.0
        self._filled = 0

    def places(self, time: float) -> int:
        """See `FrameClock`."""
        if self._last is not None:
            self._elapsed += min(max(time - self._last, 0.0), MAX_GAP)
        self._last = time
        count = int(self._elapsed * self.rate) + 1 - self._filled
        self._filled += count
        return count
