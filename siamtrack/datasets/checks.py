"""Check of a whole data set: all its problems at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, Kind
from siamtrack.datasets.registry import open_dataset
from siamtrack.errors import DataError
from siamtrack.system.progress import Progress, Report, no_report


def check_dataset(
    root: Path, kind: Kind | None = None, subset: str | None = None, report: Report = no_report
) -> list[str]:
    """Check a data set: read all annotations and videos, list all pictures and decode the first of each sequence.

    Args:
        root: the folder.
        kind: see `open_dataset`.
        subset: see `open_dataset`.
        report: receives the progress after every sequence.

    Returns:
        Problems, one line each, with the name of the sequence; an empty list when there are none.

    Raises:
        UsageError: for a subset that the layout does not have.
    """
    try:
        dataset = open_dataset(root, kind, subset)
    except DataError as error:
        return [str(error)]
    counts = Counter(sequence.name for sequence in dataset.sequences)
    twice = [f"{name}: {count} sequences have this name" for name, count in counts.items() if count > 1]
    problems = []
    for number, sequence in enumerate(dataset.sequences, 1):
        problems += [f"{sequence.name}: {line}" for line in check_sequence(sequence)]
        report(Progress(number, len(dataset), "sequences"))
    return [*dataset.notes, *twice, *problems]


def check_sequence(sequence: EvaluationSequence) -> list[str]:
    """Return the problems of one sequence, one line each."""
    lines = []
    try:
        truth = sequence.read_truth()
    except DataError as error:
        lines.append(str(error))
    else:
        if not np.isfinite(truth.boxes[0]).all():
            lines.append("the target has no box in the first frame, and tracking starts there")
    try:
        lines += _check_frames(sequence)
    except DataError as error:
        if str(error) not in lines:
            lines.append(str(error))
    return lines


def _check_frames(sequence: EvaluationSequence) -> list[str]:
    """Decode a whole video, or the first picture; the other pictures only must not be empty.

    Raises:
        DataError: when they cannot be listed or decoded.
    """
    paths = sequence.frames.paths()
    if paths is None:
        promised, decoded = len(sequence.frames), sum(1 for _ in sequence.frames)
        return [] if decoded == promised else [f"{decoded} of {promised} frames of the video are there: copy it again"]
    empty = [path for path in paths if not _has_content(path)]
    if not empty:
        next(iter(sequence.frames))
    return [f"{path} is empty or cannot be read: unpack it again" for path in empty]


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
