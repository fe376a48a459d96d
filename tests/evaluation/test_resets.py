"""Accuracy and robustness with resets: worked out by hand, and against the toolkit's overlap of polygons."""

from __future__ import annotations

import numpy as np
import pytest
from got10k.utils.metrics import poly_iou
from numpy.typing import NDArray
from scored_sets import boxes, evaluation_set, moving

from siamtrack.datasets.evaluation_sequences import Kind, Truth
from siamtrack.errors import DataError
from siamtrack.evaluation.resets import BURN_IN, ResetScore, pool, score_trajectory, score_with_resets
from siamtrack.evaluation.trajectories import FrameCode, Trajectory

nan = float("nan")
SIZE = (200, 150)
BOX = (10.0, 20.0, 40.0, 30.0)
HALF = (10.0, 20.0, 20.0, 30.0)
LETTERS = {
    "I": FrameCode.INITIALISED,
    "t": FrameCode.TRACKED,
    "h": FrameCode.TRACKED,
    "F": FrameCode.FAILED,
    ".": FrameCode.SKIPPED,
}


def trajectory(word: str) -> Trajectory:
    """A letter a frame: Initialized, tracked, half tracked, Failed, and `.` for skipped."""
    found = {"I": BOX, "t": BOX, "h": HALF, "F": (nan,) * 4, ".": (nan,) * 4}
    codes = np.array([LETTERS[letter] for letter in word], np.int8)
    return Trajectory(codes, boxes(*[found[letter] for letter in word]), np.full(len(word), 0.1))


def still(length: int) -> Truth:
    return Truth(boxes(*[BOX] * length), size=SIZE)


@pytest.mark.parametrize(
    ("word", "accuracy", "scored", "failures"),
    [
        pytest.param("I" + "t" * 9 + "th", 0.75, 2, 0, id="the frame of initialization is the first of ten"),
        pytest.param("I" + "t" * 9, nan, 0, 0, id="shorter than burn-in"),
        pytest.param("I" + "t" * 11 + "F....I" + "h" * 10, (1 + 1 + 0.5) / 3, 3, 1, id="burn-in after each reset"),
        pytest.param("IF....ItF....I", nan, 0, 2, id="nothing but failures"),
    ],
)
def test_scores_by_hand(word: str, accuracy: float, scored: int, failures: int) -> None:
    found = score_trajectory(trajectory(word), still(len(word)))
    assert (found.scored, found.failures, found.length) == (scored, failures, len(word))
    assert found.accuracy == pytest.approx(accuracy, nan_ok=True)


def test_frames_without_truth_do_not_count() -> None:
    truth = still(13).boxes
    truth[11:] = nan
    truth[12] = (10, 20, 0, 0)
    found = score_trajectory(trajectory("I" + "t" * 9 + "htt"), Truth(truth, size=SIZE))
    assert (found.accuracy, found.scored) == (0.5, 1)


def corners(given: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Boxes turned a little about their centers."""
    centers, half = given[:, :2] + given[:, 2:] / 2, given[:, 2:] / 2
    angles = rng.uniform(-0.5, 0.5, len(given))
    turn = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]).transpose(2, 0, 1)
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return (centers[:, None] + np.einsum("nij,nkj->nki", turn, half[:, None] * signs)).reshape(-1, 8)


@pytest.mark.parametrize("size", [None, SIZE])
@pytest.mark.parametrize("turned", [False, True])
def test_overlaps_are_those_of_the_toolkit(turned: bool, size: tuple[int, int] | None) -> None:
    rng = np.random.default_rng(0)
    truth = moving(40, rng)
    found = truth + rng.normal(0, 4, truth.shape)
    found[:, 2:] = np.maximum(found[:, 2:], 1)
    polygons = corners(truth, rng) if turned else None
    codes = np.full(40, FrameCode.TRACKED, np.int8)
    codes[0] = FrameCode.INITIALISED
    ours = score_trajectory(Trajectory(codes, found, np.ones(40)), Truth(truth, polygons, size=size))
    regions = truth + [1, 1, 0, 0] if polygons is None else polygons + 1  # noqa: RUF005
    theirs = [
        poly_iou(box + [1, 1, 0, 0], region, size)[0]  # noqa: RUF005
        for box, region in list(zip(found, regions, strict=True))[BURN_IN:]
    ]
    assert ours.accuracy == pytest.approx(np.mean(theirs), abs=1e-12)


def test_sequences_are_pooled_by_frames() -> None:
    whole = pool([ResetScore(0.5, 30, 2, 50), ResetScore(nan, 0, 1, 10), ResetScore(1.0, 10, 0, 40)])
    assert whole == ResetScore(pytest.approx((15 + 10) / 40), 40, 3, 100)
    assert whole.robustness == pytest.approx(3)


def test_a_data_set_is_scored_sequence_by_sequence() -> None:
    words = {"a": "I" + "t" * 10, "b": "I" + "t" * 9 + "hhhF"}
    dataset = evaluation_set(Kind.VOT, {name: still(len(word)) for name, word in words.items()})
    whole, each = score_with_resets("ours", dataset, lambda sequence: trajectory(words[sequence.name]))
    assert list(each) == ["a", "b"]
    assert (each["a"].accuracy, each["b"].accuracy, each["b"].failures) == (1, 0.5, 1)
    assert whole.accuracy == pytest.approx((1 + 3 * 0.5) / 4)
    assert whole.robustness == pytest.approx(100 / 25)


def test_a_trajectory_of_another_length_is_told_with_its_sequence() -> None:
    dataset = evaluation_set(Kind.VOT, {"walk": still(3)})
    with pytest.raises(DataError, match=r"^sequence walk: 'ours' has results for 2 of 3 frames; run it again$"):
        score_with_resets("ours", dataset, lambda _: trajectory("It"))
