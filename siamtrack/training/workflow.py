"""Workflow of `siamtrack train`: data in, checkpoints, a log and a model out."""

from __future__ import annotations

import dataclasses
import logging
import math
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from siamtrack.datasets.training_tracks import Track
from siamtrack.errors import OutputError, UsageError
from siamtrack.system.progress import Progress, Report, no_report
from siamtrack.system.signals import StopSignal
from siamtrack.training.checkpoint import Checkpoint, open_run
from siamtrack.training.curves import draw_curves
from siamtrack.training.dataset import TrainingData, read_training_data
from siamtrack.training.loop import RunOptions, StepRecord, resume_run, start_run, train
from siamtrack.training.model import average_network, export_weights
from siamtrack.training.parallel import SINGLE_PROCESS, Processes
from siamtrack.training.recipe import Recipe
from siamtrack.training.records import Overlap, Recorder, tables, tensorboard
from siamtrack.training.validation import spread_sample, validate

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 20.0
"""Seconds between two lines about a validation."""


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
    """Summary of a run."""

    steps: int
    minutes: float
    """Minutes of training, over all sessions of the run."""
    overlap: float | None
    """Mean of the average overlaps on the sequences kept from training; None without any."""
    weights: Path
    finished: bool
    """All steps of the recipe were done."""
    stopped_by: signal.Signals | None = None
    """The signal that ended the session early."""


def run_training(
    job: TrainingJob, report: Report = no_report, processes: Processes = SINGLE_PROCESS
) -> TrainingSummary:
    """Train, validate on the sequences that were kept from training, and write the model.

    Args:
        job: the same in all processes.
        report: called with figures now and then.
        processes: who trains. The first one reads and writes the folder of the run, and validates alone.

    Raises:
        UsageError: when `out` holds a run already and `resume` is not set, the time is no positive number, or the
            processes cannot share a batch evenly.
        SiamTrackError: for bad recipes, data and checkpoints, and for losses that are not finite.
    """
    if job.minutes is not None and not 0 < job.minutes < math.inf:
        raise UsageError(f"--minutes {job.minutes:g} is no time to train: give a positive number")
    processes.share(job.recipe.run.batch_size)  # where this is impossible, say so before hours of reading data
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    start = processes.broadcast(
        lambda: open_run(job.out, job.resume, lambda: start_run(job.recipe), lambda path: resume_run(path, job.recipe))
    )
    data = processes.first_process_first(lambda: read_training_data(job.data, job.recipe.mix.validation))
    try:
        job.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{job.out} cannot be made: {error.strerror or error}") from error
    options = RunOptions(job.out, job.workers, job.device)
    watched = spread_sample(data.validation, job.recipe.run.validation_frames)
    with ExitStack() as stack:
        recorders = _recorders(job, start.step, stack) if processes.rank == 0 else []

        def report_step(step: StepRecord) -> None:
            report(Progress(step.step, step.steps, "steps", figures=str(step)))
            for record in recorders:
                record(step)

        def inspect(checkpoint: Checkpoint) -> None:
            overlaps = _overlaps(watched, checkpoint, data)
            if not overlaps:
                return
            found = Overlap(checkpoint.step, float(np.mean(list(overlaps.values()))), len(overlaps))
            log.info("step %d: average overlap %.3f on %d tracks", found.step, found.overlap, found.tracks)
            for record in recorders:
                record(found)

        deadline = math.inf if job.minutes is None else time.monotonic() + 60 * job.minutes
        # Around the loop only: a Ctrl-C while validating has nothing to save, and ends the command.
        with StopSignal() as stop:

            def should_stop() -> bool:
                return stop.received is not None or time.monotonic() > deadline

            if start.step == 0 and processes.rank == 0:
                inspect(start)  # what the figures on the way are to be compared with
            final = train(start, data, options, report_step, should_stop, inspect, processes)
    number = processes.maximum(stop.received or 0)
    stopped_by = signal.Signals(number) if number else None
    if processes.rank > 0:
        return dataclasses.replace(_summary(final, None, job.out), stopped_by=stopped_by)
    # Who pressed Ctrl-C does not want to wait for a validation.
    tracks = data.validation if stopped_by is None else ()
    summary = finish(final, data, tracks, job.out)
    try:
        draw_curves(job.out, f"{job.recipe.model.name}, {final.step} of {job.recipe.run.steps} steps")
    except OSError as error:  # the weights are there, which is what counts
        log.warning("%s has no picture of its curves: %s", job.out, error.strerror or error)
    return dataclasses.replace(summary, stopped_by=stopped_by)


def finish(checkpoint: Checkpoint, data: TrainingData, tracks: Sequence[Track], out: Path) -> TrainingSummary:
    """Write the averaged weights of a run as a model into `out`, and add to its card how well it follows the tracks."""
    path = _weights_path(checkpoint, out)
    export_weights(checkpoint, path, {})  # first: validating takes minutes, and may be interrupted
    if tracks:
        log.info("wrote %s; validating it on %d tracks kept from training", path, len(tracks))
    overlaps = _overlaps(tracks, checkpoint, data)
    overlap = float(np.mean(list(overlaps.values()))) if overlaps else None
    if overlap is not None:
        figures = {"tracks": len(overlaps), "mean average overlap": round(overlap, 4)}
        export_weights(checkpoint, path, {"validation": figures})
    return _summary(checkpoint, overlap, out)


def _weights_path(checkpoint: Checkpoint, out: Path) -> Path:
    return out / f"{checkpoint.recipe.model.name}.safetensors"


def _summary(checkpoint: Checkpoint, overlap: float | None, out: Path) -> TrainingSummary:
    done = checkpoint.step >= checkpoint.recipe.run.steps
    return TrainingSummary(checkpoint.step, checkpoint.seconds / 60, overlap, _weights_path(checkpoint, out), done)


def _recorders(job: TrainingJob, step: int, stack: ExitStack) -> list[Recorder]:
    recorders = [stack.enter_context(tables(job.out, step))]
    if job.tensorboard:
        recorders.append(stack.enter_context(tensorboard(job.out)))
    return recorders


def _overlaps(tracks: Sequence[Track], checkpoint: Checkpoint, data: TrainingData) -> Mapping[str, float]:
    """Average overlaps of the network of a checkpoint, by the name of the track; a line now and then says how far."""
    cache = data.cache
    if cache is None or not tracks:
        return {}
    last = time.monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            log.info("%d of %d tracks", done, total)

    return validate(
        average_network(checkpoint),
        checkpoint.recipe.tracking,
        tracks,
        lambda track, index: cache.frame(track.folder, index),
        advance,
    )
