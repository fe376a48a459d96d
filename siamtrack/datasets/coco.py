"""COCO: `annotations/instances_train2017.json` and `train2017/NAME.jpg`; boxes are 0-based and continuous."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siamtrack.boxes import Box
from siamtrack.datasets.stills import MIN_SIDE, StillObject, Stills
from siamtrack.datasets.training_tracks import TrainingSet
from siamtrack.errors import DataError


def is_coco(root: Path) -> bool:
    """Return True if `annotations/instances_train2017.json` or `train2017/` is there."""
    return (root / "annotations" / "instances_train2017.json").is_file() or (root / "train2017").is_dir()


def read_coco(root: Path) -> TrainingSet:
    """Read `train2017` as stills without masks; crowds are left out."""
    table, photos = root / "annotations" / "instances_train2017.json", root / "train2017"
    try:
        with table.open(encoding="utf-8") as handle:
            # Outlines are most of the half gigabyte: the hook drops them during parsing.
            content = json.load(handle, object_hook=_parse_entry)
        images = {image.number: image for image in content["images"] if isinstance(image, _Image)}
        objects = [item for item in content["annotations"] if isinstance(item, _Object)]
    except OSError as error:
        raise DataError(
            f"{table} cannot be read: {error.strerror or error}; unpack COCO's annotations there"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{table} is no table of COCO's instances ({error!r}): unpack it again") from error
    existing = {entry.name for entry in os.scandir(photos)} if photos.is_dir() else set()
    paths: dict[int, Path] = {}
    stills: list[StillObject] = []
    for item in objects:
        if item.crowd or min(item.box.width, item.box.height) < MIN_SIDE:
            continue
        image = images.get(item.image)
        if image is None:
            raise DataError(
                f"{table}: an object is in image {item.image}, which the table does not list: unpack it again"
            )
        if image.name not in existing:
            raise DataError(
                f"{table} names {image.name}, and {photos / image.name} does not exist: unpack train2017.zip"
            )
        path = paths.setdefault(item.image, photos / image.name)
        right, bottom = item.box.x + item.box.width, item.box.y + item.box.height
        whole = min(item.box.x, item.box.y, image.width - right, image.height - bottom) >= 1
        stills.append(StillObject(path, item.box, mask=None, whole=whole, trusted=True))
    if not stills:
        raise DataError(f"{table} holds no object with sides of {MIN_SIDE:g} pixels or more")
    return TrainingSet(stills=Stills(tuple(stills), tuple(sorted(paths.values())), ()))


@dataclass(frozen=True, slots=True)
class _Image:
    """Photograph of COCO."""

    number: int
    name: str
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Object:
    """Annotated object of COCO."""

    image: int
    box: Box
    crowd: bool


def _parse_entry(entry: dict[str, Any]) -> object:
    """Convert an entry of the table to the few fields that are used."""
    if "bbox" in entry:
        x, y, width, height = (float(value) for value in entry["bbox"])
        return _Object(int(entry["image_id"]), Box(x, y, width, height), bool(entry.get("iscrowd", 0)))
    if "file_name" in entry:
        return _Image(int(entry["id"]), str(entry["file_name"]), float(entry["width"]), float(entry["height"]))
    return entry
