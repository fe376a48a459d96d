"""Results folders in the GOT-10k toolkit's own layouts, so that both programs read each other's.

`ROOT/GOT-10k/TRACKER/SEQUENCE/SEQUENCE_001.txt` with `SEQUENCE_time.txt` for GOT-10k, and for all others
`ROOT/DATASET/TRACKER/SEQUENCE.txt` with `times/SEQUENCE_time.txt`: a box a line, `x,y,width,height`, 1-based (0-based
where the annotations are so: TrackingNet, NfS), and a time in seconds a line. GOT-10k runs a tracker that is not
deterministic three times: `_001` to `_003`, and a column of times each.

Nothing here runs a tracker: results of any program are read if they stand in these layouts.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.annotations import read_numbers
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind
from siamtrack.errors import DataError, OutputError, UsageError
from siamtrack.system.atomic_files import replace_file

REMEDY = "delete it and run 'siamtrack benchmark' again"
"""Remedy for a file that cannot be scored."""

GOT10K_REPETITIONS = 3
"""Number of runs of a tracker that is not deterministic on GOT-10k."""


@dataclass(frozen=True, eq=False)
class SequenceResult:
    """Result of a tracker on one sequence."""

    boxes: NDArray[np.float64]
    """`(N, 4)` boxes, 0-based and continuous, one a frame, all finite; the first is the one that was given."""
    seconds: NDArray[np.float64] | None
    """`(N,)` time of every frame; None where no times are on disk."""
    repeats: tuple[NDArray[np.float64], ...] = ()
    """Boxes of further runs of a tracker that is not deterministic (GOT-10k runs three)."""


def tracker_folder(root: Path, dataset: EvaluationSet, tracker: str) -> Path:
    """Return the folder of the results of a tracker on a data set."""
    return root / dataset.name / tracker


def repetitions(dataset: EvaluationSet, *, deterministic: bool) -> int:
    """Return how often a data set wants a tracker to be run."""
    return GOT10K_REPETITIONS if dataset.kind is Kind.GOT10K and not deterministic else 1


def boxes_file(root: Path, dataset: EvaluationSet, tracker: str, sequence: str, repetition: int = 1) -> Path:
    """Return the file of a tracker's boxes on a sequence; `repetition` counts from 1 and matters for GOT-10k only."""
    folder = tracker_folder(root, dataset, tracker)
    if dataset.kind is Kind.GOT10K:
        return folder / sequence / f"{sequence}_{repetition:03d}.txt"
    return folder / f"{sequence}.txt"


def times_file(root: Path, dataset: EvaluationSet, tracker: str, sequence: str) -> Path:
    """Return the file of a tracker's times on a sequence."""
    folder = tracker_folder(root, dataset, tracker)
    return folder / (sequence if dataset.kind is Kind.GOT10K else "times") / f"{sequence}_time.txt"


def read_result(root: Path, dataset: EvaluationSet, tracker: str, sequence: EvaluationSequence) -> SequenceResult:
    """Read all runs of a tracker on a sequence.

    Args:
        root: folder that holds a folder for each data set.
        dataset: decides the layout.
        tracker: name of its folder.
        sequence: of the data set.

    Returns:
        Boxes of all runs; the times are those of the first one.

    Raises:
        DataError: when a file is missing, is no table of numbers, does not have a row for each frame, or holds a
            number that is not finite; the message names the file.
    """
    length = len(sequence.frames)
    runs = [read_boxes(path, length, dataset.kind) for path in _boxes_files(root, dataset, tracker, sequence.name)]
    times = times_file(root, dataset, tracker, sequence.name)
    seconds = read_times(times, length)[:, 0] if times.is_file() else None
    return SequenceResult(runs[0], seconds, tuple(runs[1:]))


def _boxes_files(root: Path, dataset: EvaluationSet, tracker: str, sequence: str) -> list[Path]:
    """Return the files of all repetitions.

    Raises:
        DataError: when there is none, or one is left out.
    """
    first = boxes_file(root, dataset, tracker, sequence)
    found = {first}
    if dataset.kind is Kind.GOT10K and first.parent.is_dir():
        repetition = re.compile(re.escape(sequence) + r"_\d{3}\.txt")
        found |= {file for file in first.parent.iterdir() if repetition.fullmatch(file.name)}
    wanted = [boxes_file(root, dataset, tracker, sequence, number) for number in range(1, len(found) + 1)]
    for path in wanted:
        if not path.is_file():
            raise DataError(
                f"{path} is missing: '{tracker}' has no result for sequence {sequence}; "
                "run 'siamtrack benchmark' again, which adds what is missing"
            )
    return wanted


def read_boxes(path: Path, length: int, kind: Kind) -> NDArray[np.float64]:
    """Read a file of results.

    Args:
        path: a box a line.
        length: frames of the sequence.
        kind: says what the first pixel is called.

    Returns:
        `(length, 4)` boxes, 0-based.

    Raises:
        DataError: see `read_result`.
    """
    boxes = _finite(path, read_lines(path, length, (4,), "a box x,y,width,height"))
    boxes[:, :2] -= kind.first_pixel
    return boxes


