"""Submission to the GOT-10k server: the results on the test set, whose boxes it keeps, as one zip."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from siamtrack.datasets.evaluation_sequences import EvaluationSet, Kind
from siamtrack.errors import OutputError, UsageError
from siamtrack.evaluation.results import read_result, tracker_folder
from siamtrack.system.atomic_files import replace_file

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
