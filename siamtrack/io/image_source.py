"""Image files as frames: a folder, a glob or one image, decoded ahead on several threads."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import SourceError
from siamtrack.io.frames import DEFAULT_RATE, Failures, Frame, Source, SourceInfo, beyond
from siamtrack.io.images import read_image
from siamtrack.system.machine import usable_cores

DECODERS = 4
"""Threads at most, where there are as many cores: together they decode more 1080p JPEGs than any tracker follows."""


class ImageSource(Source):
    """Image files as frames at `DEFAULT_RATE`; made by `open_source`.

    Each decoding thread has one image at work, and one more waits, so that memory stays bounded.
    """

    def __init__(self, name: str, files: list[Path], start: int, end: int | None, threads: int | None = None) -> None:
        super().__init__(start, end)
        if start >= len(files):
            raise beyond(name, start, len(files))
        self._files = files
        workers = threads or min(DECODERS, usable_cores())
        self._ahead = 0 if threads == 1 else workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="siamtrack-image")
        try:
            first = self._peek(self._read())
            if first is None:
                raise SourceError(
                    f"'{name}' has no readable image from '{files[start].name}' on: they are empty or damaged"
                )
        except BaseException:
            self.close()
            raise
        self.info = SourceInfo(name, first.shape[1], first.shape[0], DEFAULT_RATE, len(files), tuple(files))

    def close(self) -> None:
        """End the iteration and the decoding threads."""
        self._frames = iter(())
        self._pool.shutdown(cancel_futures=True)

    def _read(self) -> Iterator[Frame]:
        failed = Failures()
        for index, read in self._read_ahead(range(self._start, min(self._end or len(self._files), len(self._files)))):
            self.seconds += read.seconds
            if read.error is not None:
                self._warn(f"{self._files[index]}: {read.error.strerror or read.error}")
            if read.image is None:
                failed.add(index)
            yield Frame(index, float(index / DEFAULT_RATE), read.image)
        self._warn_failed(failed, str(self._files[0].parent))

    def _read_ahead(self, indices: range) -> Iterator[tuple[int, _Read]]:
        """Yield the results of reading the files, in their order."""
        waiting: deque[Future[_Read]] = deque()
        ahead = iter(indices)
        for index in indices:
            while len(waiting) <= self._ahead and (later := next(ahead, None)) is not None:
                waiting.append(self._pool.submit(_read, self._files[later]))
            yield index, waiting.popleft().result()


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """Result of reading an image file."""

    image: NDArray[np.uint8] | None
    error: OSError | None
    seconds: float


def _read(file: Path) -> _Read:
    began = time.perf_counter()
    image, failure = None, None
    try:
        image = read_image(file)
    except OSError as error:
        failure = error
    return _Read(image, failure, time.perf_counter() - began)
