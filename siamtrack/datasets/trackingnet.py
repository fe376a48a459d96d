"""TrackingNet: chunks `TEST`, `TRAIN_0` ... with `frames/NAME/0.jpg` and `anno/NAME.txt`, 0-based.

The devkit draws the boxes with OpenCV without an offset, so that the first pixel is 0. In `TEST` only the first frame
has a box.

Training uses the existing chunks of `TRAIN_0` to `TRAIN_11`; `TEST` is never read. Evaluation uses `TEST` by default.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from siamtrack.datasets.annotations import check_count, keep_first_box, mask_boxes, read_boxes
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Frames, Kind, Truth
from siamtrack.datasets.frames import GaplessPictures, list_folders, numbered_files
from siamtrack.datasets.training_tracks import Track, TrainingSet
from siamtrack.errors import DataError, UsageError


def has_trackingnet_training(root: Path) -> bool:
    """Return True if a folder such as `TRAIN_0` has `anno/` or `frames/`."""
    return bool(_training_chunks(root))


def is_trackingnet(root: Path) -> bool:
    """Return True if a chunk with annotations is there."""
    return bool(_annotated_chunks(root))


def _training_chunks(root: Path) -> list[Path]:
    chunks = [
        folder
        for folder in list_folders(root)
        if re.fullmatch(r"TRAIN_\d+", folder.name) and ((folder / "anno").is_dir() or (folder / "frames").is_dir())
    ]
    return sorted(chunks, key=lambda folder: int(folder.name.removeprefix("TRAIN_")))


def _annotated_chunks(root: Path) -> list[str]:
    names = [folder.name for folder in list_folders(root) if (folder / "anno").is_dir()]
    return [name for name in names if name == "TEST" or name.startswith("TRAIN_")]


def read_trackingnet(root: Path) -> TrainingSet:
    """Read the tracks of the training chunks."""
    tracks: list[Track] = []
    for chunk in _training_chunks(root):
        for part in ("anno", "frames"):
            if not (chunk / part).is_dir():
                raise DataError(f"{chunk} lacks the folder {part}/: unpack it, or take {chunk.name} away")
        for path in _annotation_files(chunk):
            folder = chunk / "frames" / path.stem
            if not folder.is_dir():
                raise DataError(f"{path} has no frames: unpack {path.stem}.zip to {folder}, or remove the file")
            files = numbered_files(folder, "{:d}.jpg", 0)
            boxes = check_count(read_boxes(path, first_pixel=0), files.count, path)
            tracks.append(Track(path.stem, folder, mask_boxes(boxes), files))
    return TrainingSet(tuple(tracks))


def open_trackingnet(root: Path, subset: str | None) -> EvaluationSet:
    """Open the sequences of one chunk for evaluation, `TEST` by default.

    Raises:
        DataError: when the chunk has no annotations.
        UsageError: for a chunk that does not exist.
    """
    chunk, chunks = subset or "TEST", _annotated_chunks(root)
    if chunk not in chunks:
        raise UsageError(f"{root} has no chunk '{chunk}' with annotations (there: {', '.join(chunks) or 'none'})")
    read = _read_first_truth if chunk == "TEST" else _read_truth
    sequences = []
    for path in _annotation_files(root / chunk):
        frames = GaplessPictures(root / chunk / "frames" / path.stem, path.stem)
        sequences.append(EvaluationSequence(path.stem, frames, partial(read, path, frames)))
    return EvaluationSet(str(Kind.TRACKINGNET), Kind.TRACKINGNET, root, tuple(sequences), has_truth=chunk != "TEST")


def _annotation_files(chunk: Path) -> list[Path]:
    paths = sorted((chunk / "anno").glob("*.txt"))
    if not paths:
        raise DataError(f"{chunk / 'anno'} holds no NAME.txt: unpack the annotations of {chunk.name}")
    return paths


def _read_truth(path: Path, frames: Frames) -> Truth:
    return Truth(mask_boxes(check_count(read_boxes(path, first_pixel=0), len(frames), path)))


def _read_first_truth(path: Path, frames: Frames) -> Truth:
    return Truth(keep_first_box(read_boxes(path, first_pixel=0), frames, path))
