"""ILSVRC2015 VID: `Data/VID/train/GROUP/NAME/000000.JPEG` and an XML file per frame in the same place below
`Annotations`, 0-based. In `val` there is no GROUP.

The corners of a box are the first and the last pixel of the object, so that a width is `xmax - xmin + 1`
(got-10k/toolkit#23).
"""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.annotations import mask_boxes
from siamtrack.datasets.frames import list_folders, numbered_files
from siamtrack.datasets.training_tracks import Track, TrainingSet
from siamtrack.errors import DataError

log = logging.getLogger(__name__)


def is_vid(root: Path) -> bool:
    """Return True if `Data/VID` or `Annotations/VID` is there."""
    return (root / "Data" / "VID").is_dir() or (root / "Annotations" / "VID").is_dir()


def read_vid(root: Path) -> TrainingSet:
    """Read the tracks of `train` and `val`, both for training, as the SiamFC paper does; `test` is never read.

    Every `trackid` with boxes in two frames is a track, `NAME.ID`.
    """
    data = root / "Data" / "VID"
    for folder in (data, root / "Annotations" / "VID"):
        if not folder.is_dir():
            raise DataError(f"{folder} does not exist: ILSVRC2015 VID needs both Data/VID and Annotations/VID")
    sequences = [
        *(folder for group in list_folders(data / "train") for folder in list_folders(group)),
        *list_folders(data / "val"),
    ]
    if not sequences:
        raise DataError(f"{data} holds no sequence: train/GROUP/NAME/000000.JPEG or val/NAME/000000.JPEG is needed")
    if len(sequences) > 100:
        log.info("reading the annotations of %d sequences in %s; this takes minutes", len(sequences), root)
    tracks: list[Track] = []
    for folder in sequences:
        annotations = root / "Annotations" / folder.relative_to(root / "Data")
        files = numbered_files(folder, "{:06d}.JPEG", 0)
        pages = numbered_files(annotations, "{:06d}.xml", 0)
        if pages.count != files.count:
            raise DataError(
                f"{annotations} has {pages.count} annotations for the {files.count} pictures in {folder}:"
                f" unpack sequence {folder.name} again"
            )
        boxes: dict[str, NDArray[np.float64]] = {}
        for index in range(pages.count):
            for target, box in _read_objects(pages.path(annotations, index)):
                boxes.setdefault(target, np.full((files.count, 4), np.nan))[index] = box
        for target, rows in sorted(boxes.items()):
            if np.isfinite(rows[:, 0]).sum() > 1:
                tracks.append(Track(f"{folder.name}.{target}", folder, mask_boxes(rows), files))
    return TrainingSet(tuple(tracks))


def _read_objects(path: Path) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Read the track id and the box of every object of a frame."""
    try:
        objects = []
        for item in ET.parse(path).getroot().iterfind("object"):
            left, top, right, bottom = (
                float(item.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            target = str(int(item.findtext("trackid", "")))
            objects.append((target, (left, top, right - left + 1, bottom - top + 1)))
    except (ET.ParseError, ValueError) as error:
        raise DataError(f"{path} is no annotation of ILSVRC2015 VID: {error}; unpack it again") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}; unpack it again") from error
    return objects
