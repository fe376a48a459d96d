"""Files of annotations: boxes, numbers and labels, a line or a number a frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import DataError


def read_text(path: Path) -> str:
    """The text of a file of annotations.

    Raises:
        DataError: when it is not there, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}; unpack or copy it again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text: {error}; unpack or copy it again") from error


def read_numbers(
    path: Path, counts: Sequence[int], meaning: str, blank: str = "write nan,nan,nan,nan for a frame without a box"
) -> list[list[float]]:
    """Read a file of numbers, separated by commas, tabs or blanks.

    Args:
        path: the file.
        counts: how many numbers a line may hold.
        meaning: what they are, for errors: `four numbers x,y,w,h`.
        blank: what to do about a blank line, for errors.

    Returns:
        The numbers of each line.

    Raises:
        DataError: when it cannot be read, or a line does not hold the numbers. Blank lines are allowed at the end only:
            elsewhere, leaving them out would move every later box to the frame before.
    """
    rows: list[list[float]] = []
    for number, line in enumerate(read_text(path).rstrip().splitlines(), start=1):
        parts = line.replace(",", " ").split()
        if not parts:
            raise DataError(f"{path}, line {number} is blank: {blank}")
        try:
            rows.append([float(part) for part in parts])
        except ValueError as error:
            raise DataError(f"{path}, line {number}: '{line}' is not {meaning}") from error
        if len(parts) not in counts:
            raise DataError(f"{path}, line {number}: {len(parts)} numbers, and a line is {meaning}")
    if not rows:
        raise DataError(f"{path} is empty: a line a frame is needed, {meaning}")
    return rows


def read_rows(path: Path) -> NDArray[np.float64]:
    """Read a file of boxes, four numbers a line, as they stand there.

    Returns:
        `(frames, 4)`.

    Raises:
        DataError: as of `read_numbers`.
    """
    return np.array(read_numbers(path, (4,), "four numbers x,y,w,h"), np.float64)


def read_boxes(path: Path) -> NDArray[np.float64]:
    """Read a ground-truth file whose first pixel is 1 as 0-based boxes.

    Returns:
        `(frames, 4)` boxes.

    Raises:
        DataError: as of `read_numbers`.
    """
    boxes = read_rows(path)
    boxes[:, :2] -= 1
    return boxes


def fit_boxes(boxes: NDArray[np.float64], pictures: int, truth: Path) -> NDArray[np.float64]:
    """The boxes, if there is one a picture.

    Raises:
        DataError: when there are more or fewer; it names their file, `truth`.
    """
    if len(boxes) != pictures:
        raise DataError(
            f"{truth} has {len(boxes)} boxes for {pictures} pictures, one a picture is needed:"
            " unpack the sequence again"
        )
    return boxes


def read_labels(path: Path, count: int | None) -> NDArray[np.intp]:
    """A file with a whole number a frame, separated by commas, blanks or lines.

    Args:
        path: the file.
        count: how many boxes they go with; None where that is not known.

    Raises:
        DataError: when it cannot be read, holds something else, or not `count` of them.
    """
    text = read_text(path)
    try:
        labels = np.array([int(part) for part in text.replace(",", " ").split()], np.intp)
    except ValueError as error:
        raise DataError(f"{path} is not whole numbers: {error}; unpack the sequence again") from error
    if count is not None and len(labels) != count:
        raise DataError(
            f"{path} has {len(labels)} numbers for {count} boxes, one a box is needed: unpack the sequence again"
        )
    return labels


def mask_boxes(boxes: NDArray[np.float64], hidden: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """The boxes, with NaN where the target is hidden or the box is empty, which is how the sets write `no box`."""
    empty = ~(boxes[:, 2:] > 0).all(axis=1)
    boxes[empty if hidden is None else empty | hidden] = np.nan
    return boxes
