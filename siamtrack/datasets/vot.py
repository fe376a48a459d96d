"""VOT: `list.txt`, `NAME/color/00000001.jpg` (before 2018 `NAME/00000001.jpg`), `NAME/groundtruth.txt`, 1-based.

A line of the truth is a box, a polygon of four corners, or `nan`; `NAME/occlusion.tag` and so on (`.label` at first)
say frame by frame what is difficult, and what is so in any frame is an attribute of the sequence.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from siamtrack.datasets.annotations import read_labels, read_text
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind
from siamtrack.datasets.frames import GaplessPictures
from siamtrack.datasets.ground_truth import read_one_based
from siamtrack.errors import DataError

_CHALLENGE = re.compile(r"vot[-_ ]?([a-z]*\d{4})", re.IGNORECASE)


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
    return EvaluationSet(_challenge(root), Kind.VOT, root, tuple(_sequence(root / name) for name in names))


def _challenge(root: Path) -> str:
    """`VOT2018` if the folder is called so: challenges share names of sequences, and their results do not mix."""
    match = _CHALLENGE.fullmatch(root.resolve().name)
    return f"{Kind.VOT}{match[1].upper()}" if match else str(Kind.VOT)


def _sequence(folder: Path) -> EvaluationSequence:
    color = folder / "color"
    frames = GaplessPictures(color if color.is_dir() else folder, folder.name)
    files = (*folder.glob("*.tag"), *folder.glob("*.label"))
    tags = frozenset(path.stem for path in files if read_labels(path, None).any())
    return EvaluationSequence(folder.name, frames, partial(read_one_based, folder / "groundtruth.txt", frames), tags)
