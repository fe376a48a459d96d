"""GOT-10k: `train/`, `val/` and `test/` with `list.txt`, and a folder a sequence.

A sequence has `00000001.jpg` and so on, `groundtruth.txt`, 1-based (got-10k/toolkit#6), and a number a frame in
`absence.label` (1: not in the picture) and `cover.label` (visible part of the target, from 0, nothing, to 8). A test
sequence has the box of its first frame only.

For training, `train/` trains and `val/` validates, and frames in which the target is hidden have no box. As a
benchmark, one subset is read, `val/` by default; the box of the first frame always counts.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.annotations import fit_boxes, mask_boxes, read_boxes, read_labels, read_text
from siamtrack.datasets.contents import Contents
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Frames, Kind, Truth
from siamtrack.datasets.files import numbered_files
from siamtrack.datasets.frames import GaplessPictures
from siamtrack.datasets.ground_truth import hide, only_first
from siamtrack.datasets.training_tracks import Track
from siamtrack.errors import DataError, UsageError

SUBSETS = ("val", "test", "train")
_RESOLUTION = re.compile(r"resolution:\s*\((\d+),\s*(\d+)\)")


def is_benchmark(root: Path) -> bool:
    """Return whether a subset with the list of its sequences is there, or the folder is itself a subset."""
    return any((root / subset / "list.txt").is_file() for subset in SUBSETS) or _is_subset(root)


def _is_subset(root: Path) -> bool:
    """Whether a folder is `val/` or its like; it looks like VOT's otherwise."""
    return (root / "list.txt").is_file() and next(root.glob("GOT-10k_*"), None) is not None


def open_benchmark(root: Path, subset: str | None) -> EvaluationSet:
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
    for name in sequence_names(root / subset):
        frames = GaplessPictures(root / subset / name, name)
        sequences.append(EvaluationSequence(name, frames, partial(read, root / subset / name, frames)))
    return EvaluationSet(str(Kind.GOT10K), Kind.GOT10K, root, tuple(sequences), has_truth=subset != "test")


def read_truth(folder: Path, frames: Frames) -> Truth:
    """`groundtruth.txt`, 1-based, with NaN where `absence.label` or `cover.label` says that there is no target."""
    path = folder / "groundtruth.txt"
    boxes = fit_boxes(read_boxes(path), len(frames), path)
    hidden, cover = _visibility(folder, len(boxes))
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


def is_training_set(root: Path) -> bool:
    """Return whether `train/` or `val/` is there with `list.txt` or a folder `GOT-10k_...`."""
    return any(
        (root / subset / "list.txt").is_file() or next((root / subset).glob("GOT-10k_*"), None) is not None
        for subset in ("train", "val")
    )


def read_training_set(root: Path) -> Contents:
    """Read `train/` to train on and `val/` to validate with; `test/` is never read."""
    return Contents(_read_tracks(root / "train"), _read_tracks(root / "val"))


def _read_tracks(subset: Path) -> tuple[Track, ...]:
    if not subset.is_dir():
        return ()
    tracks: list[Track] = []
    for name in sequence_names(subset):
        folder = subset / name
        if not folder.is_dir():
            raise DataError(
                f"{subset / 'list.txt'} names {name}, and {folder} does not exist: unpack it, or remove the line"
            )
        files = numbered_files(folder, "{:08d}.jpg", 1)
        truth = folder / "groundtruth.txt"
        boxes = fit_boxes(read_boxes(truth), files.count, truth)
        hidden, _ = _visibility(folder, len(boxes))
        tracks.append(Track(name, folder, mask_boxes(boxes, hidden), files))
    return tuple(tracks)


def sequence_names(subset: Path) -> list[str]:
    """Return the sequences that `list.txt` of a subset names.

    Raises:
        DataError: when there is no list, or it is empty.
    """
    listing = subset / "list.txt"
    if not listing.is_file():
        raise DataError(
            f"{subset} holds sequences of GOT-10k and no list.txt: copy it from the archive; it names them, one a line"
        )
    names = read_text(listing).split()
    if not names:
        raise DataError(f"{listing} is empty: it names the sequences, one a line")
    return names


def _visibility(folder: Path, count: int) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Read where the target of a sequence is hidden, and how much of it is visible.

    Args:
        folder: of the sequence.
        count: of its boxes.

    Returns:
        `(count,)` whether it is absent or wholly covered, and `(count,)` `cover.label`, from 0, nothing, to 8.

    Raises:
        DataError: when a file of labels cannot be read, or does not have one a box.
    """
    absent = read_labels(folder / "absence.label", count) != 0
    cover = read_labels(folder / "cover.label", count)
    return absent | (cover == 0), cover
