"""Accuracy and robustness of a tracker that is set anew after each failure: VOT's supervised experiment.

Running it is the part of `siamtrack.evaluation.experiments`; here its trajectories are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from got10k.utils.metrics import poly_iou
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Truth
from siamtrack.errors import DataError
from siamtrack.evaluation.metrics import has_target
from siamtrack.evaluation.trajectories import FrameCode, Trajectory

BURN_IN = 10
"""Frames from one in which the tracker was set, itself included, that say little of its accuracy: as many as
`ExperimentVOT` of the GOT-10k toolkit leaves out."""


@dataclass(frozen=True, slots=True)
class ResetScore:
    """Score with resets, on one sequence or on many."""

    accuracy: float
    """Mean IoU over the frames that count: tracked, with a truth, after burn-in; NaN without any."""
    scored: int
    """Frames that count."""
    failures: int
    """Number of times that the tracker left the target altogether."""
    length: int
    """All frames."""

    @property
    def robustness(self) -> float:
        """Failures in 100 frames, as pysot-toolkit's `AccuracyRobustnessBenchmark` gives them; less is better."""
        return 100 * self.failures / self.length


def score_with_resets(
    tracker: str, dataset: EvaluationSet, read_trajectory: Callable[[EvaluationSequence], Trajectory]
) -> tuple[ResetScore, dict[str, ResetScore]]:
    """Score what a tracker did on a data set, one sequence in memory at a time.

    Args:
        tracker: its name, for errors.
        dataset: with truth.
        read_trajectory: gives what the tracker did on a sequence; its errors are passed on.

    Returns:
        The score over all frames, and that of each sequence by its name.

    Raises:
        DataError: when a trajectory and the truth have different lengths, naming the sequence.
    """
    scores: dict[str, ResetScore] = {}
    for sequence in dataset.sequences:
        truth, trajectory = sequence.read_truth(), read_trajectory(sequence)
        if len(trajectory.codes) != len(truth.boxes):
            raise DataError(
                f"sequence {sequence.name}: '{tracker}' has results for {len(trajectory.codes)} of "
                f"{len(truth.boxes)} frames; run it again"
            )
        scores[sequence.name] = score_trajectory(trajectory, truth)
    return pool(scores.values()), scores


def score_trajectory(trajectory: Trajectory, truth: Truth) -> ResetScore:
    """Score one sequence as the GOT-10k toolkit's `ExperimentVOT` does, where a frame has no tags.

    The truth is its polygons where there are any, else its boxes. Both it and what was found are cut to the frame where
    its size is known.

    Args:
        trajectory: N frames.
        truth: N frames.
    """
    counted = (trajectory.codes == FrameCode.TRACKED) & _known(truth)
    for start in np.flatnonzero(trajectory.codes == FrameCode.INITIALISED):
        counted[start : start + BURN_IN] = False
    overlaps = _overlaps(trajectory.boxes[counted], _regions(truth)[counted], truth.size)
    return ResetScore(
        accuracy=float(overlaps.mean()) if len(overlaps) else float("nan"),
        scored=len(overlaps),
        failures=int(np.count_nonzero(trajectory.codes == FrameCode.FAILED)),
        length=len(trajectory.codes),
    )


def pool(scores: Iterable[ResetScore]) -> ResetScore:
    """Return the score over the frames of all sequences."""
    parts = list(scores)
    scored = sum(part.scored for part in parts)
    total = sum(part.accuracy * part.scored for part in parts if part.scored)
    return ResetScore(
        accuracy=total / scored if scored else float("nan"),
        scored=scored,
        failures=sum(part.failures for part in parts),
        length=sum(part.length for part in parts),
    )


def _regions(truth: Truth) -> NDArray[np.float64]:
    """Return `(N, 8)` polygons, or `(N, 4)` boxes where there are none."""
    return truth.boxes if truth.polygons is None else truth.polygons


def _known(truth: Truth) -> NDArray[np.bool_]:
    if truth.polygons is None:
        return has_target(truth.boxes)
    return np.asarray(np.isfinite(truth.polygons).all(axis=1))


def _overlaps(
    found: NDArray[np.float64], regions: NDArray[np.float64], size: tuple[int, int] | None
) -> NDArray[np.float64]:
    """Return the `(N,)` overlaps of boxes and regions inside the frame."""
    if not len(found):
        return np.empty(0)
    return np.asarray(poly_iou(_one_based(found), _one_based(regions), size), np.float64)


def _one_based(regions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1-based boxes or polygons, as in files: the toolkit cuts these to the frame."""
    return regions + (1.0 if regions.shape[1] == 8 else np.array([1.0, 1.0, 0.0, 0.0]))
