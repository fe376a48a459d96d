"""Experiments of a benchmark: one pass over a sequence, or restarts after a failure as VOT has them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

import numpy as np

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet
from siamtrack.errors import DataError
from siamtrack.evaluation.following import Code, Tick, Trajectory, follow_once, follow_with_resets
from siamtrack.evaluation.results import boxes_file, read_boxes, read_times, repetitions, times_file, write_result
from siamtrack.evaluation.trackers import BoxTracker
from siamtrack.evaluation.trajectories import read_trajectory, trajectory_file, write_trajectory

_logger = logging.getLogger(__name__)


class Experiment(Protocol):
    """Experiment: it runs a tracker over a sequence and keeps the results."""

    def wanted(self, dataset: EvaluationSet, *, deterministic: bool) -> int:
        """Return how many runs over a sequence there are to be."""
        ...

    def finished(
        self, root: Path, dataset: EvaluationSet, tracker: str, sequence: EvaluationSequence, wanted: int
    ) -> list[Trajectory]:
        """Return the first complete runs that are on disk; a damaged one is reported and does not count."""
        ...

    def follow(self, tracker: BoxTracker, sequence: EvaluationSequence, tick: Tick) -> Trajectory:
        """Run once over a sequence; raises what the tracker and the frames do."""
        ...

    def write(
        self,
        root: Path,
        dataset: EvaluationSet,
        tracker: str,
        sequence: EvaluationSequence,
        trajectory: Trajectory,
        repetition: int,
    ) -> None:
        """Keep a run; `repetition` counts from 1. Raises `OutputError`."""
        ...


class OnePass:
    """One-pass evaluation, as OTB, GOT-10k and most others have it."""

    def wanted(self, dataset: EvaluationSet, *, deterministic: bool) -> int:
        """Three in GOT-10k for a tracker that is not deterministic, else one."""
        return repetitions(dataset, deterministic=deterministic)

    def finished(
        self, root: Path, dataset: EvaluationSet, tracker: str, sequence: EvaluationSequence, wanted: int
    ) -> list[Trajectory]:
        """Read from the layout of `siamtrack.evaluation.results`."""
        runs: list[Trajectory] = []
        length, times = len(sequence.frames), times_file(root, dataset, tracker, sequence.name)
        for number in range(1, wanted + 1):
            path = boxes_file(root, dataset, tracker, sequence.name, number)
            if not path.is_file():
                break
            try:
                boxes, seconds = read_boxes(path, length, dataset.kind), np.full(length, np.nan)
                # Times of repetitions share a file, that the next one is added to; one run can do without.
                if wanted > 1 or times.is_file():
                    seconds = read_times(times, length)[:, number - 1]
            except (DataError, IndexError) as error:
                _logger.warning("%s is run again: %s", sequence.name, error)
                break
            codes = np.full(length, Code.TRACKED, np.int8)
            codes[0] = Code.INITIALISED
            runs.append(Trajectory(codes, boxes, seconds))
        return runs

    def follow(self, tracker: BoxTracker, sequence: EvaluationSequence, tick: Tick) -> Trajectory:
        """See `follow_once`."""
        return follow_once(tracker, sequence, tick)

    def write(
        self,
        root: Path,
        dataset: EvaluationSet,
        tracker: str,
        sequence: EvaluationSequence,
        trajectory: Trajectory,
        repetition: int,
    ) -> None:
        """Write to the layout of `siamtrack.evaluation.results`."""
        write_result(root, dataset, tracker, sequence, trajectory.boxes, trajectory.seconds, repetition)


class WithResets:
    """VOT's supervised experiment, once over each sequence."""

    def wanted(self, dataset: EvaluationSet, *, deterministic: bool) -> int:
        """Return 1."""
        return 1

    def finished(
        self, root: Path, dataset: EvaluationSet, tracker: str, sequence: EvaluationSequence, wanted: int
    ) -> list[Trajectory]:
        """Read from the layout of `siamtrack.evaluation.trajectories`."""
        if wanted < 1 or not trajectory_file(root, dataset, tracker, sequence.name).is_file():
            return []
        try:
            return [read_trajectory(root, dataset, tracker, sequence)]
        except DataError as error:
            _logger.warning("%s is run again: %s", sequence.name, error)
            return []

    def follow(self, tracker: BoxTracker, sequence: EvaluationSequence, tick: Tick) -> Trajectory:
        """See `follow_with_resets`."""
        return follow_with_resets(tracker, sequence, tick)

    def write(
        self,
        root: Path,
        dataset: EvaluationSet,
        tracker: str,
        sequence: EvaluationSequence,
        trajectory: Trajectory,
        repetition: int,
    ) -> None:
        """Write to the layout of `siamtrack.evaluation.trajectories`, which holds one run."""
        write_trajectory(root, dataset, tracker, sequence, trajectory)
