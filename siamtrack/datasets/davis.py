"""DAVIS: `JPEGImages/480p/NAME/00000.jpg` with masks `Annotations/480p/NAME/00000.png`, whose boxes are the truth.

Every pixel that is not black belongs to the target, as in DAVIS-2016; the objects of DAVIS-2017 count as one.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from siamtrack.datasets.annotations import read_text
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, Truth
from siamtrack.datasets.frames import GaplessPictures, list_folders, read_picture
from siamtrack.errors import DataError, UsageError

RESOLUTIONS = ("480p", "1080p", "Full-Resolution")


def is_davis(root: Path) -> bool:
    """Return True if there are pictures and masks."""
    return (root / "JPEGImages").is_dir() and (root / "Annotations").is_dir()


def open_davis(root: Path, subset: str | None) -> EvaluationSet:
    """Open the sequences of a list in `ImageSets` (`2016/val`, `480p/val`); all sequences by default.

    Raises:
        DataError: when there are no sequences.
        UsageError: for an unknown list.
    """
    resolution = next((name for name in RESOLUTIONS if (root / "JPEGImages" / name).is_dir()), None)
    if resolution is None:
        raise DataError(f"{root / 'JPEGImages'} has none of the folders {', '.join(RESOLUTIONS)}: unpack it again")
    pictures, masks = root / "JPEGImages" / resolution, root / "Annotations" / resolution
    names = [folder.name for folder in list_folders(pictures)] if subset is None else _read_list(root, subset)
    if not names:
        raise DataError(f"{pictures} holds no sequences: unpack DAVIS again")
    sequences = []
    for name in names:
        frames = GaplessPictures(pictures / name, name)
        sequences.append(EvaluationSequence(name, frames, partial(_read_truth, masks / name, frames)))
    return EvaluationSet(str(Kind.DAVIS), Kind.DAVIS, root, tuple(sequences))


def _read_list(root: Path, subset: str) -> list[str]:
    """Read the names in a list: one per line (2017), or the two paths of every frame (2016)."""
    path = root / "ImageSets" / f"{subset}.txt"
    if not path.is_file():
        known = sorted(
            str(each.relative_to(root / "ImageSets").with_suffix("")) for each in root.glob("ImageSets/*/*.txt")
        )
        raise UsageError(f"{root} has no list '{subset}' (known: {', '.join(known) or 'none'})")
    first = (line.split()[0] for line in read_text(path).splitlines() if line.strip())
    return list(dict.fromkeys(Path(item).parent.name or item for item in first))


def _read_truth(folder: Path, frames: GaplessPictures) -> Truth:
    """Read the bounding boxes of the masks, continuous: one pixel is a box of side 1. An empty mask has no box.

    Raises:
        DataError: when a picture has no mask, or it cannot be read.
    """
    boxes = np.full((len(frames), 4), np.nan)
    for index, picture in enumerate(frames.paths()):
        path = folder / f"{picture.stem}.png"
        rows, columns = np.nonzero(read_picture(path, folder.name).any(axis=2))
        if len(rows):
            left, top = columns.min(), rows.min()
            boxes[index] = left, top, columns.max() - left + 1, rows.max() - top + 1
    return Truth(boxes)
