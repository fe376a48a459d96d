"""The frames of sequences: folders of pictures, and videos. Nothing is listed or decoded before it is asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.files import numbered_files, read_picture
from siamtrack.errors import DataError, SiamTrackError
from siamtrack.io.frames import Source
from siamtrack.io.images import IMAGE_EXTENSIONS, natural_key
from siamtrack.io.sources import open_source

_LAST_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True)
class Pictures:
    """The pictures in a folder, in natural order: 2 before 10."""

    folder: Path
    sequence: str
    """For errors."""
    span: tuple[int, int] | None = None
    """First picture that belongs to the sequence, counted from 0, and the one after the last; None for all of them.
    A folder that has no others any more is taken as it is."""

    def __len__(self) -> int:
        """How many there are; they are counted once."""
        return self._count

    @cached_property
    def _count(self) -> int:
        return len(self.paths())

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Decode one after the other, `(H, W, 3)` uint8 BGR."""
        return (read_picture(path, self.sequence) for path in self.paths())

    def paths(self) -> list[Path]:
        """The files.

        Raises:
            DataError: when the folder cannot be read, or holds no picture.
        """
        names = self._names()
        if self.span is not None and len(names) != self.span[1] - self.span[0]:
            names = names[slice(*self.span)]
        if not names:
            raise DataError(f"{self.folder} holds no pictures: unpack sequence {self.sequence} again")
        return [self.folder / name for name in names]

    def _names(self) -> list[str]:
        try:
            names = [entry.name for entry in os.scandir(self.folder) if _is_picture(entry.name)]
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be read: {error.strerror or error}; unpack sequence {self.sequence} again"
            ) from error
        return sorted(names, key=natural_key)


@dataclass(frozen=True)
class GaplessPictures(Pictures):
    """Pictures with numbers of which none may be missing, from whichever the first one has."""

    def _names(self) -> list[str]:
        names = super()._names()
        numbers = [int(match[1]) if (match := _LAST_NUMBER.search(Path(name).stem)) else -1 for name in names]
        for before, number, name in zip(numbers, numbers[1:], names[1:], strict=False):
            if number != before + 1:
                raise DataError(
                    f"{self.folder}: picture {before + 1} is missing before {name}; unpack sequence {self.sequence}"
                    " again"
                )
        return names


@dataclass(frozen=True)
class PictureRange:
    """Pictures that a data set's own table names by their first and last number."""

    folder: Path
    pattern: str
    """Name of a picture with a place for its number, as of `siamtrack.datasets.files.NumberedFiles`."""
    first: int
    count: int

    def __len__(self) -> int:
        """How many there are."""
        return self.count

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Decode one after the other, `(H, W, 3)` uint8 BGR."""
        return (read_picture(path, self.folder.name) for path in self.paths())

    def paths(self) -> list[Path]:
        """The files.

        Raises:
            DataError: when one is missing.
        """
        files = numbered_files(self.folder, self.pattern, self.first, self.count)
        return [files.path(self.folder, index) for index in range(self.count)]


@dataclass(frozen=True)
class Video:
    """The frames of a video file."""

    path: Path
    sequence: str

    def __len__(self) -> int:
        """How many there are; those of a file that does not say are counted by decoding it, once."""
        return self._count

    @cached_property
    def _count(self) -> int:
        with self._opened() as source:
            return source.info.count if source.info.count is not None else sum(1 for _ in source)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Decode one after the other, `(H, W, 3)` uint8 BGR.

        Raises:
            DataError: when the file cannot be opened, or a frame not be decoded.
        """
        with self._opened() as source:
            for index, frame in enumerate(source):
                if frame.image is None:
                    raise DataError(f"{self.path}, frame {index} cannot be decoded: copy {self.sequence} again")
                yield frame.image

    def _opened(self) -> Source:
        try:
            return open_source(self.path)
        except SiamTrackError as error:
            raise DataError(f"sequence {self.sequence}: {error}") from error

    def paths(self) -> None:
        """None: the frames are no files."""


def _is_picture(name: str) -> bool:
    return name.lower().endswith(IMAGE_EXTENSIONS) and not name.startswith(".")
