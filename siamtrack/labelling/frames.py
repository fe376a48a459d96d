"""All frames of a video at hand, in any order: a video can only be read forwards, and labelling goes back and forth."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import SourceError
from siamtrack.io.frames import Source
from siamtrack.io.results import write_failure

QUALITY = 95
"""Of the JPEG pictures."""


class FrameStore:
    """The frames of a video as JPEG pictures in an unnamed file, which the system removes when the process ends.

    What is tracked is what is written in the end: the very same pictures. A context manager.

    Args:
        source: read to its end.
        folder: where there is room for the pictures.
        tick: called after every frame.

    Raises:
        OutputError: when the disk is full.
    """

    def __init__(self, source: Source, folder: Path, tick: Callable[[], None]) -> None:
        self.name = source.info.name
        self.missing: frozenset[int] = frozenset()
        """Frames that could not be decoded; the picture before (or the first that there is) stands in for them."""
        self.size = source.info.width, source.info.height
        """Width and height of the first frame in pixels."""
        self._folder = folder
        self._places: list[tuple[int, int]] = []
        self._last: tuple[int, NDArray[np.uint8]] | None = None
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise write_failure(folder, error) from error
        try:
            self._fill(source, tick)
        except BaseException:
            self.close()
            raise

    def _fill(self, source: Source, tick: Callable[[], None]) -> None:
        missing: set[int] = set()
        early = 0
        for number, frame in enumerate(source):
            if frame.image is not None:
                self._places += [self._add(frame.image)] * (1 + early)
                early = 0
            else:
                missing.add(number)
                if self._places:
                    self._places.append(self._places[-1])
                else:
                    early += 1
            tick()
        self.missing = frozenset(missing)

    def _add(self, image: NDArray[np.uint8]) -> tuple[int, int]:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        begin = self._file.tell()
        try:
            self._file.write(data.tobytes())
            self._file.flush()
        except OSError as error:
            raise write_failure(self._folder, error) from error
        return begin, len(data)

    def __len__(self) -> int:
        """Number of frames, those that could not be decoded too."""
        return len(self._places)

    def picture(self, index: int) -> bytes:
        """A frame as the bytes of a JPEG file."""
        begin, length = self._places[index]
        self._file.seek(begin)
        return self._file.read(length)

    def image(self, index: int) -> NDArray[np.uint8]:
        """A frame, `(H, W, 3)` uint8 BGR; not to be changed."""
        if self._last is None or self._last[0] != index:
            decoded = cv2.imdecode(np.frombuffer(self.picture(index), np.uint8), cv2.IMREAD_COLOR)
            if decoded is None:
                raise SourceError(
                    f"frame {index} of '{self.name}' cannot be read back from {self._folder}: is its disk well?"
                )
            self._last = index, np.asarray(decoded, np.uint8)
        return self._last[1]

    def close(self) -> None:
        """Give the room back; there are no frames any more then."""
        self._places = []
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
