"""Base of all sources of frames: the frames, what is known beforehand, and the iteration."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import UsageError

logger = logging.getLogger(__name__)

DEFAULT_RATE = Fraction(30)
"""Frames per second of image folders, and of videos that do not say."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a source."""

    index: int
    """Index in the source (0-based), counted over decoded and failed frames."""
    time: float
    """Seconds since the start of the source."""
    image: NDArray[np.uint8] | None
    """`(H, W, 3)` uint8 BGR, upright; None when this frame could not be decoded."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """Facts about a source that are known before it is read."""

    name: str
    """The path or glob as it was given."""
    width: int
    """Width of the first decoded frame in pixels, upright; later frames of an image folder may differ."""
    height: int
    """Height of the first decoded frame in pixels, upright."""
    rate: Fraction
    """Frames per second, exact (30000/1001 stays that); the average for a variable rate."""
    count: int | None
    """Frames in the whole source, `start` and `end` left aside, as its header says; None when it does not say."""
    files: tuple[Path, ...]
    """Every file that is read: an output must be none of them."""


@dataclass(slots=True)
class Failures:
    """Frames that could not be decoded: how many, and the first, for one line at the end."""

    count: int = 0
    first: int = -1

    def add(self, index: int) -> None:
        """Count a frame."""
        if not self.count:
            self.first = index
        self.count += 1


class Source(ABC, Iterator[Frame]):
    """An iterator over `Frame` and a context manager; made by `open_source`. Memory does not grow with the length."""

    info: SourceInfo
    warnings: list[str]
    """Faults that did not stop the reading; complete when the iteration has ended."""
    seconds: float
    """Spent on reading and decoding so far, added up over the threads that do it; FFmpeg's own are not seen."""

    def __init__(self, start: int, end: int | None) -> None:
        self.warnings = []
        self.seconds = 0.0
        self._start = start
        self._end = end
        self._frames: Iterator[Frame] = iter(())

    def _peek(self, frames: Iterator[Frame]) -> NDArray[np.uint8] | None:
        """Read up to the first frame that decodes, to be delivered later, and return its image."""
        read: list[Frame] = []  # all but the last hold no pixels
        self._frames = chain(read, frames)
        for frame in frames:
            read.append(frame)
            if frame.image is not None:
                return frame.image
        return None

    def _clocked(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Yield the same frames; what it takes to get them counts."""
        while True:
            began = time.perf_counter()
            frame = next(frames, None)
            self.seconds += time.perf_counter() - began
            if frame is None:
                return
            yield frame

    @property
    def expected(self) -> int | None:
        """Frames between `start` and `end`, for a progress bar; None when the source does not say its length."""
        stop = self._end if self.info.count is None else min(self._end or self.info.count, self.info.count)
        return None if stop is None else max(stop - self._start, 0)

    def __next__(self) -> Frame:
        return next(self._frames)

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the images, `(H, W, 3)` uint8 BGR, of the frames that can be decoded; the others are left out."""
        return (frame.image for frame in self if frame.image is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Release the files; the iteration is over then."""

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        logger.debug("%s", message)

    def _warn_failed(self, failed: Failures, name: str) -> None:
        if failed.count:
            count = "1 frame" if failed.count == 1 else f"{failed.count} frames"
            self._warn(f"{name}: {count} could not be decoded, the first is frame {failed.first}")


def beyond(name: str, start: int, count: int) -> UsageError:
    """Return the error for a source that ends before the first frame that is asked for."""
    frames = "1 frame" if count == 1 else f"{count} frames"
    return UsageError(f"start {start} is beyond the end: '{name}' has {frames}")
