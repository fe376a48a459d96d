"""VOT: `list.txt`, `NAME/color/00000001.jpg` (before 2018 `NAME/00000001.jpg`), `NAME/groundtruth.txt`, 1-based.

A line of the ground truth is a box, a polygon of four corners, or `nan`. Files such as `NAME/occlusion.tag` (`.label`
in older challenges) label the difficult frames; a label of any frame is an attribute of the sequence.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from siamtrack.datasets.annotations import read_ground_truth, read_labels, read_sequence_names, read_text
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind
from siamtrack.datasets.frames import GaplessPictures

_CHALLENGE = re.compile(r"vot[-_ ]?([a-z]*\d{4})", re.IGNORECASE)


def is_vot(root: Path) -> bool:
    """Return True if there is a list, and one of its sequences."""
    listing = root / "list.txt"
    return listing.is_file() and any((root / name / "groundtruth.txt").is_file() for name in read_text(listing).split())


def open_vot(root: Path) -> EvaluationSet:
    """Open the sequences that `list.txt` names.

    Raises:
        DataError: when there is no list, or it is empty.
    """
    names = read_sequence_names(root / "list.txt")
    return EvaluationSet(_challenge(root), Kind.VOT, root, tuple(_open_sequence(root / name) for name in names))


def _challenge(root: Path) -> str:
    """Return the challenge that the folder's name says, such as `VOT2018`; challenges share names of sequences."""
    match = _CHALLENGE.fullmatch(root.resolve().name)
    return f"{Kind.VOT}{match[1].upper()}" if match else str(Kind.VOT)


def _open_sequence(folder: Path) -> EvaluationSequence:
    color = folder / "color"
    frames = GaplessPictures(color if color.is_dir() else folder, folder.name)
    files = (*folder.glob("*.tag"), *folder.glob("*.label"))
    tags = frozenset(path.stem for path in files if read_labels(path, None).any())
    return EvaluationSequence(folder.name, frames, partial(read_ground_truth, folder / "groundtruth.txt", frames), tags)
