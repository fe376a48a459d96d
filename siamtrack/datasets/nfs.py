"""Need for Speed: `NAME/240/NAME/00001.jpg` and `NAME/240/NAME.txt`, or `30` for every eighth frame.

A line of annotations has the format of VATIC, with 0-based coordinates: `id xmin ymin xmax ymax frame lost occluded
generated "label"`. Both versions have 240 lines per second. When the lengths differ, the GOT-10k toolkit's rule holds:
of eight times as many lines as pictures, every eighth one counts; of one more line or picture, the last is left out.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.annotations import check_count, mask_boxes, read_text
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, Truth
from siamtrack.datasets.frames import GaplessPictures, list_folders
from siamtrack.errors import DataError, UsageError

SUBSETS = ("30", "240")
LINES_PER_PICTURE = 8
"""Lines of annotations per picture, at 30 frames per second."""


def is_nfs(root: Path) -> bool:
    """Return True if a sequence is there."""
    return any(
        (folder / subset / f"{folder.name}.txt").is_file() for folder in list_folders(root) for subset in SUBSETS
    )


def open_nfs(root: Path, subset: str | None) -> EvaluationSet:
    """Open the sequences at 240 frames per second, as in the GOT-10k toolkit, or at 30.

    Raises:
        DataError: when there is none.
        UsageError: for another rate.
    """
    subset = subset or "240"
    if subset not in SUBSETS:
        raise UsageError(f"NfS has no frame rate '{subset}' (known: {', '.join(SUBSETS)})")
    paths = sorted(root.glob(f"*/{subset}/*.txt"))
    if not paths:
        raise DataError(f"{root} holds no sequence at {subset} frames a second: NAME/{subset}/NAME.txt is the layout")
    sequences = []
    for path in paths:
        frames = AnnotatedPictures(path.parent / path.stem, path.stem, annotations=path)
        sequences.append(EvaluationSequence(path.stem, frames, partial(_read_truth, path, frames)))
    # Both rates have sequences of the same names: the toolkit separates their results in this way, too.
    return EvaluationSet(f"{Kind.NFS}/{subset}", Kind.NFS, root, tuple(sequences))


@dataclass(frozen=True)
class AnnotatedPictures(GaplessPictures):
    """Pictures with an annotation: without the last one, if it has none."""

    annotations: Path = Path()

    def paths(self) -> list[Path]:
        """Return the picture files."""
        paths = super().paths()
        return paths[:-1] if len(paths) == len(_subsample(_read_boxes(self.annotations), len(paths))) + 1 else paths


def _read_truth(path: Path, frames: AnnotatedPictures) -> Truth:
    """Read the boxes, with NaN in frames labelled as lost.

    Raises:
        DataError: when there is not one per picture.
    """
    pictures = len(frames)
    boxes = _subsample(_read_boxes(path), pictures)
    if len(boxes) == pictures + 1:
        boxes = boxes[:-1]
    return Truth(check_count(boxes, pictures, path))


def _subsample(boxes: NDArray[np.float64], pictures: int) -> NDArray[np.float64]:
    if len(boxes) != pictures and abs(len(boxes) / pictures - LINES_PER_PICTURE) < 1:
        return boxes[::LINES_PER_PICTURE]
    return boxes


def _read_boxes(path: Path) -> NDArray[np.float64]:
    rows, lost = [], []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        try:
            parts = shlex.split(line)
            rows.append([float(part) for part in parts[1:5]])
            lost.append(int(parts[6]) != 0)
        except (ValueError, IndexError) as error:
            raise DataError(f"{path}, line {number}: '{line}' is not id xmin ymin xmax ymax frame lost ...") from error
    if not rows:
        raise DataError(f"{path} is empty: unpack the annotations of {path.stem} again")
    boxes = np.array(rows, np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    return mask_boxes(boxes, np.array(lost, np.bool_))
