"""Path of a tracker over a sequence, and its files in VOT's format, in the folders of the GOT-10k toolkit.

`ROOT/DATASET/TRACKER/baseline/SEQUENCE/SEQUENCE_001.txt` has a line a frame: 1 where the tracker was set, 2 where it
failed, 0 where it was skipped, else its box `x,y,width,height`, 1-based. `SEQUENCE_time.txt` has the seconds of every
frame, `NaN` where it was skipped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet
from siamtrack.errors import DataError
from siamtrack.evaluation.results import REMEDY, read_lines, tracker_folder, write_text


class FrameCode(IntEnum):
    """Event in a frame; the first three stand in VOT's files in place of a box."""

    SKIPPED = 0
    INITIALISED = 1
    FAILED = 2
    TRACKED = 3


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Path of a tracker in one run over a sequence of N frames."""

    codes: NDArray[np.int8]
    """`(N,)` values of `FrameCode`."""
    boxes: NDArray[np.float64]
    """`(N, 4)` boxes, 0-based and continuous: what the tracker was given or found; NaN where it failed or was
    skipped."""
    seconds: NDArray[np.float64]
    """`(N,)` time that the tracker took for a frame; NaN where it was skipped."""


EXPERIMENT = "baseline"
"""Name of the supervised experiment in VOT's folders."""
WORDS = "0, 1, 2 or a box x,y,width,height"
"""Description of a line, for errors."""


def trajectory_file(root: Path, dataset: EvaluationSet, tracker: str, sequence: str) -> Path:
    """Return the file of a tracker's trajectory on a sequence."""
    return tracker_folder(root, dataset, tracker) / EXPERIMENT / sequence / f"{sequence}_001.txt"


def read_trajectory(root: Path, dataset: EvaluationSet, tracker: str, sequence: EvaluationSequence) -> Trajectory:
    """Read what a tracker did on a sequence with resets; where it was set, `boxes` has no number.

    Raises:
        DataError: when a file is missing or no such table, or has another number of lines than there are frames.
    """
    path, length = trajectory_file(root, dataset, tracker, sequence.name), len(sequence.frames)
    codes, boxes = np.empty(length, np.int8), np.full((length, 4), np.nan)
    for index, row in enumerate(read_lines(path, length, (1, 4), WORDS)):
        if len(row) == 4 and all(map(math.isfinite, row)):
            codes[index] = FrameCode.TRACKED
            boxes[index] = row[0] - 1, row[1] - 1, row[2], row[3]
        elif len(row) == 1 and row[0] in (FrameCode.SKIPPED, FrameCode.INITIALISED, FrameCode.FAILED):
            codes[index] = int(row[0])
        else:
            raise DataError(f"{path}, line {index + 1} is not {WORDS}; {REMEDY}")
    if codes[0] != FrameCode.INITIALISED:
        raise DataError(f"{path} does not begin with 1, the tracker set in the first frame; {REMEDY}")
    times = path.with_name(f"{sequence.name}_time.txt")
    seconds = np.full(length, np.nan)
    if times.is_file():
        seconds[:] = [row[0] for row in read_lines(times, length, range(1, 1000), "a time a repetition")]
    return Trajectory(codes, boxes, seconds)


def write_trajectory(
    root: Path, dataset: EvaluationSet, tracker: str, sequence: EvaluationSequence, trajectory: Trajectory
) -> None:
    """Write it; each file is there as a whole or not at all, and the trajectory comes last.

    Raises:
        OutputError: when a file cannot be written.
    """
    path = trajectory_file(root, dataset, tracker, sequence.name)
    one_based = trajectory.boxes + np.array([1.0, 1.0, 0.0, 0.0])
    lines = [
        ",".join(f"{value:.4f}" for value in box) if code == FrameCode.TRACKED else f"{code}"
        for code, box in zip(trajectory.codes, one_based, strict=True)
    ]
    times = ["NaN" if math.isnan(seconds) else f"{seconds:.4f}" for seconds in trajectory.seconds]
    write_text(path.with_name(f"{sequence.name}_time.txt"), "\n".join(times))
    write_text(path, "\n".join(lines))
