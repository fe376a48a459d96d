"""VOT: `list.txt`, `NAME/color/00000001.jpg` (before 2018 `NAME/00000001.jpg`), `NAME/groundtruth.txt`, 1-based.

A line of the truth is a box, a polygon of four corners, or `nan`; `NAME/occlusion.tag` and so on say frame by frame
what is difficult, and what is so in any frame is an attribute of the sequence.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from siamtrack.data.annotations import read_labels, read_text
from siamtrack.errors import DataError
from siamtrack.evaluation.datasets.frames import GaplessPictures
from siamtrack.evaluation.datasets.truths import read_one_based
from siamtrack.evaluation.sequences import EvaluationSequence, EvaluationSet, Kind


def is_vot(root: Path) -> bool:
    """Whether there is a list, and one of its sequences."""
    listing = root / "list.txt"
    return listing.is_file() and any((root / name / "groundtruth.txt").is_file() for name in read_text(listing).split())


def open_vot(root: Path) -> EvaluationSet:
    """The sequences that `list.txt` names.

    Raises:
        DataError: when there is no list, or it is empty.
    """
    listing = root / "list.txt"
    names = read_text(listing).split()
    if not names:
        raise DataError(f"{listing} is empty: it names the sequences, one a line")
    return EvaluationSet(str(Kind.VOT), Kind.VOT, root, tuple(_sequence(root / name) for name in names))


def _sequence(folder: Path) -> EvaluationSequence:
    color = folder / "color"
    frames = GaplessPictures(color if color.is_dir() else folder, folder.name)
    tags = frozenset(path.stem for path in folder.glob("*.tag") if read_labels(path, None).any())
    return EvaluationSequence(folder.name, frames, partial(read_one_based, folder / "groundtruth.txt", frames), tags)
