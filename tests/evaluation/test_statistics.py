"""Bootstrap intervals against slow loops and the normal distribution; signed ranks by counting and as SciPy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scored_sets import boxes, score

from siamtrack.datasets.evaluation_sequences import Kind, Truth
from siamtrack.errors import UsageError
from siamtrack.evaluation.results import SequenceResult
from siamtrack.evaluation.scores import TrackerScore
from siamtrack.evaluation.statistics import (
    RESAMPLES,
    bootstrap_intervals,
    compare,
    signed_rank_p_value,
    weighted_mean,
)

nan = float("nan")


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_means_leave_out_what_has_no_weight() -> None:
    values = np.array([[1.0, 2], [nan, nan], [4, 8]])
    np.testing.assert_allclose(weighted_mean(values, np.array([1.0, 0, 2])), [3, 6])
    assert np.isnan(weighted_mean(values, np.zeros(3))).all()
    assert np.isnan(weighted_mean(np.empty((0, 2)), np.empty(0))).all()


def test_intervals_are_percentiles_of_redrawn_means() -> None:
    values, weights = np.array([[0.1, 5.0], [0.4, 1], [0.9, 2]]), np.array([1.0, 2, 3])
    draws = rng().integers(3, size=(RESAMPLES, 3))
    slow = [[np.average(values[drawn, k], weights=weights[drawn]) for drawn in draws[:400]] for k in range(2)]
    found = bootstrap_intervals(values, weights, rng())
    assert found.shape == (2, 2)
    expected = np.array([np.average(values[draws], weights=weights[draws][..., None].repeat(2, -1), axis=1)])[0]
    np.testing.assert_allclose(expected[:400].T, slow)
    np.testing.assert_allclose(found, np.quantile(expected, (0.025, 0.975), axis=0).T)


def test_intervals_of_many_sequences_are_as_wide_as_the_normal_distribution_says() -> None:
    """So many that they are drawn in several pieces."""
    values = np.random.default_rng(0).normal(0.5, 0.2, (2000, 1))
    low, high = bootstrap_intervals(values, np.ones(2000), rng())[0]
    half = 1.96 * values.std() / np.sqrt(2000)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05 * half)


def test_one_sequence_has_an_interval_without_width_and_none_has_none() -> None:
    np.testing.assert_array_equal(bootstrap_intervals(np.array([[0.3]]), np.ones(1), rng()), [[0.3, 0.3]])
    assert np.isnan(bootstrap_intervals(np.empty((0, 3)), np.empty(0), rng())).all()


def by_counting(differences: list[float]) -> float:
    """Two-sided p-value over all ways to set the signs."""
    size = np.abs(differences)
    ranks = np.array([np.mean([i + 1 for i, other in enumerate(np.sort(size)) if other == each]) for each in size])
    sums = np.array([ranks[np.array(signs)].sum() for signs in product([False, True], repeat=len(ranks))])
    lesser = min(ranks[np.array(differences) > 0].sum(), ranks[np.array(differences) < 0].sum())
    return min(1.0, 2 * float((sums <= lesser).mean()))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([-3.0, -2, -1, 1, 2, 3, 0.5]), min_size=1, max_size=8))
def test_signed_ranks_by_counting_with_ties(differences: list[float]) -> None:
    assert signed_rank_p_value(np.array(differences)) == pytest.approx(by_counting(differences), abs=1e-12)


def test_signed_ranks_by_hand() -> None:
    # Five of five are better: 2 of 32 ways to set the signs are as extreme.
    assert signed_rank_p_value(np.array([1.0, 2, 3, 4, 5])) == pytest.approx(2 / 32)
    assert signed_rank_p_value(np.array([0.0, 0, 0])) == 1
    assert signed_rank_p_value(np.array([])) == 1
    assert signed_rank_p_value(np.array([0.0, 0.3])) == 1


@pytest.mark.parametrize(("count", "method"), [(12, "exact"), (50, "exact"), (70, "approx"), (180, "approx")])
@pytest.mark.parametrize("shift", [0, 0.3, -1])
def test_signed_ranks_as_scipy(count: int, method: str, shift: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    differences = np.random.default_rng(count).normal(shift, 1, count)
    if method == "approx":
        differences = np.round(differences, 1)  # with ties, and zeros that do not count
    expected = stats.wilcoxon(differences, method=method, zero_method="wilcox", correction=False).pvalue
    assert signed_rank_p_value(differences) == pytest.approx(expected, rel=1e-9)


def with_overlaps(
    tracker: str, shares: dict[str, float], kind: Kind = Kind.CUSTOM, name: str = "got10k"
) -> TrackerScore:
    """A tracker that finds so much of the target in each sequence; a NaN is a sequence without truth."""
    truths = {
        key: Truth(boxes((0, 0, 10, 10), (nan,) * 4 if np.isnan(share) else (0, 0, 10, 10)))
        for key, share in shares.items()
    }
    results = {
        key: SequenceResult(boxes((0, 0, 10, 10), (0, 0, 10 * np.nan_to_num(share), 10)), None)
        for key, share in shares.items()
    }
    return score(truths, results, kind, name, tracker=tracker)


def test_two_trackers_are_compared_sequence_by_sequence() -> None:
    ours = with_overlaps("ours", {"a": 0.9, "b": 0.7, "c": 0.5, "d": 0.2, "none": nan})
    theirs = with_overlaps("theirs", {"d": 0.3, "c": 0.5, "b": 0.4, "a": 0.4, "none": nan})
    found = compare(ours, theirs)
    assert (found.first, found.second, found.figure) == ("ours", "theirs", "ao")
    assert found.difference == pytest.approx((0.5 + 0.3 + 0 - 0.1) / 4)
    assert (found.wins, found.losses) == (2, 1)
    assert found.interval[0] < found.difference < found.interval[1]
    assert found.p_value == pytest.approx(by_counting([0.5, 0.3, -0.1]))
    assert compare(ours, theirs) == found
    back = compare(theirs, ours)
    assert back.difference == pytest.approx(-found.difference)
    assert (back.wins, back.losses, back.p_value) == (1, 2, pytest.approx(found.p_value))


def test_a_tracker_does_not_differ_from_itself() -> None:
    ours = with_overlaps("ours", {"a": 0.9, "b": 0.7})
    found = compare(ours, ours, "auc")
    assert (found.difference, found.interval, found.wins, found.losses, found.p_value) == (0, (0, 0), 0, 0, 1)


@pytest.mark.parametrize(
    ("sequence", "kind", "name", "message"),
    [
        ("y", Kind.CUSTOM, "got10k", "'a' and 'b' were not scored on the same sequences (x, y): score both on one"),
        ("x", Kind.DAVIS, "got10k", "'a' and 'b' were not scored on the same sequences (custom and DAVIS): score"),
        ("x", Kind.CUSTOM, "pysot", "'a' and 'b' were scored by got10k and pysot: score both by one"),
    ],
)
def test_what_was_not_scored_alike_is_not_compared(sequence: str, kind: Kind, name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        compare(with_overlaps("a", {"x": 1}), with_overlaps("b", {sequence: 1}, kind, name))
    assert str(caught.value).startswith(message)


def test_an_unknown_figure_is_told_with_the_known_ones() -> None:
    ours = with_overlaps("ours", {"a": 0.9})
    with pytest.raises(
        UsageError, match=r"^unknown figure 'eao' \(known: ao, sr50, sr75, auc, precision, norm_precision"
    ):
        compare(ours, ours, "eao")
