"""TrackingNet: chunks `TEST`, `TRAIN_0` to `TRAIN_11` with `frames/NAME/0.jpg` and `anno/NAME.txt`.

Boxes are 0-based: its devkit draws them into OpenCV's pixels as they are. For training, all chunks `TRAIN_...` that are
there are read, and `TEST` never is. As a benchmark, one chunk is read, `TEST` by default.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from siamtrack.datasets.annotations import fit_boxes, mask_boxes, read_rows
from siamtrack.datasets.contents import Contents
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Frames, Kind, Truth
from siamtrack.datasets.files import list_folders, numbered_files
from siamtrack.datasets.frames import GaplessPictures
from siamtrack.datasets.ground_truth import only_first
from siamtrack.datasets.training_tracks import Track
from siamtrack.errors import DataError, UsageError


def is_benchmark(root: Path) -> bool:
    """Return whether a chunk with annotations is there."""
    return bool(_chunks(root))


def _chunks(root: Path) -> list[str]:
    names = [folder.name for folder in list_folders(root) if (folder / "anno").is_dir()]
    return [name for name in names if name == "TEST" or name.startswith("TRAIN_")]


def open_benchmark(root: Path, subset: str | None) -> EvaluationSet:
    """The sequences of one chunk, `TEST` by default, whose truth is that of the first frame; or of another chunk.

    Raises:
        DataError: when the chunk has no annotations.
        UsageError: for a chunk that is not there.
    """
    chunk, there = subset or "TEST", _chunks(root)
    if chunk not in there:
        raise UsageError(f"{root} has no chunk '{chunk}' with annotations (there: {', '.join(there) or 'none'})")
    truths = sorted((root / chunk / "anno").glob("*.txt"))
    if not truths:
        raise DataError(f"{root / chunk / 'anno'} holds no NAME.txt: unpack the annotations of {chunk}")
    read = read_first_truth if chunk == "TEST" else read_truth
    sequences = []
    for path in truths:
        frames = GaplessPictures(root / chunk / "frames" / path.stem, path.stem)
        sequences.append(EvaluationSequence(path.stem, frames, partial(read, path, frames)))
    return EvaluationSet(str(Kind.TRACKINGNET), Kind.TRACKINGNET, root, tuple(sequences), has_truth=chunk != "TEST")


def read_truth(path: Path, frames: Frames) -> Truth:
    """A box a frame; those without a size are none."""
    return Truth(mask_boxes(fit_boxes(read_rows(path), len(frames), path)))


def read_first_truth(path: Path, frames: Frames) -> Truth:
    """The box of the first frame."""
    return Truth(only_first(read_rows(path), frames, path))


def is_training_set(root: Path) -> bool:
    """Return whether there is a folder `TRAIN_0` or the like with `anno/` or `frames/`."""
    return bool(_training_chunks(root))


def read_training_set(root: Path) -> Contents:
    """Read the chunks `TRAIN_0` to `TRAIN_11` that are there.

    Raises:
        DataError: when a chunk lacks a folder, or a sequence its frames.
    """
    tracks: list[Track] = []
    for chunk in _training_chunks(root):
        for part in ("anno", "frames"):
            if not (chunk / part).is_dir():
                raise DataError(f"{chunk} lacks the folder {part}/: unpack it, or take {chunk.name} away")
        truths = sorted((chunk / "anno").glob("*.txt"))
        if not truths:
            raise DataError(f"{chunk / 'anno'} holds no NAME.txt: unpack the annotations of {chunk.name}")
        for truth in truths:
            folder = chunk / "frames" / truth.stem
            if not folder.is_dir():
                raise DataError(f"{truth} has no frames: unpack {truth.stem}.zip to {folder}, or remove the file")
            files = numbered_files(folder, "{:d}.jpg", 0)
            boxes = fit_boxes(read_rows(truth), files.count, truth)
            tracks.append(Track(truth.stem, folder, mask_boxes(boxes), files))
    return Contents(tuple(tracks))


def _training_chunks(root: Path) -> list[Path]:
    chunks = [
        folder
        for folder in list_folders(root)
        if re.fullmatch(r"TRAIN_\d+", folder.name) and ((folder / "anno").is_dir() or (folder / "frames").is_dir())
    ]
    return sorted(chunks, key=lambda folder: int(folder.name.removeprefix("TRAIN_")))
