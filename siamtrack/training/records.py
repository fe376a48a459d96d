"""Records of a run for plots: tables, and events for TensorBoard."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siamtrack.errors import UsageError
from siamtrack.training.loop import StepRecord


@dataclass(frozen=True)
class Overlap:
    """Overlap on the validation sequences when a checkpoint was written."""

    step: int
    overlap: float
    """Mean over the tracks of the average overlap (mean IoU)."""
    tracks: int
    """Number of tracked sequences."""


Recorder = Callable[[StepRecord | Overlap], None]


@contextmanager
def tables(folder: Path, step: int) -> Iterator[Recorder]:
    """Append figures to `log.csv`, and overlaps to `validation.csv`.

    Args:
        folder: where they are.
        step: where the run goes on; what a session that broke off wrote beyond it is dropped.
    """
    with (
        table(folder / "log.csv", StepRecord, step) as log,
        table(folder / "validation.csv", Overlap, step) as validation,
    ):
        yield lambda record: (log if isinstance(record, StepRecord) else validation)(record)


@contextmanager
def table(path: Path, kind: type[Any], step: int) -> Iterator[Callable[[Any], None]]:
    """Append records of one kind to a table.

    Args:
        path: of the table.
        kind: a dataclass of numbers, with a field `step`.
        step: where the run goes on; what a session that broke off wrote beyond it is dropped.
    """
    names = [field.name for field in dataclasses.fields(kind)]
    kept: list[dict[str, str]] = []
    if path.is_file():
        with path.open(newline="") as handle:
            kept = [row for row in csv.DictReader(handle) if float(row["step"]) <= step]
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
        handle.flush()  # a process that is killed before the next record loses nothing

        def write(record: Any) -> None:
            writer.writerow({name: f"{getattr(record, name):.6g}" for name in names})
            handle.flush()

        yield write


@contextmanager
def tensorboard(folder: Path) -> Iterator[Recorder]:
    """Write events for TensorBoard.

    Raises:
        UsageError: where it is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("--tensorboard needs TensorBoard: pip install 'siamtrack[train]'") from error
    with SummaryWriter(str(folder)) as writer:

        def write(record: StepRecord | Overlap) -> None:
            for name, value in dataclasses.asdict(record).items():
                if name not in ("step", "steps"):
                    writer.add_scalar(name, value, record.step)

        yield write
