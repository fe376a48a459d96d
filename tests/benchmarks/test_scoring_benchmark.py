"""Scoring of ten trackers on a set as large as GOT-10k's: `pytest tests/benchmarks --benchmark-enable`."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, Truth
from siamtrack.evaluation.conventions import convention
from siamtrack.evaluation.results import SequenceResult
from siamtrack.evaluation.scores import TrackerScore
from siamtrack.evaluation.scoring import score_tracker

SEQUENCES, LENGTH, TRACKERS = 180, 1000, 10


@pytest.mark.parametrize("kind", [Kind.GOT10K, Kind.OTB2015])
@pytest.mark.usefixtures("only_when_asked")
# Processor time of all threads: on a machine that does other things as well, the clock would measure those.
@pytest.mark.benchmark(timer=time.process_time)
def test_ten_trackers_are_scored_in_two_seconds(benchmark: BenchmarkFixture, kind: Kind) -> None:
    rng = np.random.default_rng(0)
    truth = Truth(
        np.concatenate([rng.uniform(0, 300, (LENGTH, 2)), rng.uniform(10, 90, (LENGTH, 2))], axis=1),
        cover=rng.integers(0, 9, LENGTH),
        size=(400, 300),
    )
    result = SequenceResult(truth.boxes + rng.normal(0, 5, (LENGTH, 4)), rng.uniform(0.01, 0.02, LENGTH))
    sequences = [EvaluationSequence(f"s{i}", range(LENGTH), lambda: truth) for i in range(SEQUENCES)]
    dataset, how = EvaluationSet(str(kind), kind, Path("arrays"), tuple(sequences)), convention("got10k", kind)

    def score_all() -> list[TrackerScore]:
        return [score_tracker(f"t{i}", dataset, lambda _: result, how) for i in range(TRACKERS)]

    score_tracker("warm", dataset, lambda _: result, how)  # compiles
    assert len(benchmark.pedantic(score_all, rounds=5)) == TRACKERS
    assert benchmark.stats.stats.median < 2
