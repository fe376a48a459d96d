"""What `siamtrack train` does: data in, checkpoints, a log and a model out."""

from __future__ import annotations

import csv
import dataclasses
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from siamtrack.data.dataset import TrainingData, read_training_data
from siamtrack.errors import SinkError, UsageError
from siamtrack.interrupts import StopSignal
from siamtrack.training.checkpoint import FILE_NAME, Checkpoint
from siamtrack.training.export import export_weights
from siamtrack.training.loop import Progress, RunOptions, average_network, resume_run, start_run, train
from siamtrack.training.recipe import Recipe
from siamtrack.training.validation import validate

log = logging.getLogger(__name__)

Report = Callable[[Progress], None]


@dataclass(frozen=True)
class TrainingJob:
    """One call of the command."""

    recipe: Recipe
    data: Path
    out: Path
    resume: bool = False
    """Go on from the checkpoint in `out`, if there is one."""
    minutes: float | None = None
    workers: int = 1
    threads: int | None = None
    device: str = "cpu"
    tensorboard: bool = False
    """Write events for TensorBoard beside the table."""


@dataclass(frozen=True)
class TrainingSummary:
    """What came out."""

    steps: int
    minutes: float
    """Of training, over all sessions of the run."""
    overlap: float | None
    """Mean of the average overlaps on the sequences kept from training; None without any."""
    weights: Path
    finished: bool
    """All steps of the recipe were done."""
    stopped_by: signal.Signals | None = None
    """The signal that ended the session early."""


def run_training(job: TrainingJob, report: Report) -> TrainingSummary:
    """Train, validate on the sequences that were kept from training, and write the model.

    Raises:
        UsageError: when `out` holds a run already and `resume` is not set, or the time is no positive number.
        SiamTrackError: for bad recipes, data and checkpoints, and for losses that are not finite.
    """
    if job.minutes is not None and not 0 < job.minutes < math.inf:
        raise UsageError(f"--minutes {job.minutes:g} is no time to train: give a positive number")
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    start = _starting_point(job)
    data = read_training_data(job.data, job.recipe.mix.validation)
    try:
        job.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{job.out} cannot be made: {error.strerror or error}") from error
    options = RunOptions(job.out, job.workers, job.device)
    with ExitStack() as stack:
        reports = [report, stack.enter_context(_table(job.out / "log.csv"))]
        if job.tensorboard:
            reports.append(stack.enter_context(_tensorboard(job.out)))

        def report_all(progress: Progress) -> None:
            for each in reports:
                each(progress)

        deadline = math.inf if job.minutes is None else time.monotonic() + 60 * job.minutes
        # Around the loop only: a Ctrl-C while validating has nothing to save, and ends the command.
        with StopSignal() as stop:

            def should_stop() -> bool:
                return stop.received is not None or time.monotonic() > deadline

            final = train(start, data, options, report_all, should_stop)
    return dataclasses.replace(finish(final, data, job.out), stopped_by=stop.received)


def finish(checkpoint: Checkpoint, data: TrainingData, out: Path) -> TrainingSummary:
    """Validate the averaged weights of a run, and write them as a model into `out`."""
    overlaps = _validation_overlaps(checkpoint, data)
    overlap = float(np.mean(list(overlaps.values()))) if overlaps else None
    figures: dict[str, Any] = {}
    if overlap is not None:
        figures["validation"] = {"tracks": len(overlaps), "mean average overlap": round(overlap, 4)}
    path = export_weights(checkpoint, out / f"{checkpoint.recipe.model.name}.safetensors", figures)
    done = checkpoint.step >= checkpoint.recipe.run.steps
    return TrainingSummary(checkpoint.step, checkpoint.seconds / 60, overlap, path, done)


def _starting_point(job: TrainingJob) -> Checkpoint:
    path = job.out / FILE_NAME
    if not path.is_file():
        return start_run(job.recipe)
    if not job.resume:
        raise UsageError(f"{job.out} holds a run already: go on with --resume auto, or choose another --out")
    checkpoint = resume_run(path, job.recipe)
    log.info("going on from step %d of %s", checkpoint.step, path)
    return checkpoint


def _validation_overlaps(checkpoint: Checkpoint, data: TrainingData) -> Mapping[str, float]:
    cache = data.cache
    if not data.validation or cache is None:
        return {}
    log.info("validating on %d tracks kept from training", len(data.validation))
    return validate(
        average_network(checkpoint),
        checkpoint.recipe.tracking,
        data.validation,
        lambda track, index: cache.frame(track.folder, index),
    )


@contextmanager
def _table(path: Path) -> Iterator[Report]:
    """Append every report to a CSV file."""
    names = [field.name for field in dataclasses.fields(Progress)]
    with path.open("a", newline="") as handle:
        writer = csv.DictWriter(handle, names)
        if handle.tell() == 0:
            writer.writeheader()

        def write(progress: Progress) -> None:
            writer.writerow({name: f"{getattr(progress, name):.6g}" for name in names})
            handle.flush()

        yield write


@contextmanager
def _tensorboard(folder: Path) -> Iterator[Report]:
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("--tensorboard needs TensorBoard: pip install 'siamtrack[train]'") from error
    with SummaryWriter(str(folder)) as writer:

        def write(progress: Progress) -> None:
            for name, value in dataclasses.asdict(progress).items():
                if name not in ("step", "steps"):
                    writer.add_scalar(name, value, progress.step)

        yield write
