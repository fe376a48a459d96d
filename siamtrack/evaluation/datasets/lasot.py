"""LaSOT: `car/car-1/img/00000001.jpg`, `groundtruth.txt`, 1-based, `full_occlusion.txt` and `out_of_view.txt`."""

from __future__ import annotations

import json
from functools import partial
from importlib import resources
from pathlib import Path

from siamtrack.data.annotations import fit_boxes, mask_boxes, read_boxes, read_labels
from siamtrack.data.layouts import lasot_folders
from siamtrack.errors import DataError, UsageError
from siamtrack.evaluation.datasets.frames import GaplessPictures
from siamtrack.evaluation.datasets.truths import read_flags
from siamtrack.evaluation.sequences import EvaluationSequence, EvaluationSet, Frames, Kind, Truth

SUBSETS = ("test", "train")
ATTRIBUTES = ("IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC")
"""In the order of the columns of the evaluation toolkit's `att/NAME.txt`."""


def open_lasot(root: Path, subset: str | None) -> EvaluationSet:
    """The sequences of a split that are there, whether below a folder of their category or not; `test` by default.

    Raises:
        DataError: when there is none.
        UsageError: for a split that does not exist.
    """
    subset = subset or "test"
    if subset not in SUBSETS:
        raise UsageError(f"LaSOT has no subset '{subset}' (known: {', '.join(SUBSETS)})")
    splits = json.loads((resources.files("got10k") / "datasets" / "lasot.json").read_text())
    wanted = frozenset(splits[subset])
    folders = [folder for folder in lasot_folders(root) if folder.name in wanted]
    if not folders:
        raise DataError(f"{root} holds no sequence of LaSOT's {subset} split: car/car-1/groundtruth.txt is the layout")
    sequences = []
    for folder in folders:
        frames = GaplessPictures(folder / "img", folder.name)
        flags = read_flags(root / "att" / f"{folder.name}.txt", ATTRIBUTES)
        sequences.append(EvaluationSequence(folder.name, frames, partial(read_truth, folder, frames), flags))
    missing = len(wanted) - len(sequences)
    notes = (f"{missing} of {len(wanted)} sequences of the {subset} split are missing",) if missing else ()
    return EvaluationSet(str(Kind.LASOT), Kind.LASOT, root, tuple(sequences), notes=notes)


def read_truth(folder: Path, frames: Frames) -> Truth:
    """The boxes, with NaN where the target is fully occluded or out of view."""
    path = folder / "groundtruth.txt"
    boxes = fit_boxes(read_boxes(path), len(frames), path)
    hidden = [read_labels(folder / name, len(boxes)) != 0 for name in ("full_occlusion.txt", "out_of_view.txt")]
    return Truth(mask_boxes(boxes, hidden[0] | hidden[1]))
