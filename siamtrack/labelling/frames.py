"""Frames of a video in any order: a video can only be read forwards, but labelling goes back and forth."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import cv2
import numpy as np

from siamtrack.boxes import Image
from siamtrack.errors import SourceError
from siamtrack.io.frames import Source
from siamtrack.io.results import write_failure

QUALITY = 95
"""Quality of the JPEG pictures."""


class FrameStore:
    """Frames of a video as JPEG pictures in an unnamed file, which the system removes when the process ends.

    The tracker gets the same pictures that are written in the end. A context manager.

    Args:
        source: frames; it is read to its end.
        folder: folder on a disk with room for the pictures.
        count: called after every frame.

    Raises:
        OutputError: when the disk is full.
    """

    def __init__(self, source: Source, folder: Path, count: Callable[[], None]) -> None:
        self.name = source.info.name
        self.missing: frozenset[int] = frozenset()
        """Frames that could not be decoded. The picture before, or else the first one, stands in for them."""
        self.size = source.info.width, source.info.height
        """Width and height of the first frame in pixels."""
        self._folder = folder
        self._places: list[tuple[int, int]] = []
        self._last: tuple[int, Image] | None = None
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise write_failure(folder, error) from error
        try:
            self._fill(source, count)
        except BaseException:
            self.close()
            raise

    def _fill(self, source: Source, count: Callable[[], None]) -> None:
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
            count()
        self.missing = frozenset(missing)

    def _add(self, image: Image) -> tuple[int, int]:
        """Append a picture to the file, and return its place: the first byte and the length."""
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        begin = self._file.tell()
        try:
            self._file.write(data.tobytes())
            self._file.flush()
        except OSError as error:
            raise write_failure(self._folder, error) from error
        return begin, len(data)

    def __len__(self) -> int:
        """Return the number of frames, with those that could not be decoded."""
        return len(self._places)

    def picture(self, index: int) -> bytes:
        """Return a frame as the bytes of a JPEG file."""
        begin, length = self._places[index]
        self._file.seek(begin)
        return self._file.read(length)

    def image(self, index: int) -> Image:
        """Return a frame, `(H, W, 3)` uint8 BGR, which must not be changed."""
        if self._last is None or self._last[0] != index:
            decoded = cv2.imdecode(np.frombuffer(self.picture(index), np.uint8), cv2.IMREAD_COLOR)
            if decoded is None:
                raise SourceError(
                    f"frame {index} of '{self.name}' cannot be read back from {self._folder}: check its disk"
                )
            self._last = index, np.asarray(decoded, np.uint8)
        return self._last[1]

    def close(self) -> None:
        """Remove the frames and free their room."""
        self._places = []
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
