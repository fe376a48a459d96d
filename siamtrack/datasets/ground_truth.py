"""Truths as several layouts write them, and what sequences are known for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.annotations import fit_boxes, mask_boxes, read_labels, read_numbers
from siamtrack.datasets.evaluation_sequences import Frames, Truth
from siamtrack.errors import DataError

SHORT = 8
"""Bytes that the smallest box takes, `1 1 1 1` and the end of the line: shorter files may be blank."""


def read_one_based(path: Path, frames: Frames) -> Truth:
    """A file of boxes `x,y,w,h`, or of polygons `x1,y1,...,x4,y4`, whose first pixel is 1: a line a frame.

    The box of a polygon is the upright one around it; boxes without a size are none, and neither is `nan`, once or in
    every column.

    Raises:
        DataError: when it cannot be read, or there is not one line a frame.
    """
    rows = read_numbers(path, (1, 4, 8), "four numbers x,y,w,h or eight x1,y1,...,x4,y4")
    for number, row in enumerate(rows, 1):
        if len(row) == 1 and not math.isnan(row[0]):
            raise DataError(f"{path}, line {number}: one number; only nan may stand alone, where there is no target")
    if all(len(row) < 8 for row in rows):
        boxes = np.array([row if len(row) == 4 else row * 4 for row in rows], np.float64)
        boxes[:, :2] -= 1
        return Truth(mask_boxes(fit_boxes(boxes, len(frames), path)))
    corners = np.array([_corners(row) for row in rows], np.float64) - 1
    return Truth(mask_boxes(fit_boxes(around(corners), len(frames), path)), polygons=corners)


def _corners(row: Sequence[float]) -> Sequence[float]:
    """Eight numbers of a line: those of a polygon, the corners of a box, or NaN."""
    if len(row) == 8:
        return row
    if len(row) == 1:
        return [row[0]] * 8
    x, y, width, height = row
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def around(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """The upright boxes `(N, 4)` around polygons `(N, 8)`."""
    points = corners.reshape(-1, 4, 2)
    low, high = points.min(axis=1), points.max(axis=1)
    return np.concatenate([low, high - low], axis=1)


def hide(boxes: NDArray[np.float64], hidden: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The boxes `(N, 4)` with NaN where the target cannot be seen, or the box has no size.

    That of the first frame stays, whatever its labels say: every tracker is given it, and the GOT-10k toolkit does not
    look at them either.
    """
    hidden = hidden.copy()
    hidden[0] = False
    return mask_boxes(boxes, hidden)


def only_first(boxes: NDArray[np.float64], frames: Frames, path: Path) -> NDArray[np.float64]:
    """The box of the first frame, and NaN for all others, `(N, 4)`: the truth of a test set.

    Raises:
        DataError: when there is not exactly one box.
    """
    if len(boxes) != 1:
        raise DataError(f"{path} has {len(boxes)} boxes; in a test set, it has that of the first frame only")
    return np.concatenate([boxes, np.full((len(frames) - 1, 4), np.nan)])


def is_blank(path: Path) -> bool:
    """Whether a truth has been left empty, like that of one target of OTB's Human4; a long one is not read for it."""
    return path.stat().st_size < SHORT and not path.read_bytes().strip()


def read_flags(path: Path, names: Sequence[str]) -> frozenset[str]:
    """Attributes from a file of ones and zeros, one a name; none where there is no such file.

    Raises:
        DataError: when it holds something else.
    """
    if not path.is_file():
        return frozenset()
    flags = read_labels(path, None)
    if len(flags) != len(names):
        raise DataError(f"{path} has {len(flags)} numbers, and there are {len(names)} attributes: unpack it again")
    return frozenset(name for name, flag in zip(names, flags, strict=True) if flag)
