"""TrackingNet: chunks `TEST`, `TRAIN_0` ... with `frames/NAME/0.jpg` and `anno/NAME.txt`, 0-based."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from siamtrack.datasets.annotations import fit_boxes, mask_boxes, read_rows
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Frames, Kind, Truth
from siamtrack.datasets.files import list_folders
from siamtrack.datasets.frames import GaplessPictures
from siamtrack.datasets.ground_truth import only_first
from siamtrack.errors import DataError, UsageError


def is_trackingnet(root: Path) -> bool:
    """Whether a chunk is there."""
    return bool(_chunks(root))


def _chunks(root: Path) -> list[str]:
    names = [folder.name for folder in list_folders(root) if (folder / "anno").is_dir()]
    return [name for name in names if name == "TEST" or name.startswith("TRAIN_")]


def open_trackingnet(root: Path, subset: str | None) -> EvaluationSet:
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
