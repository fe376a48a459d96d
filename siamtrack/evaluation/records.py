"""What results were made with: figures without it cannot be made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError

from siamtrack.config import Frozen
from siamtrack.data.annotations import read_text
from siamtrack.errors import DataError
from siamtrack.evaluation.results import write_text
from siamtrack.evaluation.sequences import Kind

RECORD_NAME = "run.json"
"""Lies in the folder of a tracker, beside its results."""


class RunRecord(Frozen):
    """How the results in a tracker's folder came about."""

    # A later version may say more.
    model_config = ConfigDict(frozen=True, extra="ignore")

    tracker: str
    """Its name in tables and folders."""
    spec: str
    """What `--tracker` was given, without the name."""
    dataset: str
    """Name of the data set."""
    kind: Kind
    root: str
    """Folder of the data set."""
    subset: str | None
    command: str
    """The command line that began the run."""
    commit: str
    """Of siamtrack's source."""
    machine: dict[str, Any]
    """As of `siamtrack.machine.describe_machine`."""
    card: dict[str, Any] | None
    """Model card of a model of siamtrack; None for other trackers."""
    precision: str
    """What a model of siamtrack computed in."""
    device: str
    """Where a model of siamtrack was asked to run: `auto`, `cpu` or `cuda`."""
    workers: int
    """Processes that shared the machine; 0 for a dask cluster."""
    siamtrack: str
    """Version of the package."""
    date: str
    """When the run began: ISO 8601, with the offset from UTC."""


def write_run(folder: Path, record: RunRecord) -> None:
    """Write the record of a tracker's folder.

    Raises:
        SinkError: when it cannot be written.
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
