"""GOT-10k: `val/` with boxes, `test/` with that of the first frame, `train/` if it is asked for."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from siamtrack.datasets.annotations import fit_boxes, read_boxes, read_text
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Frames, Kind, Truth
from siamtrack.datasets.frames import GaplessPictures
from siamtrack.datasets.ground_truth import hide, only_first
from siamtrack.datasets.training_layouts import got10k_names, got10k_visibility
from siamtrack.errors import DataError, UsageError

SUBSETS = ("val", "test", "train")
_RESOLUTION = re.compile(r"resolution:\s*\((\d+),\s*(\d+)\)")


def is_got10k(root: Path) -> bool:
    """Whether a subset with a list of its sequences is there, or the folder is itself one."""
    return any((root / subset / "list.txt").is_file() for subset in SUBSETS) or _is_subset(root)


def _is_subset(root: Path) -> bool:
    """Whether a folder is `val/` or its like; it looks like VOT's otherwise."""
    return (root / "list.txt").is_file() and next(root.glob("GOT-10k_*"), None) is not None


def open_got10k(root: Path, subset: str | None) -> EvaluationSet:
    """The sequences that a subset's `list.txt` names; `val` unless another one is asked for.

    Raises:
        DataError: when there is no list.
        UsageError: for a subset that does not exist, and when the folder is a subset.
    """
    if _is_subset(root):
        place = root.resolve()
        raise UsageError(f"{root} is a subset of GOT-10k: give the folder it is in, {place.parent}, and its name")
    subset = subset or "val"
    if subset not in SUBSETS:
        raise UsageError(f"GOT-10k has no subset '{subset}' (known: {', '.join(SUBSETS)})")
    read = read_first_truth if subset == "test" else read_truth
    sequences = []
    for name in got10k_names(root / subset):
        frames = GaplessPictures(root / subset / name, name)
        sequences.append(EvaluationSequence(name, frames, partial(read, root / subset / name, frames)))
    return EvaluationSet(str(Kind.GOT10K), Kind.GOT10K, root, tuple(sequences), has_truth=subset != "test")


def read_truth(folder: Path, frames: Frames) -> Truth:
    """`groundtruth.txt`, 1-based, with NaN where `absence.label` or `cover.label` says that there is no target."""
    path = folder / "groundtruth.txt"
    boxes = fit_boxes(read_boxes(path), len(frames), path)
    hidden, cover = got10k_visibility(folder, len(boxes))
    return Truth(hide(boxes, hidden), cover=cover, size=_size(folder))


def read_first_truth(folder: Path, frames: Frames) -> Truth:
    """The box of the first frame of a test sequence; nothing is scored here, and so no size is needed."""
    path = folder / "groundtruth.txt"
    return Truth(only_first(read_boxes(path), frames, path))


def _size(folder: Path) -> tuple[int, int]:
    """Width and height that boxes are cut to when they are scored, as `meta_info.ini` has them.

    Raises:
        DataError: when it does not.
    """
    path = folder / "meta_info.ini"
    match = _RESOLUTION.search(read_text(path))
    if match is None:
        raise DataError(f"{path} has no line 'resolution: (WIDTH, HEIGHT)': unpack sequence {folder.name} again")
    return int(match[1]), int(match[2])
