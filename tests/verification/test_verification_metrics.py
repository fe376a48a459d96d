"""VerificationMetrics of telling same from different, against definitions written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.errors import DataError, UsageError
from siamtrack.verification.dataset import PatchDataset
from siamtrack.verification.metrics import (
    accuracy,
    best_threshold,
    few_shot,
    fit_calibration,
    pixel_similarities,
    recall_at_one,
    reliability,
    roc,
)

pytest.importorskip("sklearn")

NO, YES = False, True


def labelled(*sizes: int) -> PatchDataset:
    classes = np.repeat(np.arange(len(sizes)), sizes)
    return PatchDataset(tuple("abcdef"[: len(sizes)]), np.zeros((len(classes), 1, 4, 4), np.uint8), classes)


def test_auc_is_the_share_of_pairs_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(0)
    similarities, same = rng.integers(0, 9, 60).astype(float), rng.random(60) < 0.4
    good, bad = similarities[same][:, None], similarities[~same][None]
    expected = (good > bad).mean() + (good == bad).mean() / 2
    found = roc(similarities, same)
    assert found.auc == pytest.approx(expected, abs=1e-12)
    assert np.trapezoid(found.true_positives, found.false_positives) == pytest.approx(expected, abs=1e-12)


def test_figures_of_one_kind_of_pairs_are_refused() -> None:
    for same, word in ((np.ones(4, bool), "the same"), (np.zeros(4, bool), "different")):
        with pytest.raises(DataError, match=f"all 4 pairs are {word}"):
            roc(np.arange(4.0), same)
        with pytest.raises(DataError, match=f"all 4 pairs are {word}"):
            best_threshold(np.arange(4.0), same)


def test_the_threshold_lies_between_what_it_parts() -> None:
    similarities = np.array([0.1, 0.9, 0.3, 0.7, 0.5])
    same = np.array([NO, YES, NO, YES, NO])
    assert best_threshold(similarities, same) == pytest.approx(0.6)
    assert accuracy(similarities, same, 0.6) == 1
    assert accuracy(similarities, same, 0.2) == 3 / 5


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
@settings(max_examples=100, deadline=None)
def test_no_threshold_is_better_than_the_best(pairs: list[tuple[int, bool]]) -> None:
    similarities = np.array([float(value) for value, _ in pairs])
    same = np.array([label for _, label in pairs])
    if same.all() or not same.any():
        return
    found = accuracy(similarities, same, best_threshold(similarities, same))
    assert found == max(accuracy(similarities, same, cut) for cut in np.arange(-4, 5) - 0.5)


def test_recall_looks_at_the_nearest_other() -> None:
    similarities = np.array([[9, 5, 1, 0], [5, 9, 6, 0], [1, 6, 9, 8], [0, 0, 8, 9.0]])
    # The nearest are 1, 2, 3 and 2; the last class has one patch and is not asked for.
    assert recall_at_one(similarities, np.array([0, 0, 1, 2])) == pytest.approx(1 / 2)
    assert recall_at_one(similarities, np.array([0, 0, 1, 1])) == pytest.approx(3 / 4)
    assert similarities[0, 0] == 9
    with pytest.raises(DataError, match="no class has two pictures"):
        recall_at_one(similarities, np.arange(4))


def test_episodes_of_perfect_and_of_no_knowledge() -> None:
    data = labelled(5, 6, 7, 8)
    perfect = (data.classes[:, None] == data.classes[None]).astype(float)
    assert few_shot(data, perfect, 4, 2, 50, np.random.default_rng(0)).accuracy == 1
    noise = np.random.default_rng(1).random((26, 26))
    found = few_shot(data, noise, 4, 1, 2000, np.random.default_rng(0))
    assert abs(found.accuracy - 1 / 4) < 0.1  # the noise is one draw that the episodes share
    assert 0 < found.half_interval < 0.02


def test_the_shots_of_a_class_are_averaged() -> None:
    """Each class has three patches; one of its two shots misleads, and less than the other one helps."""
    data = labelled(3, 3)
    similarities = np.full((6, 6), 0.4)
    for members in (range(3), range(3, 6)):
        for one in members:
            for other in members:
                similarities[one, other] = 0.9 if (one + other) % 3 else 0.0
    rng = np.random.default_rng(0)
    assert few_shot(data, similarities, 2, 2, 40, rng).accuracy > few_shot(data, similarities, 2, 1, 40, rng).accuracy


@pytest.mark.parametrize(("ways", "shots", "episodes"), [(1, 1, 1), (2, 0, 1), (2, 1, 0)])
def test_impossible_episodes_are_refused(ways: int, shots: int, episodes: int) -> None:
    with pytest.raises(UsageError, match="give 2, 1 and 1 at least"):
        few_shot(labelled(3, 3), np.zeros((6, 6)), ways, shots, episodes, np.random.default_rng(0))


def test_too_few_classes_for_the_episodes_are_refused() -> None:
    with pytest.raises(DataError, match="2 classes have 3 pictures or more, which 3 ways of 2 shots take from each"):
        few_shot(labelled(3, 2, 4), np.zeros((9, 9)), 3, 2, 5, np.random.default_rng(0))


def test_the_calibration_finds_the_curve_that_drew_the_pairs() -> None:
    rng = np.random.default_rng(2)
    distances = rng.uniform(0, 3, 60_000)
    same = rng.random(60_000) < 1 / (1 + np.exp(-(4 - 3 * distances)))
    # Equal weights shift the logit by the log of the odds in the data.
    shift = np.log(same.mean() / (1 - same.mean()))
    found = fit_calibration(distances, same)
    assert found.slope == pytest.approx(-3, abs=0.1)
    assert found.intercept == pytest.approx(4 - shift, abs=0.15)
    assert found.probability(float(-found.intercept / found.slope)) == pytest.approx(0.5)


def test_the_calibration_does_not_depend_on_the_unit() -> None:
    rng = np.random.default_rng(3)
    distances = np.concatenate([rng.normal(1, 0.5, 200), rng.normal(2, 0.5, 200)])
    same = np.arange(400) < 200
    one, other = fit_calibration(distances, same), fit_calibration(1e4 * distances, same)
    assert one.probability(distances) == pytest.approx(other.probability(1e4 * distances), abs=1e-4)


def test_pairs_that_are_parted_give_a_finite_curve() -> None:
    found = fit_calibration(np.array([0.1, 0.2, 0.8, 0.9]), np.array([YES, YES, NO, NO]))
    assert found.probability(0.1) > 0.9
    assert found.probability(0.9) < 0.1
    assert found.probability(1e9) == pytest.approx(0)


def test_reliability_by_hand() -> None:
    found = reliability(np.array([0.05, 0.15, 0.85, 1.0]), np.array([NO, YES, YES, NO]), bins=2)
    assert found.predicted == pytest.approx([0.1, 0.925])
    assert found.observed == pytest.approx([0.5, 0.5])
    assert found.counts.tolist() == [2, 2]
    assert found.error == pytest.approx((0.4 + 0.425) / 2)
    assert found.brier == pytest.approx((0.05**2 + 0.85**2 + 0.15**2 + 1) / 4)


def test_pixels_are_compared_by_their_euclidean_distance() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
    found = pixel_similarities(PatchDataset(("a",), patches, np.zeros(5, np.int64)))
    expected = [[-np.linalg.norm((a.astype(float) - b).ravel() / 255) for b in patches] for a in patches]
    assert found == pytest.approx(np.array(expected), abs=1e-6)
