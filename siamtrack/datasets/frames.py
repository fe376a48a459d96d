"""Frames of sequences: folders of pictures and video files. Nothing is listed or decoded before it is requested."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image as PILImage

from siamtrack.boxes import Image
from siamtrack.errors import DataError, SiamTrackError
from siamtrack.io.frames import Source
from siamtrack.io.images import IMAGE_EXTENSIONS, natural_key, read_image
from siamtrack.io.sources import open_source

_LAST_NUMBER = re.compile(r"(\d+)\D*$")


def list_folders(root: Path) -> list[Path]:
    """Return the folders in a folder, sorted by name; hidden ones are left out."""
    if not root.is_dir():
        return []
    try:
        entries = list(os.scandir(root))
    except PermissionError:  # another user's folder is no data set
        return []
    return sorted(root / entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def read_picture(path: Path, sequence: str | None = None) -> Image:
    """Read a picture of a data set; a truncated JPEG is accepted.

    Args:
        path: the file.
        sequence: name of the sequence that the error tells the user to unpack again.

    Returns:
        `(H, W, 3)` uint8 BGR.

    Raises:
        DataError: when the file does not exist or is not a picture.
    """
    try:
        image = read_image(path, allow_truncated=True)
    except OSError:
        image = None
    if image is None:
        advice = f": unpack sequence {sequence} again" if sequence else ""
        raise DataError(f"{path} cannot be read as a picture{advice}")
    return image


def picture_size(path: Path) -> tuple[int, int]:
    """Return width and height of a picture in pixels without decoding it.

    Raises:
        DataError: when it cannot be read.
    """
    try:
        with PILImage.open(path) as picture:
            return picture.size
    except OSError as error:
        raise DataError(f"{path} cannot be read as a picture: copy it again, or remove it") from error


@dataclass(frozen=True, slots=True)
class NumberedFiles:
    """Numbered picture files of a sequence: a pattern and the numbers instead of a list of names."""

    pattern: str
    """File name relative to the folder of the sequence, with a field for the number: `img/{:08d}.jpg`."""
    numbers: Sequence[int]
    """Numbers of the pictures, in order."""
    directory: Path | None = None
    """Folder of the pictures if it is not the folder of the sequence; several sequences may share it."""

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.numbers)

    def path(self, folder: Path, index: int) -> Path:
        """Return the file of frame `index`, 0-based, of the sequence with this folder."""
        return (self.directory or folder) / self.pattern.format(self.numbers[index])


def numbered_files(folder: Path, pattern: str, first: int, count: int | None = None) -> NumberedFiles:
    """List the numbered files of a folder and check that none is missing.

    Args:
        folder: folder of the sequence.
        pattern: see `NumberedFiles`.
        first: the first number.
        count: number of files of the sequence; None for all files with the extension of the pattern.

    Raises:
        DataError: when there is none, or a gap.
    """
    directory, name, suffix = (folder / pattern).parent, Path(pattern).name, Path(pattern).suffix
    try:
        names = {entry.name for entry in os.scandir(directory) if entry.name.endswith(suffix) and entry.name[0] != "."}
    except OSError as error:
        raise DataError(
            f"{directory} cannot be read: {error.strerror or error}; unpack sequence {folder.name}"
        ) from error
    expected = max(len(names), 1) if count is None else count
    missing = next((each for each in map(name.format, range(first, first + expected)) if each not in names), None)
    if missing is not None:
        raise DataError(
            f"{directory / missing} is missing from the {len(names)} *{suffix} there, which are numbered without a gap:"
            f" unpack sequence {folder.name} again"
        )
    return NumberedFiles(pattern, range(first, first + expected))


@dataclass(frozen=True)
class Pictures:
    """Pictures of a folder in natural order: 2 before 10."""

    folder: Path
    sequence: str
    """Name of the sequence, for errors."""
    span: tuple[int, int] | None = None
    """First picture of the sequence, 0-based, and the one after the last; None for all pictures. If the folder already
    holds exactly that many pictures, all of them are used."""

    def __len__(self) -> int:
        """Return the number of pictures; they are counted once."""
        return self._count

    @cached_property
    def _count(self) -> int:
        return len(self.paths())

    def __iter__(self) -> Iterator[Image]:
        """Decode one after the other, `(H, W, 3)` uint8 BGR."""
        return (read_picture(path, self.sequence) for path in self.paths())

    def paths(self) -> list[Path]:
        """Return the picture files.

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
            names = [entry.name for entry in os.scandir(self.folder) if is_picture_name(entry.name)]
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be read: {error.strerror or error}; unpack sequence {self.sequence} again"
            ) from error
        return sorted(names, key=natural_key)


@dataclass(frozen=True)
class GaplessPictures(Pictures):
    """Pictures with consecutive numbers, starting at any number."""

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
    """Pictures that a table of the data set gives by their first number and their count."""

    folder: Path
    pattern: str
    """See `NumberedFiles`."""
    first: int
    count: int

    def __len__(self) -> int:
        """Return the number of pictures."""
        return self.count

    def __iter__(self) -> Iterator[Image]:
        """Decode one after the other, `(H, W, 3)` uint8 BGR."""
        return (read_picture(path, self.folder.name) for path in self.paths())

    def paths(self) -> list[Path]:
        """Return the picture files.

        Raises:
            DataError: when one is missing.
        """
        files = numbered_files(self.folder, self.pattern, self.first, self.count)
        return [files.path(self.folder, index) for index in range(self.count)]


@dataclass(frozen=True)
class Video:
    """Frames of a video file."""

    path: Path
    sequence: str
    """Name of the sequence, for errors."""

    def __len__(self) -> int:
        """Return the number of frames; a file without a frame count is decoded once to count them."""
        return self._count

    @cached_property
    def _count(self) -> int:
        with self._open() as source:
            return source.info.count if source.info.count is not None else sum(1 for _ in source)

    def __iter__(self) -> Iterator[Image]:
        """Decode one after the other, `(H, W, 3)` uint8 BGR.

        Raises:
            DataError: when the file cannot be opened, or a frame cannot be decoded.
        """
        with self._open() as source:
            for index, frame in enumerate(source):
                if frame.image is None:
                    raise DataError(f"{self.path}, frame {index} cannot be decoded: copy {self.sequence} again")
                yield frame.image

    def _open(self) -> Source:
        try:
            return open_source(self.path)
        except SiamTrackError as error:
            raise DataError(f"sequence {self.sequence}: {error}") from error

    def paths(self) -> None:
        """Return None: the frames are no files."""


def is_picture_name(name: str) -> bool:
    """Return True for the name of a visible file with one of `IMAGE_EXTENSIONS`."""
    return name.lower().endswith(IMAGE_EXTENSIONS) and not name.startswith(".")
