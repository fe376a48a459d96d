"""Stills: photographs with annotated objects, and cut-outs, in the layout of `stills/`.

`stills/objects.csv` has one row per object: `photo, x, y, bw, bh`, 0-based, `mask`, `quality`, `touch`, and optionally
`label`. `stills/photos` holds the photographs, `stills/masks` 1-bit pictures of the size of the object's box, and
`stills/cutouts` objects with alpha.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image
from siamtrack.datasets.frames import read_picture
from siamtrack.errors import DataError

MIN_SIDE = 16.0
"""Minimum side of an object in a photograph, in pixels."""
COLUMNS = ("photo", "x", "y", "bw", "bh", "mask", "quality", "touch")
"""Required columns of `objects.csv`; it may hold others."""


@dataclass(frozen=True)
class StillObject:
    """Object in a photograph."""

    photo: Path
    box: Box
    mask: Path | None
    """1-bit picture of the object, of the size of its box; None when only the box is known."""
    whole: bool
    """The border of the photograph does not cut the object."""
    trusted: bool
    """A person drew the annotation (polygon, segment, box); it is not automatic."""
    label: str = ""
    """Class of the object, in the words or numbers of its source; empty when it is not known."""


@dataclass(frozen=True)
class Stills:
    """Objects, photographs and cut-outs of one folder or several."""

    objects: tuple[StillObject, ...]
    photos: tuple[Path, ...]
    cutouts: tuple[Path, ...]

    @property
    def masked(self) -> tuple[StillObject, ...]:
        """Whole objects with a mask, which can be cut out and moved."""
        return tuple(item for item in self.objects if item.mask is not None and item.whole)


def join_stills(parts: Sequence[Stills | None]) -> Stills | None:
    """Return the stills of several folders as one value; None when there are none."""
    present = [part for part in parts if part is not None]
    if len(present) < 2:
        return present[0] if present else None
    return Stills(
        tuple(item for part in present for item in part.objects),
        tuple(photo for part in present for photo in part.photos),
        tuple(cutout for part in present for cutout in part.cutouts),
    )


def read_stills(root: Path, min_side: float = MIN_SIDE) -> Stills:
    """Read `root` (the folder that holds `objects.csv`).

    Args:
        root: the folder.
        min_side: minimum side in pixels; smaller objects are left out.

    Raises:
        DataError: when `objects.csv` is missing, holds no usable object, lacks a column, has an invalid number, or
            names a file that does not exist.
    """
    table = root / "objects.csv"
    if not table.is_file():
        raise DataError(f"{root} holds no objects.csv: give the folder that the stills archive unpacks to")
    objects: list[StillObject] = []
    for row in _rows(table):
        box = Box(row.number("x"), row.number("y"), row.number("bw"), row.number("bh"))
        if min(box.width, box.height) < min_side:
            continue
        objects.append(
            StillObject(
                photo=row.file("photo", root / "photos"),
                box=box,
                mask=row.file("mask", root / "masks") if row.text("mask") else None,
                whole=row.text("touch") == "0",
                trusted=not row.text("quality").startswith("pseudo"),
                label=row.cells.get("label") or "",
            )
        )
    if not objects:
        raise DataError(f"{table} holds no object with sides of {min_side:g} pixels or more")
    photos = tuple(sorted({item.photo for item in objects}))
    return Stills(tuple(objects), photos, tuple(sorted((root / "cutouts").glob("*.webp"))))


@dataclass(frozen=True)
class _Row:
    """Row of a table. Its errors name file, line and column."""

    table: Path
    line: int
    cells: Mapping[str, str | None]

    def text(self, column: str) -> str:
        """Return the text of a cell; it may be empty."""
        text = self.cells[column]
        if text is None:
            raise self._error(column, f"the line ends before it; {len(self.cells)} cells are needed")
        return text

    def number(self, column: str) -> float:
        """Return the finite number in a cell."""
        text = self.text(column)
        try:
            number = float(text)
        except ValueError as error:
            raise self._error(column, f"'{text}' is no number") from error
        if not math.isfinite(number):
            raise self._error(column, f"'{text}' is not a finite number")
        return number

    def file(self, column: str, folder: Path) -> Path:
        """Return the file in a folder that a cell names."""
        path = folder / self.text(column)
        if not path.is_file():
            raise self._error(column, f"{path} is no file; add it, or remove the line")
        return path

    def _error(self, column: str, problem: str) -> DataError:
        return DataError(f"{self.table}, line {self.line}, column {column}: {problem}")


def _rows(table: Path) -> Iterator[_Row]:
    with table.open(newline="", encoding="utf-8-sig") as handle:  # spreadsheets begin a file with a byte order mark
        reader = csv.DictReader(handle)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{table}, line 1: no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}")
        for cells in reader:
            yield _Row(table, reader.line_num, cells)


def read_object(item: StillObject) -> Image:
    """Cut a masked object out of its photograph.

    Returns:
        `(h, w, 4)` uint8 BGRA, of the size of the mask.

    Raises:
        DataError: when there is no mask, or a file cannot be read.
    """
    if item.mask is None:
        raise DataError(f"{item.photo} has no mask for this object: only masked objects can be cut out")
    photo = read_picture(item.photo)
    mask = cv2.imread(str(item.mask), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise DataError(f"{item.mask} cannot be read as a mask")
    left, top = max(math.floor(item.box.x), 0), max(math.floor(item.box.y), 0)
    patch = photo[top : top + mask.shape[0], left : left + mask.shape[1]]
    height, width = patch.shape[:2]
    return _masked(patch, mask[:height, :width] > 0)


def cut_out(image: Image, mask: Image, box: Box) -> Image:
    """Cut an object out of a picture with a mask of the picture's size.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        mask: `(H, W)` uint8, above 127 where the object is.
        box: box of the object; its part inside the picture is cut out.

    Returns:
        `(h, w, 4)` uint8 BGRA.
    """
    left, top, right, bottom = (
        max(edge, 0)
        for edge in (
            math.floor(box.x),
            math.floor(box.y),
            math.ceil(box.x + box.width),
            math.ceil(box.y + box.height),
        )
    )
    window = np.s_[top:bottom, left:right]
    return _masked(image[window], mask[window] > 127)


def _masked(patch: Image, opaque: NDArray[np.bool_]) -> Image:
    return np.dstack([patch, np.where(opaque, 255, 0).astype(np.uint8)])


def read_cutout(path: Path) -> Image:
    """Decode a cut-out to `(h, w, 4)` uint8 BGRA, trimmed to its opaque part.

    Raises:
        DataError: when it cannot be read, has no alpha or is fully transparent.
    """
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        raise DataError(f"{path} is not a picture with alpha")
    rows, columns = np.nonzero(image[:, :, 3] > 127)
    if rows.size == 0:
        raise DataError(f"{path} is fully transparent")
    trimmed = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return np.asarray(trimmed, np.uint8)
