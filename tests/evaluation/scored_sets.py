"""Evaluation sets made of arrays: scoring looks at no picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, Truth
from siamtrack.evaluation.conventions import convention
from siamtrack.evaluation.results import SequenceResult
from siamtrack.evaluation.scores import TrackerScore
from siamtrack.evaluation.scoring import score_tracker

Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class NoFrames:
    """So many frames that cannot be looked at."""

    length: int

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        raise AssertionError("scoring decodes no frame")

    def paths(self) -> None:
        return None


def truth_reader(truth: Truth) -> Callable[[], Truth]:
    return lambda: truth


def evaluation_set(
    kind: Kind, truths: Mapping[str, Truth], attributes: Mapping[str, frozenset[str]] | None = None
) -> EvaluationSet:
    """A set of sequences by their names."""
    sequences = tuple(
        EvaluationSequence(
            name, NoFrames(len(truth.boxes)), truth_reader(truth), (attributes or {}).get(name, frozenset())
        )
        for name, truth in truths.items()
    )
    return EvaluationSet(str(kind), kind, Path("arrays"), sequences)


def score(
    truths: Mapping[str, Truth],
    results: Mapping[str, SequenceResult],
    kind: Kind = Kind.CUSTOM,
    name: str = "got10k",
    attributes: Mapping[str, frozenset[str]] | None = None,
    tracker: str = "ours",
) -> TrackerScore:
    dataset = evaluation_set(kind, truths, attributes)
    return score_tracker(tracker, dataset, lambda sequence: results[sequence.name], convention(name, kind))


def boxes(*rows: tuple[float, float, float, float]) -> Boxes:
    return np.array(rows, np.float64).reshape(-1, 4)


def moving(length: int, rng: np.random.Generator) -> Boxes:
    """Boxes that wander about a frame of 200 x 150, now and then over its border; in steps of 1/8 pixel.

    Eighths and their sums are exact, so that ties with a threshold are ties in every program.
    """
    places = rng.integers(-20 * 8, 180 * 8, (length, 2))
    return np.concatenate([places, rng.integers(8, 60 * 8, (length, 2))], axis=1) / 8


def follow(truth: Boxes, rng: np.random.Generator) -> Boxes:
    """What a tracker may say: exact, near, off by whole pixels, empty, or far outside; finite."""
    shift = np.concatenate([rng.integers(-40, 40, (len(truth), 4))], axis=1) / 8
    found = np.nan_to_num(truth) + shift
    kind = rng.integers(0, 8, len(truth))
    found[kind == 0] = np.nan_to_num(truth)[kind == 0]
    found[kind == 1, 2:] = 0
    found[kind == 2, :2] = (-500, 900)
    found[kind == 3] = np.round(found[kind == 3])
    found[:, 2:] = np.maximum(found[:, 2:], 0)
    return found
