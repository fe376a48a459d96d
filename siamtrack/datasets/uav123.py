"""UAV123, UAV20L and UAV123@10fps: `data_seq/UAV123/FOLDER/000001.jpg` and `anno/UAV123/NAME.txt`, 1-based.

A folder has several sequences, which a table tells by their first and last picture; `NaN` stands for no target. At 10
frames a second, every third picture is there, numbered anew, below `data_seq/UAV123_10fps` and `anno/UAV123_10fps`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, note_missing
from siamtrack.datasets.frames import PictureRange
from siamtrack.datasets.ground_truth import read_flags, read_one_based
from siamtrack.errors import DataError, UsageError

ATTRIBUTES = ("SV", "ARC", "LR", "FM", "FOC", "POC", "OV", "BC", "IV", "VC", "CM", "SOB")
"""In the order of the columns of `anno/UAV123/att/NAME.txt`, that of the table in UAV123's DatasetAnnotation.pdf."""


@dataclass(frozen=True, slots=True)
class Subset:
    """One of the benchmarks that share the videos."""

    table: str
    """Its part of the GOT-10k toolkit's table."""
    pictures: str
    """The folder below `data_seq`."""
    step: int
    """Of so many pictures of the table, one is there."""


SUBSETS = {
    "UAV123": Subset("UAV123", "UAV123", 1),
    "UAV20L": Subset("UAV20L", "UAV123", 1),
    "UAV123_10fps": Subset("UAV123", "UAV123_10fps", 3),
}
"""By the folder below `anno`; the first one that is there is opened where none is asked for."""


def is_uav123(root: Path) -> bool:
    """Whether the annotations or the pictures are where they belong."""
    return any(
        (root / "anno" / name).is_dir() or (root / "data_seq" / subset.pictures).is_dir()
        for name, subset in SUBSETS.items()
    )


def open_uav123(root: Path, subset: str | None) -> EvaluationSet:
    """The sequences that have a file of annotations.

    Raises:
        DataError: when there is none, or the table does not know one.
        UsageError: for a subset that does not exist.
    """
    name = subset or next((each for each in SUBSETS if (root / "anno" / each).is_dir()), "UAV123")
    if name not in SUBSETS:
        raise UsageError(f"UAV123 has no subset '{name}' (known: {', '.join(SUBSETS)})")
    chosen = SUBSETS[name]
    table = json.loads((resources.files("got10k") / "datasets" / "uav123.json").read_text())[chosen.table]
    truths = sorted((root / "anno" / name).glob("*.txt"))
    if not truths:
        raise DataError(f"{root / 'anno' / name} holds no NAME.txt: unpack the annotations of {name} there")
    sequences = []
    for truth in truths:
        if truth.stem not in table:
            raise DataError(f"{truth}: {name} has no sequence of this name; take the file away")
        meta = table[truth.stem]
        first, last = (_renumbered(meta[key], chosen.step) for key in ("start_frame", "end_frame"))
        folder = root / "data_seq" / chosen.pictures / meta["folder_name"]
        frames = PictureRange(folder, "{:06d}.jpg", first, last - first + 1)
        flags = read_flags(root / "anno" / name / "att" / truth.name, ATTRIBUTES)
        sequences.append(EvaluationSequence(truth.stem, frames, partial(read_one_based, truth, frames), flags))
    notes = note_missing(table.keys() - {truth.stem for truth in truths}, len(table), name)
    return EvaluationSet(name, Kind.UAV123, root, tuple(sequences), notes=notes)


def _renumbered(picture: int, step: int) -> int:
    """Number of a picture, both from 1, where every `step`-th one was taken."""
    return (picture - 1) // step + 1
