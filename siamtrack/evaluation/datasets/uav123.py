"""UAV123 and UAV20L: `data_seq/UAV123/FOLDER/000001.jpg`, `anno/UAV123/NAME.txt`, 1-based, `NaN` without target.

A folder has several sequences, which the GOT-10k toolkit's table tells by their first and last picture.
"""

from __future__ import annotations

import json
from functools import partial
from importlib import resources
from pathlib import Path

from siamtrack.errors import DataError, UsageError
from siamtrack.evaluation.datasets.frames import PictureRange
from siamtrack.evaluation.datasets.truths import read_flags, read_one_based
from siamtrack.evaluation.sequences import EvaluationSequence, EvaluationSet, Kind

SUBSETS = ("UAV123", "UAV20L")
ATTRIBUTES = ("SV", "ARC", "LR", "FM", "FOC", "POC", "OV", "BC", "IV", "VC", "CM", "SOB")
"""In the order of the columns of `anno/UAV123/att/NAME.txt`."""


def is_uav123(root: Path) -> bool:
    """Whether the annotations or the pictures are where they belong."""
    return (root / "anno" / "UAV123").is_dir() or (root / "data_seq" / "UAV123").is_dir()


def open_uav123(root: Path, subset: str | None) -> EvaluationSet:
    """The sequences that have a file of annotations; `UAV123` unless `UAV20L` is asked for.

    Raises:
        DataError: when there is none, or the table does not know one.
        UsageError: for a subset that does not exist.
    """
    subset = subset or "UAV123"
    if subset not in SUBSETS:
        raise UsageError(f"UAV123 has no subset '{subset}' (known: {', '.join(SUBSETS)})")
    table = json.loads((resources.files("got10k") / "datasets" / "uav123.json").read_text())[subset]
    truths = sorted((root / "anno" / subset).glob("*.txt"))
    if not truths:
        raise DataError(f"{root / 'anno' / subset} holds no NAME.txt: unpack the annotations of {subset} there")
    sequences = []
    for truth in truths:
        if truth.stem not in table:
            raise DataError(f"{truth}: {subset} has no sequence of this name; take the file away")
        meta = table[truth.stem]
        first, last = meta["start_frame"], meta["end_frame"]
        folder = root / "data_seq" / "UAV123" / meta["folder_name"]
        frames = PictureRange(folder, "{:06d}.jpg", first, last - first + 1)
        flags = read_flags(root / "anno" / subset / "att" / truth.name, ATTRIBUTES)
        sequences.append(EvaluationSequence(truth.stem, frames, partial(read_one_based, truth, frames), flags))
    missing = len(table) - len(sequences)
    notes = (f"{missing} of {len(table)} sequences are missing",) if missing else ()
    return EvaluationSet(subset, Kind.UAV123, root, tuple(sequences), notes=notes)
