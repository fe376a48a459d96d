"""COCO (Lin et al. 2014), for training: boxes are 0-based and continuous."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siamtrack.boxes import Box
from siamtrack.datasets.contents import Contents
from siamtrack.datasets.stills import StillObject, Stills
from siamtrack.errors import DataError

MIN_STILL_SIDE = 16.0
"""Shortest side of an object in a photograph, in pixels, as in `read_stills`."""


def is_training_set(root: Path) -> bool:
    """Return whether `annotations/instances_train2017.json` or `train2017/` is there."""
    return (root / "annotations" / "instances_train2017.json").is_file() or (root / "train2017").is_dir()


def read_training_set(root: Path) -> Contents:
    """Read `train2017`: photographs with boxes, which serve as stills without masks; crowds are left out."""
    table, photos = root / "annotations" / "instances_train2017.json", root / "train2017"
    try:
        with table.open(encoding="utf-8") as handle:
            # Objects are reduced as they are parsed: their outlines are most of the half gigabyte.
            content = json.load(handle, object_hook=_reduce)
        images = {image.number: image for image in content["images"] if isinstance(image, _Image)}
        annotations = [annotation for annotation in content["annotations"] if isinstance(annotation, _Annotation)]
    except OSError as error:
        raise DataError(
            f"{table} cannot be read: {error.strerror or error}; unpack COCO's annotations there"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{table} is no table of COCO's instances ({error!r}): unpack it again") from error
    there = {entry.name for entry in os.scandir(photos)} if photos.is_dir() else set()
    paths: dict[int, Path] = {}
    objects: list[StillObject] = []
    for annotation in annotations:
        if annotation.crowd or min(annotation.box.width, annotation.box.height) < MIN_STILL_SIDE:
            continue
        image = images.get(annotation.image)
        if image is None:
            raise DataError(
                f"{table}: an object is in image {annotation.image}, which the table does not list: unpack it again"
            )
        if image.name not in there:
            raise DataError(
                f"{table} names {image.name}, and {photos / image.name} does not exist: unpack train2017.zip"
            )
        path = paths.setdefault(annotation.image, photos / image.name)
        right, bottom = annotation.box.x + annotation.box.width, annotation.box.y + annotation.box.height
        whole = min(annotation.box.x, annotation.box.y, image.width - right, image.height - bottom) >= 1
        objects.append(StillObject(path, annotation.box, mask=None, whole=whole, trusted=True))
    if not objects:
        raise DataError(f"{table} holds no object with sides of {MIN_STILL_SIDE:g} pixels or more")
    return Contents(stills=Stills(tuple(objects), tuple(sorted(paths.values())), ()))


@dataclass(frozen=True, slots=True)
class _Image:
    """A photograph of COCO."""

    number: int
    name: str
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Annotation:
    """An object of COCO."""

    image: int
    box: Box
    crowd: bool


def _reduce(item: dict[str, Any]) -> object:
    """Keep the needed fields of an object of the table."""
    if "bbox" in item:
        x, y, width, height = (float(value) for value in item["bbox"])
        return _Annotation(int(item["image_id"]), Box(x, y, width, height), bool(item.get("iscrowd", 0)))
    if "file_name" in item:
        return _Image(int(item["id"]), str(item["file_name"]), float(item["width"]), float(item["height"]))
    return item
