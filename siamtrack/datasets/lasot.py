"""LaSOT: `car/car-1/img/00000001.jpg`, `groundtruth.txt`, 1-based, `full_occlusion.txt` and `out_of_view.txt`.

The archive of the test split has its sequences side by side, without a folder for `car`: both are read.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from siamtrack.datasets.annotations import fit_boxes, read_boxes
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Frames, Kind, Truth
from siamtrack.datasets.files import list_folders
from siamtrack.datasets.frames import GaplessPictures
from siamtrack.datasets.ground_truth import hide, read_flags
from siamtrack.datasets.missing import note_missing
from siamtrack.datasets.training_layouts import is_lasot as is_nested
from siamtrack.datasets.training_layouts import lasot_folders, lasot_hidden, lasot_split
from siamtrack.errors import DataError, UsageError

SUBSETS = ("test", "train")
ATTRIBUTES = ("IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC")
"""In the order of the columns of the evaluation toolkit's `att/NAME.txt` (HengLan/LaSOT_Evaluation_Toolkit#11)."""


def is_lasot(root: Path) -> bool:
    """Whether there is a folder `car` with a folder `car-1`, or a sequence of the test split."""
    return is_nested(root) or any((root / name / "out_of_view.txt").is_file() for name in lasot_split("test"))


def open_lasot(root: Path, subset: str | None) -> EvaluationSet:
    """The sequences of a split that are there, whether below a folder of their category or not; `test` by default.

    Raises:
        DataError: when there is none.
        UsageError: for a split that does not exist.
    """
    subset = subset or "test"
    if subset not in SUBSETS:
        raise UsageError(f"LaSOT has no subset '{subset}' (known: {', '.join(SUBSETS)})")
    wanted = lasot_split(subset)
    folders = [folder for folder in (*lasot_folders(root), *list_folders(root)) if folder.name in wanted]
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
    return Truth(hide(boxes, lasot_hidden(folder, len(boxes))))
