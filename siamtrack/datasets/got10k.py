"""GOT-10k: `SUBSET/NAME/00000001.jpg`, `groundtruth.txt`, 1-based (got-10k/toolkit#6), and labels of visibility.

A subset (`train`, `val`, `test`) has `list.txt` with the names of its sequences. A sequence has one number per frame
in `absence.label` (1: not in the picture) and `cover.label` (visible part of the target, from 0, nothing, to 8). In
`test/` only the first frame has a box.

Training uses `train/` and validates with `val/`; `test/` is never read. Evaluation uses `val/` by default.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.annotations import (
    check_count,
    keep_first_box,
    mask_boxes,
    read_boxes,
    read_labels,
    read_sequence_names,
    read_text,
)
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Frames, Kind, Truth
from siamtrack.datasets.frames import GaplessPictures, numbered_files
from siamtrack.datasets.training_tracks import Track, TrainingSet
from siamtrack.errors import DataError, UsageError

SUBSETS = ("val", "test", "train")
_RESOLUTION = re.compile(r"resolution:\s*\((\d+),\s*(\d+)\)")


def has_got10k_training(root: Path) -> bool:
    """Return True if `train/` or `val/` has `list.txt` or a folder `GOT-10k_...`."""
    return any((root / subset / "list.txt").is_file() or _has_sequence(root / subset) for subset in ("train", "val"))


def is_got10k(root: Path) -> bool:
    """Return True if a subset has a list of its sequences, or the folder is a subset itself."""
    return any((root / subset / "list.txt").is_file() for subset in SUBSETS) or _is_subset(root)


def _has_sequence(subset: Path) -> bool:
    return next(subset.glob("GOT-10k_*"), None) is not None


def _is_subset(root: Path) -> bool:
    """Return True for `val/` or another subset, whose layout is otherwise that of VOT."""
    return (root / "list.txt").is_file() and _has_sequence(root)


def read_got10k(root: Path) -> TrainingSet:
    """Read the tracks of `train/` for training and of `val/` for validation."""
    return TrainingSet(_read_tracks(root / "train"), _read_tracks(root / "val"))


def _read_tracks(subset: Path) -> tuple[Track, ...]:
    if not subset.is_dir():
        return ()
    tracks: list[Track] = []
    for name in _sequence_names(subset):
        folder = subset / name
        if not folder.is_dir():
            raise DataError(
                f"{subset / 'list.txt'} names {name}, and {folder} does not exist: unpack it, or remove the line"
            )
        files = numbered_files(folder, "{:08d}.jpg", 1)
        boxes, hidden, _ = _read_boxes(folder, files.count)
        tracks.append(Track(name, folder, mask_boxes(boxes, hidden), files))
    return tuple(tracks)


def open_got10k(root: Path, subset: str | None) -> EvaluationSet:
    """Open the sequences of a subset for evaluation, `val` by default.

    Raises:
        DataError: when the subset has no list.
        UsageError: for an unknown subset, and when the folder is a subset itself.
    """
    if _is_subset(root):
        folder = root.resolve()
        raise UsageError(f"{root} is a subset of GOT-10k: give the folder it is in, {folder.parent}, and its name")
    subset = subset or "val"
    if subset not in SUBSETS:
        raise UsageError(f"GOT-10k has no subset '{subset}' (known: {', '.join(SUBSETS)})")
    read = _read_first_truth if subset == "test" else _read_truth
    sequences = []
    for name in _sequence_names(root / subset):
        frames = GaplessPictures(root / subset / name, name)
        sequences.append(EvaluationSequence(name, frames, partial(read, root / subset / name, frames)))
    return EvaluationSet(str(Kind.GOT10K), Kind.GOT10K, root, tuple(sequences), has_truth=subset != "test")


def _read_truth(folder: Path, frames: Frames) -> Truth:
    boxes, hidden, cover = _read_boxes(folder, len(frames))
    return Truth(mask_boxes(boxes, hidden, keep_first=True), cover=cover, size=_read_size(folder))


def _read_first_truth(folder: Path, frames: Frames) -> Truth:
    path = folder / "groundtruth.txt"
    return Truth(keep_first_box(read_boxes(path), frames, path))


def _sequence_names(subset: Path) -> list[str]:
    path = subset / "list.txt"
    if not path.is_file():
        raise DataError(
            f"{subset} holds sequences of GOT-10k and no list.txt: copy it from the archive; it names them, one a line"
        )
    return read_sequence_names(path)


def _read_boxes(folder: Path, count: int) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.intp]]:
    """Read the annotations of a sequence of `count` frames.

    Returns:
        `(count, 4)` boxes, `(count,)` True where the target is absent or fully covered, and `(count,)` `cover.label`.
    """
    path = folder / "groundtruth.txt"
    boxes = check_count(read_boxes(path), count, path)
    absent = read_labels(folder / "absence.label", count) != 0
    cover = read_labels(folder / "cover.label", count)
    return boxes, absent | (cover == 0), cover


def _read_size(folder: Path) -> tuple[int, int]:
    """Read width and height of the frames from `meta_info.ini`.

    Raises:
        DataError: when they are not there.
    """
    path = folder / "meta_info.ini"
    match = _RESOLUTION.search(read_text(path))
    if match is None:
        raise DataError(f"{path} has no line 'resolution: (WIDTH, HEIGHT)': unpack sequence {folder.name} again")
    return int(match[1]), int(match[2])
