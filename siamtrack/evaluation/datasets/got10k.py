"""GOT-10k: `val/` with boxes, `test/` with that of the first frame, `train/` if it is asked for."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from siamtrack.data.annotations import fit_boxes, mask_boxes, read_boxes, read_labels, read_text
from siamtrack.errors import DataError, UsageError
from siamtrack.evaluation.datasets.frames import GaplessPictures
from siamtrack.evaluation.datasets.truths import only_first
from siamtrack.evaluation.sequences import EvaluationSequence, EvaluationSet, Frames, Kind, Truth

SUBSETS = ("val", "test", "train")
_RESOLUTION = re.compile(r"resolution:\s*\((\d+),\s*(\d+)\)")


def is_got10k(root: Path) -> bool:
    """Whether a subset with a list of its sequences is there."""
    return any((root / subset / "list.txt").is_file() for subset in SUBSETS)


def open_got10k(root: Path, subset: str | None) -> EvaluationSet:
    """The sequences that a subset's `list.txt` names; `val` unless another one is asked for.

    Raises:
        DataError: when there is no list.
        UsageError: for a subset that does not exist.
    """
    subset = subset or "val"
    if subset not in SUBSETS:
        raise UsageError(f"GOT-10k has no subset '{subset}' (known: {', '.join(SUBSETS)})")
    listing = root / subset / "list.txt"
    names = read_text(listing).split()
    if not names:
        raise DataError(f"{listing} is empty: it names the sequences, one a line")
    read = read_first_truth if subset == "test" else read_truth
    sequences = []
    for name in names:
        frames = GaplessPictures(root / subset / name, name)
        sequences.append(EvaluationSequence(name, frames, partial(read, root / subset / name, frames)))
    return EvaluationSet(str(Kind.GOT10K), Kind.GOT10K, root, tuple(sequences), has_truth=subset != "test")


def read_truth(folder: Path, frames: Frames) -> Truth:
    """`groundtruth.txt`, 1-based, with NaN where `absence.label` or `cover.label` says that there is no target."""
    path = folder / "groundtruth.txt"
    boxes = fit_boxes(read_boxes(path), len(frames), path)
    absent = read_labels(folder / "absence.label", len(boxes)) != 0
    cover = read_labels(folder / "cover.label", len(boxes))
    return Truth(mask_boxes(boxes, absent | (cover == 0)), cover=cover, size=_size(folder))


def read_first_truth(folder: Path, frames: Frames) -> Truth:
    """The box of the first frame of a test sequence."""
    path = folder / "groundtruth.txt"
    return Truth(only_first(read_boxes(path), frames, path), size=_size(folder))


def _size(folder: Path) -> tuple[int, int] | None:
    """Width and height that boxes are cut to when they are scored, as `meta_info.ini` has them."""
    path = folder / "meta_info.ini"
    if not path.is_file():
        return None
    match = _RESOLUTION.search(read_text(path))
    if match is None:
        raise DataError(f"{path} has no line 'resolution: (WIDTH, HEIGHT)': unpack sequence {folder.name} again")
    return int(match[1]), int(match[2])
