"""The files of sequences: folders by name, pictures by number, and one picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from siamtrack.errors import DataError


@dataclass(frozen=True, slots=True)
class NumberedFiles:
    """The frames of a sequence that are numbered pictures already: a pattern and the numbers, no list of names."""

    pattern: str
    """Name of a picture below the folder of the sequence, with a place for its number: `img/{:08d}.jpg`."""
    numbers: Sequence[int]
    """Of the pictures, in order."""
    place: Path | None = None
    """Folder of the pictures where that of the sequence is another: several sequences may share it."""

    @property
    def count(self) -> int:
        """How many frames there are."""
        return len(self.numbers)

    def path(self, folder: Path, index: int) -> Path:
        """The file of a frame, counted from 0, of the sequence with that folder."""
        return (self.place or folder) / self.pattern.format(self.numbers[index])


def list_folders(root: Path) -> list[Path]:
    """The folders in a folder, by name; hidden ones are left out."""
    if not root.is_dir():
        return []
    try:
        entries = list(os.scandir(root))
    except PermissionError:  # a folder of somebody else's is no data set
        return []
    return sorted(root / entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def numbered_files(folder: Path, pattern: str, first: int, count: int | None = None) -> NumberedFiles:
    """The files of a folder that are called by number, of which none may be missing.

    Args:
        folder: of the sequence.
        pattern: as of `NumberedFiles`.
        first: the first number.
        count: how many belong to the sequence; None for all files with the ending of the pattern.

    Raises:
        DataError: when there is none, or a gap.
    """
    place, name, suffix = (folder / pattern).parent, Path(pattern).name, Path(pattern).suffix
    try:
        names = {entry.name for entry in os.scandir(place) if entry.name.endswith(suffix) and entry.name[0] != "."}
    except OSError as error:
        raise DataError(f"{place} cannot be read: {error.strerror or error}; unpack sequence {folder.name}") from error
    wanted = max(len(names), 1) if count is None else count
    missing = next((each for each in map(name.format, range(first, first + wanted)) if each not in names), None)
    if missing is not None:
        raise DataError(
            f"{place / missing} is missing from the {len(names)} *{suffix} there, which are numbered without a gap:"
            f" unpack sequence {folder.name} again"
        )
    return NumberedFiles(pattern, range(first, first + wanted))


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture in pixels; it is not decoded.

    Raises:
        DataError: when it cannot be read.
    """
    try:
        with Image.open(path) as picture:
            return picture.size
    except OSError as error:
        raise DataError(f"{path} cannot be read as a picture: copy it again, or remove it") from error


def read_picture(path: Path, sequence: str) -> NDArray[np.uint8]:
    """A frame of a sequence, `(H, W, 3)` uint8 BGR.

    Raises:
        DataError: when its file has gone or is no picture.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if image is None:
        raise DataError(f"{path} cannot be read as a picture: unpack sequence {sequence} again")
    return np.asarray(image, np.uint8)
