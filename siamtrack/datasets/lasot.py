"""LaSOT: `car/car-1/img/00000001.jpg`, `groundtruth.txt`, `full_occlusion.txt` and `out_of_view.txt`.

Boxes are 1-based (HengLan/LaSOT_Evaluation_Toolkit#14). The two label files have one line with a number a frame
(1: the target is hidden). The archive of the test split has its sequences side by side, without a folder for `car`:
the benchmark reads both. For training, the training split is read; neither the test split nor the later extension is.
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

from siamtrack.datasets.annotations import fit_boxes, mask_boxes, read_boxes, read_labels
from siamtrack.datasets.contents import Contents
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Frames, Kind, Truth, note_missing
from siamtrack.datasets.files import list_folders, numbered_files
from siamtrack.datasets.frames import GaplessPictures
from siamtrack.datasets.ground_truth import hide, read_flags
from siamtrack.datasets.training_tracks import Track
from siamtrack.errors import DataError, UsageError

SUBSETS = ("test", "train")
ATTRIBUTES = ("IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC")
"""In the order of the columns of the evaluation toolkit's `att/NAME.txt` (HengLan/LaSOT_Evaluation_Toolkit#11)."""


def is_benchmark(root: Path) -> bool:
    """Return whether there is a folder `car` with a folder `car-1`, or a sequence of the test split."""
    return is_training_set(root) or any((root / name / "out_of_view.txt").is_file() for name in _split("test"))


def open_benchmark(root: Path, subset: str | None) -> EvaluationSet:
    """The sequences of a split that are there, whether below a folder of their category or not; `test` by default.

    Raises:
        DataError: when there is none.
        UsageError: for a split that does not exist.
    """
    subset = subset or "test"
    if subset not in SUBSETS:
        raise UsageError(f"LaSOT has no subset '{subset}' (known: {', '.join(SUBSETS)})")
    wanted = _split(subset)
    folders = [folder for folder in (*_nested_folders(root), *list_folders(root)) if folder.name in wanted]
    if not folders:
        raise DataError(f"{root} holds no sequence of LaSOT's {subset} split: car/car-1/groundtruth.txt is the layout")
    sequences = []
    for folder in folders:
        frames = GaplessPictures(folder / "img", folder.name)
        flags = read_flags(root / "att" / f"{folder.name}.txt", ATTRIBUTES)
        sequences.append(EvaluationSequence(folder.name, frames, partial(read_truth, folder, frames), flags))
    missing = wanted - {folder.name for folder in folders}
    notes = note_missing(missing, len(wanted), f"LaSOT's {subset} split")
    return EvaluationSet(str(Kind.LASOT), Kind.LASOT, root, tuple(sequences), notes=notes)


def read_truth(folder: Path, frames: Frames) -> Truth:
    """The boxes, with NaN where the target is fully occluded or out of view."""
    path = folder / "groundtruth.txt"
    boxes = fit_boxes(read_boxes(path), len(frames), path)
    return Truth(hide(boxes, _hidden(folder, len(boxes))))


def is_training_set(root: Path) -> bool:
    """Return whether there is a folder `car` with a folder `car-1`."""
    return next(_nested_folders(root), None) is not None


def read_training_set(root: Path) -> Contents:
    """Read the sequences of the training split.

    Raises:
        DataError: when there is none.
    """
    split = _split("train")
    tracks: list[Track] = []
    for folder in _nested_folders(root):
        if folder.name not in split:
            continue
        files = numbered_files(folder, "img/{:08d}.jpg", 1)
        truth = folder / "groundtruth.txt"
        boxes = fit_boxes(read_boxes(truth), files.count, truth)
        tracks.append(Track(folder.name, folder, mask_boxes(boxes, _hidden(folder, len(boxes))), files))
    if not tracks:
        raise DataError(f"{root} holds no sequence of LaSOT's training split, and others are not trained on: add some")
    return Contents(tuple(tracks))


def _split(name: str) -> frozenset[str]:
    """Return the names of a split, `train` or `test`, as the GOT-10k toolkit lists them."""
    return frozenset(json.loads((resources.files("got10k") / "datasets" / "lasot.json").read_text())[name])


def _hidden(folder: Path, count: int) -> NDArray[np.bool_]:
    """Read where the target of a sequence is fully occluded or out of view, `(count,)`.

    Raises:
        DataError: when a file of labels cannot be read, or does not have one a box.
    """
    occluded, outside = (read_labels(folder / f"{name}.txt", count) for name in ("full_occlusion", "out_of_view"))
    hidden: NDArray[np.bool_] = (occluded != 0) | (outside != 0)
    return hidden


def _nested_folders(root: Path) -> Iterator[Path]:
    """Yield `root/car/car-1`, `root/car/car-2` ..., in the order of their numbers."""
    for category in list_folders(root):
        pattern = re.compile(re.escape(category.name) + r"-(\d+)")
        numbered = [
            (int(match[1]), folder) for folder in list_folders(category) if (match := pattern.fullmatch(folder.name))
        ]
        yield from (folder for _, folder in sorted(numbered))
