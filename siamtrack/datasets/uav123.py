"""UAV123, UAV20L and UAV123@10fps: `data_seq/UAV123/FOLDER/000001.jpg` and `anno/UAV123/NAME.txt`, 1-based.

A folder may hold several sequences; a table gives the first and last picture of each. `NaN` means no target. At 10
frames per second, `data_seq/UAV123_10fps` and `anno/UAV123_10fps` hold every third picture, with consecutive numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

from siamtrack.datasets.annotations import read_attributes, read_ground_truth
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, describe_missing
from siamtrack.datasets.frames import PictureRange
from siamtrack.errors import DataError, UsageError

ATTRIBUTES = ("SV", "ARC", "LR", "FM", "FOC", "POC", "OV", "BC", "IV", "VC", "CM", "SOB")
"""Columns of `anno/UAV123/att/NAME.txt` in their order, which is that of UAV123's DatasetAnnotation.pdf."""


@dataclass(frozen=True, slots=True)
class Subset:
    """Benchmark; several share the videos."""

    table: str
    """Name of its part of the GOT-10k toolkit's table."""
    pictures: str
    """Folder below `data_seq`."""
    step: int
    """Distance of the existing pictures, in pictures of the table."""


SUBSETS = {
    "UAV123": Subset("UAV123", "UAV123", 1),
    "UAV20L": Subset("UAV20L", "UAV123", 1),
    "UAV123_10fps": Subset("UAV123", "UAV123_10fps", 3),
}
"""Subsets by their folder below `anno`; the default is the first one that exists."""


def is_uav123(root: Path) -> bool:
    """Return True if there are annotations or pictures of a subset."""
    return any(
        (root / "anno" / name).is_dir() or (root / "data_seq" / subset.pictures).is_dir()
        for name, subset in SUBSETS.items()
    )


def open_uav123(root: Path, subset: str | None) -> EvaluationSet:
    """Open the sequences that have an annotation file.

    Raises:
        DataError: when there is none, or one that is not in the table.
        UsageError: for an unknown subset.
    """
    name = subset or next((each for each in SUBSETS if (root / "anno" / each).is_dir()), "UAV123")
    if name not in SUBSETS:
        raise UsageError(f"UAV123 has no subset '{name}' (known: {', '.join(SUBSETS)})")
    chosen = SUBSETS[name]
    table = json.loads((resources.files("got10k") / "datasets" / "uav123.json").read_text())[chosen.table]
    paths = sorted((root / "anno" / name).glob("*.txt"))
    if not paths:
        raise DataError(f"{root / 'anno' / name} holds no NAME.txt: unpack the annotations of {name} there")
    sequences = []
    for path in paths:
        if path.stem not in table:
            raise DataError(f"{path}: {name} has no sequence of this name; take the file away")
        meta = table[path.stem]
        first, last = (_renumbered(meta[key], chosen.step) for key in ("start_frame", "end_frame"))
        folder = root / "data_seq" / chosen.pictures / meta["folder_name"]
        frames = PictureRange(folder, "{:06d}.jpg", first, last - first + 1)
        attributes = read_attributes(root / "anno" / name / "att" / path.name, ATTRIBUTES)
        sequences.append(EvaluationSequence(path.stem, frames, partial(read_ground_truth, path, frames), attributes))
    notes = describe_missing(table.keys() - {path.stem for path in paths}, len(table), name)
    return EvaluationSet(name, Kind.UAV123, root, tuple(sequences), notes=notes)


def _renumbered(picture: int, step: int) -> int:
    """Return the new number of a picture when every `step`-th one is kept; both numbers are 1-based."""
    return (picture - 1) // step + 1
