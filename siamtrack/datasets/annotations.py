"""Readers of annotation files: text, numbers, boxes, polygons and labels, one line or one number per frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import Frames, Truth
from siamtrack.errors import DataError


def read_text(path: Path) -> str:
    """Read a text file of annotations.

    Raises:
        DataError: when the file does not exist, or is not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}; unpack or copy it again") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text: {error}; unpack or copy it again") from error


def read_sequence_names(path: Path) -> list[str]:
    """Read a list of sequence names, one per line.

    Raises:
        DataError: when the file cannot be read, or is empty.
    """
    names = read_text(path).split()
    if not names:
        raise DataError(f"{path} is empty: it names the sequences, one a line")
    return names


def read_numbers(
    path: Path, counts: Sequence[int], meaning: str, blank: str = "write nan,nan,nan,nan for a frame without a box"
) -> list[list[float]]:
    """Read a file of numbers, separated by commas, tabs or blanks.

    Args:
        path: the file.
        counts: allowed counts of numbers in a line.
        meaning: description of a line for errors: `four numbers x,y,w,h`.
        blank: advice about a blank line for errors.

    Returns:
        The numbers of each line.

    Raises:
        DataError: when the file cannot be read, or a line does not hold the numbers. Blank lines are allowed at the end
            only: skipping others would move every later box to the frame before.
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


def read_boxes(path: Path, first_pixel: int = 1) -> NDArray[np.float64]:
    """Read a file of boxes `x,y,w,h`, one per line, as 0-based boxes.

    Args:
        path: the file.
        first_pixel: number of the first pixel in the file, 0 or 1.

    Returns:
        `(frames, 4)` boxes.

    Raises:
        DataError: see `read_numbers`.
    """
    boxes = np.array(read_numbers(path, (4,), "four numbers x,y,w,h"), np.float64)
    boxes[:, :2] -= first_pixel
    return boxes


def check_count(boxes: NDArray[np.float64], pictures: int, path: Path) -> NDArray[np.float64]:
    """Return the boxes if there is one per picture.

    Raises:
        DataError: when there are more or fewer; it names the file of the boxes, `path`.
    """
    if len(boxes) != pictures:
        raise DataError(
            f"{path} has {len(boxes)} boxes for {pictures} pictures, one a picture is needed: unpack the sequence again"
        )
    return boxes


def read_labels(path: Path, count: int | None) -> NDArray[np.intp]:
    """Read a file with an integer per frame, separated by commas, blanks or lines.

    Args:
        path: the file.
        count: number of boxes that the labels belong to; None when it is not known.

    Raises:
        DataError: when the file cannot be read, holds something else, or not `count` labels.
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


def mask_boxes(
    boxes: NDArray[np.float64], hidden: NDArray[np.bool_] | None = None, *, keep_first: bool = False
) -> NDArray[np.float64]:
    """Set boxes to NaN, in place, in frames where the target is hidden or the box has no size.

    Args:
        boxes: `(N, 4)`.
        hidden: `(N,)`, True where the target cannot be seen; None when that is not known.
        keep_first: ignore `hidden` in the first frame. Evaluation does so: every tracker starts from that box, and the
            GOT-10k toolkit ignores the label too.
    """
    masked: NDArray[np.bool_] = ~np.all(boxes[:, 2:] > 0, axis=1)
    if hidden is not None:
        start = int(keep_first)
        masked[start:] |= hidden[start:]
    boxes[masked] = np.nan
    return boxes


MIN_BOX_BYTES = 8
"""Bytes of the smallest box, `1 1 1 1` and the end of the line. A shorter file may be blank."""


def read_ground_truth(path: Path, frames: Frames) -> Truth:
    """Read a 1-based file with a box `x,y,w,h` or a polygon `x1,y1,...,x4,y4` per frame.

    A polygon gets its axis-aligned bounding box. A box without a size counts as no box; so does `nan`, alone in the
    line or in every column.

    Raises:
        DataError: when the file cannot be read, or does not have one line per frame.
    """
    rows = read_numbers(path, (1, 4, 8), "four numbers x,y,w,h or eight x1,y1,...,x4,y4")
    for number, row in enumerate(rows, 1):
        if len(row) == 1 and not math.isnan(row[0]):
            raise DataError(f"{path}, line {number}: one number; only nan may stand alone, where there is no target")
    if all(len(row) < 8 for row in rows):
        boxes = np.array([row if len(row) == 4 else row * 4 for row in rows], np.float64)
        boxes[:, :2] -= 1
        return Truth(mask_boxes(check_count(boxes, len(frames), path)))
    corners = np.array([_corners(row) for row in rows], np.float64) - 1
    return Truth(mask_boxes(check_count(bounding_boxes(corners), len(frames), path)), polygons=corners)


def _corners(row: Sequence[float]) -> Sequence[float]:
    """Return the eight corner coordinates of a line: of its polygon, of its box, or NaN."""
    if len(row) == 8:
        return row
    if len(row) == 1:
        return [row[0]] * 8
    x, y, width, height = row
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def bounding_boxes(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the axis-aligned bounding boxes `(N, 4)` of polygons `(N, 8)`."""
    points = corners.reshape(-1, 4, 2)
    low, high = points.min(axis=1), points.max(axis=1)
    return np.concatenate([low, high - low], axis=1)


def keep_first_box(boxes: NDArray[np.float64], frames: Frames, path: Path) -> NDArray[np.float64]:
    """Return the box of the first frame and NaN for all others, `(N, 4)`: the ground truth of a test set.

    Raises:
        DataError: when there is not exactly one box.
    """
    if len(boxes) != 1:
        raise DataError(f"{path} has {len(boxes)} boxes; in a test set, it has that of the first frame only")
    return np.concatenate([boxes, np.full((len(frames) - 1, 4), np.nan)])


def is_blank(path: Path) -> bool:
    """Return True for a blank annotation file, such as one of OTB's Human4; files with a box are not read."""
    return path.stat().st_size < MIN_BOX_BYTES and not path.read_bytes().strip()


def read_attributes(path: Path, names: Sequence[str]) -> frozenset[str]:
    """Read attributes from a file of ones and zeros, one per name; without the file there are none.

    Raises:
        DataError: when the file holds something else.
    """
    if not path.is_file():
        return frozenset()
    flags = read_labels(path, None)
    if len(flags) != len(names):
        raise DataError(f"{path} has {len(flags)} numbers, and there are {len(names)} attributes: unpack it again")
    return frozenset(name for name, flag in zip(names, flags, strict=True) if flag)
