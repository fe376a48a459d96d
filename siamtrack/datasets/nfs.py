"""Need for Speed: `NAME/240/NAME/00001.jpg` and `NAME/240/NAME.txt`, or `30` for every eighth frame.

A line of annotations is VATIC's, whose coordinates are 0-based: `id xmin ymin xmax ymax frame lost occluded generated
"label"`, 240 lines a second in both versions. The GOT-10k toolkit's rule for lengths that do not fit is kept: every
eighth line where there are eight times as many as pictures, and of one more line or picture, the last one is left out.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.annotations import mask_boxes, read_text
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, Truth
from siamtrack.datasets.files import list_folders
from siamtrack.datasets.frames import GaplessPictures
from siamtrack.errors import DataError, UsageError

SUBSETS = ("30", "240")
LINES_A_FRAME = 8
"""Lines of annotations a picture, at 30 frames a second."""


def is_nfs(root: Path) -> bool:
    """Whether some sequence is there."""
    return any(
        (folder / subset / f"{folder.name}.txt").is_file() for folder in list_folders(root) for subset in SUBSETS
    )


def open_nfs(root: Path, subset: str | None) -> EvaluationSet:
    """The sequences at 240 frames a second, as in the GOT-10k toolkit, or at 30.

    Raises:
        DataError: when there is none.
        UsageError: for another rate.
    """
    subset = subset or "240"
    if subset not in SUBSETS:
        raise UsageError(f"NfS has no frame rate '{subset}' (known: {', '.join(SUBSETS)})")
    truths = sorted(root.glob(f"*/{subset}/*.txt"))
    if not truths:
        raise DataError(f"{root} holds no sequence at {subset} frames a second: NAME/{subset}/NAME.txt is the layout")
    sequences = []
    for path in truths:
        frames = AnnotatedPictures(path.parent / path.stem, path.stem, truth=path)
        sequences.append(EvaluationSequence(path.stem, frames, partial(read_truth, path, frames)))
    # The rates have sequences of the same names: the toolkit keeps their results apart in this way, too.
    return EvaluationSet(f"{Kind.NFS}/{subset}", Kind.NFS, root, tuple(sequences))


@dataclass(frozen=True)
class AnnotatedPictures(GaplessPictures):
    """The pictures that have an annotation: without the last one, if that has none."""

    truth: Path = Path()

    def paths(self) -> list[Path]:
        """The files."""
        found = super().paths()
        return found[:-1] if len(found) == len(_thinned(_read_boxes(self.truth), len(found))) + 1 else found


def read_truth(path: Path, frames: AnnotatedPictures) -> Truth:
    """The boxes, with NaN where the target is said to be lost.

    Raises:
        DataError: when there is not one a picture.
    """
    pictures = len(frames)
    boxes = _thinned(_read_boxes(path), pictures)
    if len(boxes) == pictures + 1:
        boxes = boxes[:-1]
    if len(boxes) != pictures:
        raise DataError(
            f"{path} has {len(boxes)} boxes for {pictures} pictures, one a picture is needed: unpack the sequence again"
        )
    return Truth(boxes)


def _thinned(boxes: NDArray[np.float64], pictures: int) -> NDArray[np.float64]:
    if len(boxes) != pictures and abs(len(boxes) / pictures - LINES_A_FRAME) < 1:
        return boxes[::LINES_A_FRAME]
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