def read_times(path: Path, length: int) -> NDArray[np.float64]:
    """Read a file of times, `(length, R)` seconds, a column a repetition.

    Raises:
        DataError: see `read_result`, and when a time is negative.
    """
    rows = read_lines(path, length, range(1, 1000), "a time a repetition")
    odd = next((number for number, row in enumerate(rows, 1) if len(row) != len(rows[0])), None)
    if odd is not None:
        raise DataError(f"{path}, line {odd}: {len(rows[odd - 1])} numbers instead of {len(rows[0])}; {REMEDY}")
    times = _finite(path, rows)
    negative = (times < 0).any(axis=1)
    if negative.any():
        raise DataError(f"{path}, line {1 + int(negative.argmax())}: a time below zero; {REMEDY}")
    return times


def _finite(path: Path, rows: list[list[float]]) -> NDArray[np.float64]:
    table = np.array(rows, np.float64)
    bad = ~np.isfinite(table).all(axis=1)
    if bad.any():
        raise DataError(f"{path}, line {1 + int(bad.argmax())}: a number that is not finite; {REMEDY}")
    return table


def read_lines(path: Path, length: int, counts: Sequence[int], meaning: str) -> list[list[float]]:
    """Read a file of results with one line of numbers a frame.

    Args:
        path: the file.
        length: frames of the sequence.
        counts: how many numbers a line may hold.
        meaning: what a line is, for errors.

    Raises:
        DataError: when the file is missing, holds something else, or has another number of lines.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: run 'siamtrack benchmark' again, which adds what is missing")
    try:
        rows = read_numbers(path, counts, meaning, "every frame has a result")
    except DataError as error:
        raise DataError(f"{error}; {REMEDY}") from error
    if len(rows) != length:
        size = "short" if len(rows) < length else "long"
        raise DataError(f"{path} is too {size}: {len(rows)} lines for {length} frames; {REMEDY}")
    return rows


def write_result(
    root: Path,
    dataset: EvaluationSet,
    tracker: str,
    sequence: EvaluationSequence,
    boxes: NDArray[np.float64],
    seconds: NDArray[np.float64],
    repetition: int = 1,
) -> None:
    """Write one run of a tracker on a sequence; each file is there as a whole or not at all, and the boxes come last.

    Args:
        root: folder that holds a folder for each data set.
        dataset: decides the layout.
        tracker: name of its folder.
        sequence: of the data set.
        boxes: `(N, 4)`, 0-based, one a frame.
        seconds: `(N,)` time of every frame.
        repetition: counts from 1; those before it have been written.

    Raises:
        OutputError: when a file cannot be written.
        DataError: when the times of the repetitions before it cannot be read.
    """
    times, columns = times_file(root, dataset, tracker, sequence.name), seconds[:, None]
    if repetition > 1:
        columns = np.concatenate([read_times(times, len(seconds))[:, : repetition - 1], columns], axis=1)
    first = dataset.kind.first_pixel
    write_text(times, _lines(columns, "%.8f"))
    write_text(
        boxes_file(root, dataset, tracker, sequence.name, repetition),
        _lines(boxes + np.array([first, first, 0.0, 0.0]), "%.3f"),
    )


def _lines(table: NDArray[np.float64], form: str) -> str:
    return "".join(",".join(form % value for value in row) + "\n" for row in table.tolist())


def write_text(path: Path, text: str) -> None:
    """Write a file of results as a whole or not at all; its folder is made.

    Raises:
        OutputError: when it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}; choose another --results") from error


def find_trackers(root: Path, dataset: EvaluationSet) -> list[str]:
    """Return the names of the trackers that have a result for a sequence of a data set, in order.

    Args:
        root: folder that holds a folder for each data set.
        dataset: decides the layout.
    """
    folder = root / dataset.name
    if not folder.is_dir():
        return []
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    return [name for name in names if any(_has_result(root, dataset, name, each.name) for each in dataset.sequences)]


def _has_result(root: Path, dataset: EvaluationSet, tracker: str, sequence: str) -> bool:
    return boxes_file(root, dataset, tracker, sequence).is_file()


_WHEN = (1980, 1, 1, 0, 0, 0)
"""Date of all members, the oldest that a zip knows: the same results make the same file."""


def write_submission(root: Path, dataset: EvaluationSet, tracker: str) -> Path:
    """Pack the results of a tracker on GOT-10k's test set, as the toolkit's `ExperimentGOT10k.report` does.

    A folder for each sequence with its files, `SEQUENCE/SEQUENCE_001.txt` and `SEQUENCE/SEQUENCE_time.txt`.

    Args:
        root: folder that holds a folder for each data set.
        dataset: the test set.
        tracker: name of its results folder.

    Returns:
        The file, `ROOT/GOT-10k/TRACKER.zip`.

    Raises:
        UsageError: for another data set.
        DataError: when a result is missing or damaged.
        OutputError: when it cannot be written.
    """
    if dataset.kind is not Kind.GOT10K:
        raise UsageError(f"{dataset.name} is no GOT-10k: only its server is known to take this zip")
    folder = tracker_folder(root, dataset, tracker)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for sequence in dataset.sequences:
            read_result(root, dataset, tracker, sequence)  # the server would find out late
            archive.writestr(zipfile.ZipInfo(f"{sequence.name}/", _WHEN), b"")
            for file in sorted((folder / sequence.name).glob("*.txt")):
                member = zipfile.ZipInfo(f"{sequence.name}/{file.name}", _WHEN)
                archive.writestr(member, file.read_bytes(), zipfile.ZIP_DEFLATED)
    path = folder.with_name(f"{tracker}.zip")  # with_suffix would cut 'v1.5'
    try:
        replace_file(path, packed.getvalue())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    return path
