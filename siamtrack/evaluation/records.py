"""Run metadata. Results without it cannot be reproduced; results of different runs are never mixed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError

from siamtrack.config import Frozen
from siamtrack.datasets.annotations import read_text
from siamtrack.datasets.evaluation_sequences import Kind
from siamtrack.errors import DataError, UsageError
from siamtrack.evaluation.results import write_text

_logger = logging.getLogger(__name__)

RECORD_NAME = "run.json"
"""Lies in the folder of a tracker, beside its results."""

_DECISIVE = {
    "spec": "tracker '{}'",
    "digest": "other weights under the same name",
    "card": "another model card",
    "precision": "precision '{}'",
    "device": "device '{}'",
}
"""Fields that decide the boxes, and their names in messages: results that differ in one are never mixed."""


class RunRecord(Frozen):
    """Metadata of the results in a tracker's folder."""

    # A later version may say more.
    model_config = ConfigDict(frozen=True, extra="ignore")

    tracker: str
    """Its name in tables and folders."""
    spec: str
    """Tracker as given to `--tracker`, without the name."""
    dataset: str
    """Name of the data set."""
    kind: Kind
    root: str
    """Folder of the data set."""
    subset: str | None
    command: str
    """The command line that began the run."""
    commit: str
    """Commit of siamtrack's source."""
    machine: dict[str, Any]
    """Machine on which the run began, see `siamtrack.system.machine.describe_machine`; a cluster may have others."""
    card: dict[str, Any] | None
    """Model card of a model of siamtrack; None for other trackers."""
    digest: str | None = None
    """SHA-256 of the tracker's files; None where it has none, or they are not known."""
    precision: str | None
    """Precision that a model of siamtrack was asked for; None for other trackers."""
    device: str | None
    """Device that a model of siamtrack was asked for, `auto`, `cpu` or `cuda`; None for other trackers."""
    workers: int
    """Processes that shared the machine; 0 for a dask cluster."""
    siamtrack: str
    """Version of the package."""
    date: str
    """When the run began: ISO 8601, with the offset from UTC."""


def write_run(folder: Path, record: RunRecord) -> None:
    """Write the record of a tracker's folder.

    Raises:
        OutputError: when it cannot be written.
    """
    write_text(folder / RECORD_NAME, record.model_dump_json(indent=2) + "\n")


def read_run(folder: Path) -> RunRecord | None:
    """Read the record of a tracker's folder; None where there is none, as in results of other programs.

    Raises:
        DataError: when it is damaged.
    """
    path = folder / RECORD_NAME
    if not path.is_file():
        return None
    try:
        return RunRecord.model_validate_json(read_text(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the text"
        raise DataError(f"{path} is no record of a run: {where}: {first['msg']}; delete it") from error


def begin_run(folder: Path, new: RunRecord) -> None:
    """Write down what the results of a tracker's folder are made with, or see that those there are made with the same.

    A difference in the commit, the machine or the place of the data set, which may matter, is logged.

    Args:
        folder: of the tracker.
        new: how results would come about now.

    Raises:
        UsageError: when results are there that were made with something else, or nobody knows what with.
        DataError: when the record there is damaged.
        OutputError: when the record cannot be written.
    """
    old = read_run(folder)
    remedy = "name this tracker differently, --tracker NAME@SPEC, choose another --results, or delete the folder"
    if old is None:
        if next(folder.rglob("*.txt"), None) is not None:
            raise UsageError(f"{folder} has results but no {RECORD_NAME} that says what they were made with: {remedy}")
        write_run(folder, new)
        return
    for what, words in _DECISIVE.items():
        before = getattr(old, what)
        if before != getattr(new, what):
            told = words.format(before)
            raise UsageError(f"{folder} has results that were made with {told} ({RECORD_NAME} says so): {remedy}")
    before, now = _circumstances(old), _circumstances(new)
    changes = [f"{what} {before.get(what)}, now {value}" for what, value in now.items() if before.get(what) != value]
    if changes:
        _logger.warning("results of '%s' were begun with %s", new.tracker, "; ".join(changes))


def _circumstances(record: RunRecord) -> dict[str, Any]:
    return {"commit": record.commit, "data": record.root, **record.machine}
