"""Everything that is wrong with a data set, at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from siamtrack.errors import DataError
from siamtrack.evaluation.datasets.registry import open_dataset
from siamtrack.evaluation.sequences import EvaluationSequence, Kind


def check_dataset(root: Path, kind: Kind | None = None, subset: str | None = None) -> list[str]:
    """Read every annotation, list all frames and decode the first; what is wrong is a line that names the sequence.

    Args:
        root: the folder.
        kind: as of `open_dataset`.
        subset: as of `open_dataset`.

    Returns:
        The lines; none where all is well.

    Raises:
        UsageError: for a subset that the layout does not have.
    """
    try:
        dataset = open_dataset(root, kind, subset)
    except DataError as error:
        return [str(error)]
    counts = Counter(sequence.name for sequence in dataset.sequences)
    twice = [f"{name}: {count} sequences have this name" for name, count in counts.items() if count > 1]
    found = [f"{sequence.name}: {line}" for sequence in dataset.sequences for line in check_sequence(sequence)]
    return [*dataset.notes, *twice, *found]


def check_sequence(sequence: EvaluationSequence) -> list[str]:
    """What is wrong with one sequence."""
    lines = []
    try:
        truth = sequence.read_truth()
    except DataError as error:
        lines.append(str(error))
    else:
        if not np.isfinite(truth.boxes[0]).all():
            lines.append("the target has no box in the first frame, and tracking starts there")
    try:
        paths = sequence.frames.paths() or []
        empty = [path for path in paths if path.stat().st_size == 0]
        lines += [f"{path} is empty: unpack it again" for path in empty]
        if not empty:
            next(iter(sequence.frames))
    except DataError as error:
        if str(error) not in lines:
            lines.append(str(error))
    except StopIteration:
        lines.append("there are no frames")
    return lines
