"""Trackers run over the sequences of a data set, in as many processes as there are; a run that was killed goes on."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

import siamtrack
from siamtrack.config import Precision
from siamtrack.datasets import open_dataset
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Truth, parse_kind
from siamtrack.errors import SiamTrackError, UsageError, did_you_mean
from siamtrack.evaluation import metrics
from siamtrack.evaluation.conventions import convention as find_convention
from siamtrack.evaluation.experiments import Experiment, FrameCallback, OnePass, WithResets
from siamtrack.evaluation.processes import in_processes, one_thread
from siamtrack.evaluation.records import RunRecord, begin_run
from siamtrack.evaluation.resets import ResetScore, score_with_resets
from siamtrack.evaluation.results import find_trackers, read_result, tracker_folder
from siamtrack.evaluation.scores import TrackerScore, score_rows
from siamtrack.evaluation.scoring import score_tracker
from siamtrack.evaluation.trackers import BoxTracker, TrackerFactory, parse_trackers
from siamtrack.evaluation.trajectories import FrameCode, Trajectory, read_trajectory
from siamtrack.system.machine import describe_machine, source_commit
from siamtrack.system.progress import Progress, Report, no_report

if TYPE_CHECKING:
    import pandas

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BenchmarkJob:
    """Which trackers to run over what, how, and where the results go."""

    dataset: EvaluationSet
    trackers: tuple[TrackerFactory, ...]
    """Their names differ."""
    results: Path
    """Folder that holds a folder for each data set."""
    experiment: Experiment = field(default_factory=OnePass)
    workers: int = 1
    """Processes of this machine; 1 tracks in this one."""
    dask: str | None = None
    """Address of a dask scheduler, whose workers do it instead."""
    subset: str | None = None
    """Subset, for the record of the run."""
    command: str = ""


@dataclass(frozen=True)
class RunFailure:
    """A tracker that failed on a sequence."""

    tracker: str
    sequence: str
    message: str

    def __str__(self) -> str:
        """Return one line that names both."""
        return f"tracker '{self.tracker}' failed on sequence {self.sequence}: {self.message}"


@dataclass(frozen=True)
class _Task:
    """The runs of a tracker over a sequence that are missing."""

    experiment: Experiment
    factory: TrackerFactory
    sequence: EvaluationSequence
    done: int
    """Runs that are on disk."""
    wanted: int


@dataclass(frozen=True)
class _Outcome:
    """Result of a task."""

    task: _Task
    runs: tuple[Trajectory, ...]
    error: str | None = None
    trace: str = ""


def select_sequences(dataset: EvaluationSet, names: Sequence[str]) -> EvaluationSet:
    """Return the set with some of its sequences, in its own order.

    Raises:
        UsageError: for a name that it does not have.
    """
    known = [sequence.name for sequence in dataset.sequences]
    for name in names:
        if name not in known:
            raise UsageError(f"{dataset.name} has no sequence '{name}'{did_you_mean(name, known)}")
    return replace(dataset, sequences=tuple(each for each in dataset.sequences if each.name in names))


@dataclass(frozen=True)
class BenchmarkResult:
    """Scores of trackers on a data set."""

    dataset: EvaluationSet
    trackers: tuple[str, ...]
    """Names of the trackers that have all results."""
    scores: tuple[TrackerScore, ...] = ()
    """One pass; empty for a data set that keeps its boxes on a server, and with resets."""
    resets: Mapping[str, ResetScore] = field(default_factory=dict)
    """Scores with resets, by tracker."""
    failures: tuple[RunFailure, ...] = ()

    def table(self) -> str:
        """Return the scores as a table of text: figures with their 95 % intervals, the best tracker first."""
        cells = [[cell.split("\n") for cell in row] for row in score_rows(self.scores)]
        lines = [
            [cell[index] if index < len(cell) else "" for cell in row]
            for row in cells
            for index in range(max(map(len, row)))
        ]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def to_dataframe(self) -> pandas.DataFrame:
        """Return one row a tracker and sequence: the figures as columns, the frames, and the frames per second.

        Raises:
            UsageError: when pandas is not installed.
        """
        try:
            import pandas  # noqa: PLC0415 - only where it is installed
        except ModuleNotFoundError as error:
            raise UsageError("a data frame needs the package pandas: pip install pandas") from error
        return pandas.DataFrame(
            {"tracker": score.tracker, "sequence": each.name, "frames": each.scored}
            | asdict(each.figures)
            | {"fps": None if each.speed is None else each.speed.fps}
            for score in self.scores
            for each in score.sequences
        )


def benchmark(
    data: str | Path,
    trackers: Sequence[str] = (),
    *,
    kind: str | None = None,
    subset: str | None = None,
    only: Sequence[str] = (),
    results: str | Path = "results",
    resets: bool = False,
    convention: str = "got10k",
    workers: int = 1,
    dask: str | None = None,
    device: str = "auto",
    precision: Precision | Literal["auto"] = "float32",
    command: str = "",
    report: Report = no_report,
) -> BenchmarkResult:
    """Run trackers over a data set and score them; a run that was stopped goes on.

    >>> result = siamtrack.benchmark("OTB2015", ["siamtrack-box", "opencv:kcf"])
    >>> print(result.table())

    Args:
        data: folder of the data set, in the layout of its kind.
        trackers: see `siamtrack.evaluation.trackers.parse_trackers`; none: the trackers that have results are scored.
        kind: `OTB2015`, `GOT-10k`, ...; None: the kind that the folder looks like.
        subset: part of the data set, such as `val`.
        only: names of the sequences to take; none: all.
        results: folder of results. A sequence that has a result there is not run again.
        resets: set a tracker anew after a failure, as VOT's supervised experiment does.
        convention: `got10k` or `pysot`: how the figures are computed.
        workers: processes that track at a time, one thread each.
        dask: address of a dask scheduler whose workers track instead.
        device: device of the models, see `siamtrack.load`.
        precision: precision of the models, see `siamtrack.load`.
        command: command line for the record of the run.
        report: called after every frame.

    Raises:
        UsageError: for an unknown tracker, kind, subset, sequence or convention, or no results to score.
        DataError: when the data set cannot be read.
    """
    root = Path(results).expanduser()
    dataset = open_dataset(Path(data).expanduser(), parse_kind(kind), subset)
    if only:
        dataset = select_sequences(dataset, only)
    if trackers:
        factories = parse_trackers(trackers, device, precision)
        experiment = WithResets() if resets else OnePass()
        job = BenchmarkJob(dataset, factories, root, experiment, workers, dask, subset, command)
        failures = run_benchmark(job, report)
        failed = {failure.tracker for failure in failures}
        names = tuple(factory.name for factory in factories if factory.name not in failed)
    else:
        failures, names = (), tuple(find_trackers(root, dataset))
        if not names:
            raise UsageError(f"{root / dataset.name} holds no results: give a tracker to run with --tracker")
    if not dataset.has_truth:
        return BenchmarkResult(dataset, names, failures=failures)
    if resets:
        reads = {name: partial(read_trajectory, root, dataset, name) for name in names}
        scored = {name: score_with_resets(name, dataset, read)[0] for name, read in reads.items()}
        return BenchmarkResult(dataset, names, resets=scored, failures=failures)
    how = find_convention(convention, dataset.kind)
    scores = tuple(score_tracker(name, dataset, partial(read_result, root, dataset, name), how) for name in names)
    return BenchmarkResult(dataset, names, scores, failures=failures)


def run_benchmark(job: BenchmarkJob, report: Report = no_report) -> tuple[RunFailure, ...]:
    """Run every tracker over every sequence that it has no result for yet.

    Each sequence is written when it is done: whatever ends the run, the next one goes on from there. With trackers
    that are deterministic, results do not depend on the number of processes.

    Args:
        job: what to do.
        report: called as often as there is something new.

    Returns:
        Where trackers failed; the other sequences are done.

    Raises:
        UsageError: when there is nothing to run, results of another tracker, or of nobody knows which, are in the way,
            or no cluster answers.
        DataError: when the truth of a sequence that has a result cannot be read.
        OutputError: when a result cannot be written.
        SiamTrackError: when processes die.
    """
    if not job.trackers or not job.dataset.sequences:
        raise UsageError(f"nothing to run: {len(job.trackers)} trackers on {len(job.dataset)} sequences")
    if job.workers < 1:
        raise UsageError(f"--workers {job.workers} can do nothing: give 1 or more")
    progress = _RunProgress(job, report)
    tasks = [task for factory in job.trackers for task in _missing(job, factory, progress)]
    failures = []
    for outcome in _outcomes(job, tasks, progress.add_frame):
        task = outcome.task
        if outcome.error is not None:
            failures.append(RunFailure(task.factory.name, task.sequence.name, outcome.error))
            _logger.debug("%s\n%s", failures[-1], outcome.trace)
        for number, run in enumerate(outcome.runs, task.done + 1):
            job.experiment.write(job.results, job.dataset, task.factory.name, task.sequence, run, number)
        progress.add(task.factory.name, task.sequence, outcome.runs)
    return tuple(failures)


def _missing(job: BenchmarkJob, factory: TrackerFactory, progress: _RunProgress) -> list[_Task]:
    """Return the missing runs of a tracker and begin its record; finished runs count from the start."""
    begin_run(tracker_folder(job.results, job.dataset, factory.name), _record(job, factory))
    wanted = job.experiment.wanted(job.dataset, deterministic=factory.deterministic)
    tasks = []
    for sequence in job.dataset.sequences:
        runs = job.experiment.finished(job.results, job.dataset, factory.name, sequence, wanted)
        if len(runs) < wanted:
            tasks.append(_Task(job.experiment, factory, sequence, len(runs), wanted))
        else:
            progress.add(factory.name, sequence, runs)
    return tasks


def _record(job: BenchmarkJob, factory: TrackerFactory) -> RunRecord:
    """Return how results of a tracker come about here and now."""
    return RunRecord(
        tracker=factory.name,
        spec=factory.spec,
        dataset=job.dataset.name,
        kind=job.dataset.kind,
        root=str(job.dataset.root),
        subset=job.subset,
        command=job.command,
        commit=source_commit(),
        machine=describe_machine() | {"threads": 1},  # see `one_thread`
        card=factory.card,
        digest=factory.digest,
        precision=factory.precision,
        device=factory.device,
        workers=0 if job.dask else job.workers,
        siamtrack=siamtrack.__version__,
        date=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
    )


def _outcomes(job: BenchmarkJob, tasks: Sequence[_Task], on_frame: Callable[[str], None]) -> Iterator[_Outcome]:
    if job.dask is not None:
        try:
            from siamtrack.evaluation.cluster import on_cluster  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise UsageError("--dask needs dask: pip install 'siamtrack[cluster]'") from error
        return on_cluster(_work_elsewhere, tasks, job.dask)
    if job.workers > 1 and len(tasks) > 1:
        return in_processes(_work_elsewhere, tasks, min(job.workers, len(tasks)))
    return (_work(task, partial(on_frame, task.factory.name)) for task in tasks)


def _work_elsewhere(task: _Task) -> _Outcome:
    return _work(task, lambda: None)


def _work(task: _Task, on_frame: FrameCallback) -> _Outcome:
    """Do the runs that are missing."""
    runs: list[Trajectory] = []
    try:
        tracker = _cache.tracker(task.factory)
        with one_thread():
            for _ in range(task.done, task.wanted):
                runs.append(task.experiment.follow(tracker, task.sequence, on_frame))
    except Exception as error:  # noqa: BLE001  # whatever a tracker raises: the other sequences go on
        message = str(error) if isinstance(error, SiamTrackError) else f"{type(error).__name__}: {error}"
        return _Outcome(task, tuple(runs), " ".join(message.split()), traceback.format_exc())
    return _Outcome(task, tuple(runs))


class _TrackerCache(threading.local):
    """The tracker of this process, or of this thread where a cluster has threads; making one may take seconds."""

    def __init__(self) -> None:
        self._factory: TrackerFactory | None = None
        self._tracker: BoxTracker | None = None

    def tracker(self, factory: TrackerFactory) -> BoxTracker:
        """Return the one that was made last, or another."""
        if self._tracker is None or self._factory != factory:
            self._factory, self._tracker = None, None  # two at once may not fit
            self._tracker = factory.make()
            self._factory = factory
        return self._tracker


_cache = _TrackerCache()


class _RunProgress:
    """Counts what is done and tells it."""

    def __init__(self, job: BenchmarkJob, report: Report) -> None:
        self._job = job
        self._report = report
        self._overlaps: dict[str, list[float]] = {factory.name: [] for factory in job.trackers}
        self._lengths = {sequence.name: len(sequence.frames) for sequence in job.dataset.sequences}
        self._of_frames = sum(self._lengths.values()) * len(job.trackers)
        self._sequences = self._frames = self._open_frames = 0

    def add_frame(self, tracker: str) -> None:
        """Count a frame of an unfinished sequence."""
        self._open_frames += 1
        self._report_progress(tracker)

    def add(self, tracker: str, sequence: EvaluationSequence, runs: Sequence[Trajectory]) -> None:
        """Count a sequence that is finished or has failed."""
        self._sequences += 1
        self._frames += self._lengths[sequence.name]
        self._open_frames = 0
        if runs and self._job.dataset.has_truth:
            overlap = average_overlap(runs, sequence.read_truth())
            if overlap is not None:
                self._overlaps[tracker].append(overlap)
        self._report_progress(tracker)

    def _report_progress(self, tracker: str) -> None:
        overlaps, all_frames = self._overlaps[tracker], self._of_frames
        # Repetitions count more than once a frame.
        frames = min(self._frames + self._open_frames, all_frames)
        part = f"{self._sequences} of {len(self._lengths) * len(self._overlaps)} sequences"
        figures = f"{tracker} AO {np.mean(overlaps):.3f}" if overlaps else ""
        self._report(Progress(frames, all_frames, part=part, figures=figures))


def average_overlap(runs: Sequence[Trajectory], truth: Truth) -> float | None:
    """Return the mean IoU over the frames in which a tracker tracked and the target is there; None without any.

    A quick figure to watch a run by: `siamtrack.evaluation.scoring` knows the conventions of benchmarks.
    """
    known = metrics.has_target(truth.boxes)
    counted = [(run.codes == FrameCode.TRACKED) & known for run in runs]
    overlaps = [metrics.overlaps(run.boxes[each], truth.boxes[each]) for run, each in zip(runs, counted, strict=True)]
    joined = np.concatenate(overlaps)
    return metrics.average_overlap(joined) if len(joined) else None
