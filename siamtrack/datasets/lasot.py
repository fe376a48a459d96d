"""LaSOT: `car/car-1/img/00000001.jpg`, `groundtruth.txt`, 1-based (HengLan/LaSOT_Evaluation_Toolkit#14), and labels.

`full_occlusion.txt` and `out_of_view.txt` have one line with a number per frame (1: the target cannot be seen). The
archive of the test split has its sequences side by side, without a folder `car`; evaluation reads both layouts.

Training uses the training split; neither the test split nor the later extension is read. Evaluation uses the test split
by default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.annotations import check_count, mask_boxes, read_attributes, read_boxes, read_labels
from siamtrack.datasets.evaluation_sequences import (
    EvaluationSequence,
    EvaluationSet,
    Frames,
    Kind,
    Truth,
    describe_missing,
)
from siamtrack.datasets.frames import GaplessPictures, list_folders, numbered_files
from siamtrack.datasets.training_tracks import Track, TrainingSet
from siamtrack.errors import DataError, UsageError

SUBSETS = ("test", "train")
ATTRIBUTES = ("IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC")
"""Columns of the evaluation toolkit's `att/NAME.txt` in their order (HengLan/LaSOT_Evaluation_Toolkit#11)."""


def has_lasot_training(root: Path) -> bool:
    """Return True if a folder such as `car` has a folder `car-1`."""
    return next(_category_sequences(root), None) is not None


def is_lasot(root: Path) -> bool:
    """Return True if a folder such as `car` has a folder `car-1`, or a sequence of the test split is there."""
    return has_lasot_training(root) or any((root / name / "out_of_view.txt").is_file() for name in _split_names("test"))


def read_lasot(root: Path) -> TrainingSet:
    """Read the tracks of the training split."""
    names = _split_names("train")
    tracks: list[Track] = []
    for folder in _category_sequences(root):
        if folder.name not in names:
            continue
        files = numbered_files(folder, "img/{:08d}.jpg", 1)
        boxes, hidden = _read_boxes(folder, files.count)
        tracks.append(Track(folder.name, folder, mask_boxes(boxes, hidden), files))
    if not tracks:
        raise DataError(f"{root} holds no sequence of LaSOT's training split, and others are not trained on: add some")
    return TrainingSet(tuple(tracks))


def open_lasot(root: Path, subset: str | None) -> EvaluationSet:
    """Open the existing sequences of a split for evaluation, `test` by default.

    Raises:
        DataError: when there is none.
        UsageError: for an unknown split.
    """
    subset = subset or "test"
    if subset not in SUBSETS:
        raise UsageError(f"LaSOT has no subset '{subset}' (known: {', '.join(SUBSETS)})")
    names = _split_names(subset)
    folders = [folder for folder in (*_category_sequences(root), *list_folders(root)) if folder.name in names]
    if not folders:
        raise DataError(f"{root} holds no sequence of LaSOT's {subset} split: car/car-1/groundtruth.txt is the layout")
    sequences = []
    for folder in folders:
        frames = GaplessPictures(folder / "img", folder.name)
        attributes = read_attributes(root / "att" / f"{folder.name}.txt", ATTRIBUTES)
        sequences.append(EvaluationSequence(folder.name, frames, partial(_read_truth, folder, frames), attributes))
    missing = names - {folder.name for folder in folders}
    notes = describe_missing(missing, len(names), f"LaSOT's {subset} split")
    return EvaluationSet(str(Kind.LASOT), Kind.LASOT, root, tuple(sequences), notes=notes)


def _read_truth(folder: Path, frames: Frames) -> Truth:
    boxes, hidden = _read_boxes(folder, len(frames))
    return Truth(mask_boxes(boxes, hidden, keep_first=True))


def _read_boxes(folder: Path, count: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read the `(count, 4)` boxes of a sequence, and `(count,)` True where the target is occluded or out of view."""
    path = folder / "groundtruth.txt"
    boxes = check_count(read_boxes(path), count, path)
    occluded, outside = (read_labels(folder / f"{name}.txt", count) for name in ("full_occlusion", "out_of_view"))
    return boxes, (occluded != 0) | (outside != 0)


def _split_names(split: str) -> frozenset[str]:
    """Return the names of the sequences of a split, `train` or `test`, from the GOT-10k toolkit's list."""
    return frozenset(json.loads((resources.files("got10k") / "datasets" / "lasot.json").read_text())[split])


def _category_sequences(root: Path) -> Iterator[Path]:
    """Yield `root/car/car-1`, `root/car/car-2` ..., in the order of their numbers."""
    for category in list_folders(root):
        pattern = re.compile(re.escape(category.name) + r"-(\d+)")
        numbered = [
            (int(match[1]), folder) for folder in list_folders(category) if (match := pattern.fullmatch(folder.name))
        ]
        yield from (folder for _, folder in sorted(numbered))
