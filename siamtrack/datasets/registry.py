"""Data set formats, and the two functions that recognize the format of a folder: one for each view."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from siamtrack.datasets.coco import is_coco, read_coco
from siamtrack.datasets.custom import open_custom
from siamtrack.datasets.davis import is_davis, open_davis
from siamtrack.datasets.evaluation_sequences import EvaluationSet, Kind
from siamtrack.datasets.frames import list_folders
from siamtrack.datasets.got10k import has_got10k_training, is_got10k, open_got10k, read_got10k
from siamtrack.datasets.lasot import has_lasot_training, is_lasot, open_lasot, read_lasot
from siamtrack.datasets.nfs import is_nfs, open_nfs
from siamtrack.datasets.otb import find_version, open_otb
from siamtrack.datasets.stills import join_stills
from siamtrack.datasets.trackingnet import has_trackingnet_training, is_trackingnet, open_trackingnet, read_trackingnet
from siamtrack.datasets.training_tracks import TrainingSet
from siamtrack.datasets.uav123 import is_uav123, open_uav123
from siamtrack.datasets.vid import is_vid, read_vid
from siamtrack.datasets.vot import is_vot, open_vot
from siamtrack.datasets.youtube_bb import is_youtube_bb, read_youtube_bb
from siamtrack.errors import DataError, UsageError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationFormat:
    """Format of a benchmark."""

    kind: Kind
    matches: Callable[[Path], bool]
    """Function that recognizes a folder by its contents; the folder may be incomplete."""
    open: Callable[[Path, str | None], EvaluationSet]
    """Function that opens a folder and the requested subset."""


@dataclass(frozen=True)
class TrainingFormat:
    """Format of a training set."""

    name: str
    matches: Callable[[Path], bool]
    """Function that recognizes a folder by its contents; the folder may be incomplete."""
    read: Callable[[Path], TrainingSet]


def _without_subsets(
    open_whole: Callable[[Path], EvaluationSet], kind: Kind
) -> Callable[[Path, str | None], EvaluationSet]:
    """Return the opener of a format without subsets."""

    def open_it(root: Path, subset: str | None) -> EvaluationSet:
        if subset is not None:
            raise UsageError(f"{kind} has no subsets: leave --subset {subset} out")
        return open_whole(root)

    return open_it


EVALUATION_FORMATS = (
    EvaluationFormat(Kind.GOT10K, is_got10k, open_got10k),
    EvaluationFormat(Kind.TRACKINGNET, is_trackingnet, open_trackingnet),
    EvaluationFormat(Kind.UAV123, is_uav123, open_uav123),
    EvaluationFormat(Kind.DAVIS, is_davis, open_davis),
    EvaluationFormat(Kind.NFS, is_nfs, open_nfs),
    EvaluationFormat(Kind.LASOT, is_lasot, open_lasot),
    EvaluationFormat(
        Kind.OTB2015,
        lambda root: find_version(root) is Kind.OTB2015,
        _without_subsets(lambda root: open_otb(root, Kind.OTB2015), Kind.OTB2015),
    ),
    EvaluationFormat(
        Kind.OTB2013,
        lambda root: find_version(root) is Kind.OTB2013,
        _without_subsets(lambda root: open_otb(root, Kind.OTB2013), Kind.OTB2013),
    ),
    EvaluationFormat(Kind.VOT, is_vot, _without_subsets(open_vot, Kind.VOT)),
    EvaluationFormat(Kind.CUSTOM, lambda root: True, open_custom),
)
"""Formats of benchmarks, in the order in which a folder is compared with them."""

TRAINING_FORMATS = (
    TrainingFormat("GOT-10k", has_got10k_training, read_got10k),
    TrainingFormat("LaSOT", has_lasot_training, read_lasot),
    TrainingFormat("TrackingNet", has_trackingnet_training, read_trackingnet),
    TrainingFormat("ILSVRC2015 VID", is_vid, read_vid),
    TrainingFormat("YouTube-BB", is_youtube_bb, read_youtube_bb),
    TrainingFormat("COCO", is_coco, read_coco),
)
"""Formats of training sets that are recognized by the contents of a folder."""


def open_dataset(root: Path, kind: Kind | None = None, subset: str | None = None) -> EvaluationSet:
    """Open a folder as a benchmark; sequences are read when they are needed.

    Args:
        root: the folder.
        kind: its format; None recognizes it. A folder that lacks most sequences of OTB is `custom` then.
        subset: a subset in the words of the format: `val`, `test` or `train` (GOT-10k, LaSOT), `TEST`, `TRAIN_0` ...
            (TrackingNet), `UAV20L`, `30` (NfS), `2016/val` (DAVIS), or folders separated by commas (custom).

    Raises:
        DataError: when it is no folder, or holds no sequence of the format.
        UsageError: for a subset that the format does not have.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder: give that of a data set")
    matching = next(each for each in EVALUATION_FORMATS if (each.matches(root) if kind is None else each.kind is kind))
    return matching.open(root, subset)


def read_training_sets(root: Path) -> TrainingSet:
    """Read all training sets of a known format, in `root` itself or else in the folders directly in it.

    No picture is decoded or copied: a sequence keeps its boxes and the numbers of its frames.

    Raises:
        DataError: when one of them lacks a file, or its boxes do not match its frames.
    """
    matches = _matching_formats(root)
    if not matches:
        matches = [match for folder in list_folders(root) for match in _matching_formats(folder)]
    sets: list[TrainingSet] = []
    for training_format, folder in matches:
        content = training_format.read(folder)
        log.info(
            "%s has the layout of %s: %d tracks to train on, %d to validate with, %d objects in photographs",
            folder,
            training_format.name,
            len(content.tracks),
            len(content.validation),
            len(content.stills.objects) if content.stills else 0,
        )
        sets.append(content)
    return TrainingSet(
        tuple(track for each in sets for track in each.tracks),
        tuple(track for each in sets for track in each.validation),
        join_stills([each.stills for each in sets]),
    )


def _matching_formats(folder: Path) -> list[tuple[TrainingFormat, Path]]:
    return [(each, folder) for each in TRAINING_FORMATS if each.matches(folder)]
