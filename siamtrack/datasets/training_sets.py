"""Training sets: what their readers give, and the list of the formats that are recognized.

A reader is a function from a folder to `Contents`. No picture is decoded and none is copied: of a sequence, its boxes
and the number of its frames are kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from siamtrack.datasets import coco, got10k, lasot, trackingnet, vid, youtube_bb
from siamtrack.datasets.contents import Contents
from siamtrack.datasets.files import list_folders
from siamtrack.datasets.stills import Stills

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingFormat:
    """Format of a training set."""

    name: str
    fits: Callable[[Path], bool]
    """Tells whether a folder looks like it; something may still be missing in it."""
    read: Callable[[Path], Contents]


FORMATS = (
    TrainingFormat("GOT-10k", got10k.is_training_set, got10k.read_training_set),
    TrainingFormat("LaSOT", lasot.is_training_set, lasot.read_training_set),
    TrainingFormat("TrackingNet", trackingnet.is_training_set, trackingnet.read_training_set),
    TrainingFormat("ILSVRC2015 VID", vid.is_training_set, vid.read_training_set),
    TrainingFormat("YouTube-BB", youtube_bb.is_training_set, youtube_bb.read_training_set),
    TrainingFormat("COCO", coco.is_training_set, coco.read_training_set),
)
"""All formats that are recognized by the files in a folder, beside our own."""


def read_training_sets(root: Path) -> Contents:
    """Read every data set of a known format, in `root` itself or else in the folders directly in it.

    Raises:
        DataError: when one of them lacks a file, or its boxes do not fit its frames.
    """
    found = _fitting(root)
    if not found:
        found = [fit for folder in list_folders(root) for fit in _fitting(folder)]
    parts: list[Contents] = []
    for known, folder in found:
        part = known.read(folder)
        objects = len(part.stills.objects) if part.stills else 0
        log.info(
            "%s has the layout of %s: %d tracks to train on, %d to validate with, %d objects in photographs",
            folder,
            known.name,
            len(part.tracks),
            len(part.validation),
            objects,
        )
        parts.append(part)
    return Contents(
        tuple(track for part in parts for track in part.tracks),
        tuple(track for part in parts for track in part.validation),
        join_stills([part.stills for part in parts]),
    )


def join_stills(parts: Sequence[Stills | None]) -> Stills | None:
    """Return the photographs and objects of several folders together; None where there are none."""
    given = [part for part in parts if part is not None]
    if len(given) < 2:
        return given[0] if given else None
    return Stills(
        tuple(item for part in given for item in part.objects),
        tuple(photo for part in given for photo in part.photos),
        tuple(cutout for part in given for cutout in part.cutouts),
    )


def _fitting(folder: Path) -> list[tuple[TrainingFormat, Path]]:
    return [(each, folder) for each in FORMATS if each.fits(folder)]
