"""Photographs with annotated objects, and cut-outs: the layout of `stills/`.

`stills/objects.csv` has one row an object (`photo, x, y, bw, bh`, 0-based, `mask`, `quality`, `touch`, and `label`
where the source names what it is); `stills/photos` the photographs, `stills/masks` 1-bit pictures the size of the
object's box, `stills/cutouts` objects with alpha.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.errors import DataError

COLUMNS = ("photo", "x", "y", "bw", "bh", "mask", "quality", "touch")
"""Columns of `objects.csv` that are read; it may hold others."""


@dataclass(frozen=True)
class StillObject:
    """An object in a photograph."""

    photo: Path
    box: Box
    mask: Path | None
    """1-bit picture of the object, the size of its box; None where only the box is known."""
    whole: bool
    """The frame of the photograph does not cut the object."""
    trusted: bool
    """Drawn by a person (polygon, segment, box), not found automatically."""
    label: str = ""
    """What it is, in the words or numbers of its source; empty where that is not known."""


@dataclass(frozen=True)
class Stills:
    """All objects, photographs and cut-outs of one folder."""

    objects: tuple[StillObject, ...]
    photos: tuple[Path, ...]
    cutouts: tuple[Path, ...]

    @property
    def masked(self) -> tuple[StillObject, ...]:
        """Whole objects with a mask: the ones that can be cut out and moved."""
        return tuple(item for item in self.objects if item.mask is not None and item.whole)


def read_stills(root: Path, min_side: float = 16.0) -> Stills:
    """Read `root` (the folder that holds `objects.csv`).

    Args:
        root: the folder.
        min_side: objects with a shorter side, in pixels, are left out.

    Raises:
        DataError: without `objects.csv`, and when it holds no usable object, lacks a column, has something else where a
            number is needed, or names a file that is not there.
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
    """A row of a table, whose cells complain by file, line and column."""

    table: Path
    line: int
    cells: Mapping[str, str | None]

    def text(self, column: str) -> str:
        """What a cell holds; it may be empty."""
        text = self.cells[column]
        if text is None:
            raise self._error(column, f"the line ends before it; {len(self.cells)} cells are needed")
        return text

    def number(self, column: str) -> float:
        """A finite number."""
        text = self.text(column)
        try:
            number = float(text)
        except ValueError as error:
            raise self._error(column, f"'{text}' is no number") from error
        if not math.isfinite(number):
            raise self._error(column, f"'{text}' is not a finite number")
        return number

    def file(self, column: str, folder: Path) -> Path:
        """The file of that name in a folder."""
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


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decode a picture to `(H, W, 3)` uint8 BGR.

    Raises:
        DataError: when it is missing or not a picture.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path} cannot be read as a picture")
    return np.asarray(image, np.uint8)


def read_object(item: StillObject) -> NDArray[np.uint8]:
    """Cut a masked object out of its photograph.

    Returns:
        `(h, w, 4)` uint8 BGRA, the size of the mask.

    Raises:
        DataError: when there is no mask, or a file cannot be read.
    """
    if item.mask is None:
        raise DataError(f"{item.photo} has no mask for this object: only masked objects can be cut out")
    photo = read_image(item.photo)
    mask = cv2.imread(str(item.mask), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise DataError(f"{item.mask} cannot be read as a mask")
    left, top = max(math.floor(item.box.x), 0), max(math.floor(item.box.y), 0)
    patch = photo[top : top + mask.shape[0], left : left + mask.shape[1]]
    height, width = patch.shape[:2]
    return _masked(patch, mask[:height, :width] > 0)


def cut_out(image: NDArray[np.uint8], mask: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Cut an object out of a picture that has a mask of its own size.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        mask: `(H, W)` uint8, above 127 where the object is.
        box: of the object; what is left of it in the picture is cut out.

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


def _masked(patch: NDArray[np.uint8], opaque: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.dstack([patch, np.where(opaque, 255, 0).astype(np.uint8)])


def read_cutout(path: Path) -> NDArray[np.uint8]:
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
