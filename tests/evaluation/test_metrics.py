"""Figures of frames: worked out by hand, and against the functions of the installed GOT-10k toolkit."""

from __future__ import annotations

import numpy as np
import pytest
from got10k.utils.metrics import center_error, rect_iou
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scored_sets import boxes

from siamtrack.evaluation.metrics import (
    NORM_PRECISION_THRESHOLDS,
    PRECISION_THRESHOLDS,
    average_overlap,
    center_errors,
    count_failures,
    cut_to_frame,
    has_target,
    normalized_center_errors,
    overlaps,
    precision_curve,
    success_curve,
    success_rate,
)

nan, inf = float("nan"), float("inf")

EIGHTHS = st.integers(-400, 2000).map(lambda value: value / 8)
SIDES = st.integers(0, 1000).map(lambda value: value / 8)
"""Sides of 0 are among them, and boxes outside the frame below."""
PAIRS = st.lists(st.tuples(*[EIGHTHS, EIGHTHS, SIDES, SIDES] * 2), min_size=1, max_size=20)
FRAME = (160, 120)


def split(pairs: list[tuple[float, ...]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    table = np.array(pairs)
    return table[:, :4], table[:, 4:]


def one_based(given: NDArray[np.float64]) -> NDArray[np.float64]:
    """As boxes stand in files: the toolkit works on those numbers."""
    return given + np.array([1, 1, 0, 0])


@settings(deadline=None)
@given(PAIRS)
def test_overlaps_are_those_of_the_toolkit(pairs: list[tuple[float, ...]]) -> None:
    found, truth = split(pairs)
    np.testing.assert_allclose(overlaps(found, truth), rect_iou(one_based(found), one_based(truth)), atol=1e-9)


@settings(deadline=None)
@given(PAIRS)
def test_overlaps_inside_the_frame_are_those_of_the_toolkit(pairs: list[tuple[float, ...]]) -> None:
    found, truth = split(pairs)
    ours = overlaps(cut_to_frame(found, FRAME), cut_to_frame(truth, FRAME))
    np.testing.assert_allclose(ours, rect_iou(one_based(found), one_based(truth), bound=FRAME), atol=1e-9)


@settings(deadline=None)
@given(PAIRS)
def test_center_errors_are_those_of_the_toolkit(pairs: list[tuple[float, ...]]) -> None:
    found, truth = split(pairs)
    np.testing.assert_allclose(center_errors(found, truth), center_error(one_based(found), one_based(truth)), atol=1e-9)


def test_a_box_that_hangs_out_at_the_left_is_moved_and_at_the_right_is_shortened() -> None:
    given_boxes = boxes(
        (-11, -6, 20, 30), (150, 110, 20, 30), (300, 10, 20, 30), (10, 20, 30, 40), (nan, nan, nan, nan)
    )
    expected = boxes((-1, -1, 20, 30), (150, 110, 9, 9), (159, 10, 0, 30), (10, 20, 30, 40), (nan, nan, nan, nan))
    np.testing.assert_array_equal(cut_to_frame(given_boxes, FRAME), expected)


def test_center_errors_by_hand() -> None:
    found = boxes((3, 4, 10, 10), (0, 0, 20, 20), (5, 5, 0, 0))
    truth = boxes((0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10))
    np.testing.assert_allclose(center_errors(found, truth), [5, np.hypot(5, 5), 0])


def test_normalized_center_errors_are_in_widths_and_heights_of_the_target() -> None:
    found, truth = boxes((6, 0, 20, 10), (0, 4, 20, 10), (6, 4, 20, 10)), boxes(*[(0, 0, 20, 10)] * 3)
    np.testing.assert_allclose(normalized_center_errors(found, truth), [0.3, 0.4, 0.5])


NO_TRUTH = [(nan, nan, nan, nan), (0, 0, nan, 10), (inf, 0, 10, 10)]


@pytest.mark.parametrize("row", NO_TRUTH)
@pytest.mark.parametrize("found", [(0, 0, 10, 10), (nan, nan, nan, nan), (0, 0, 0, 0)])
def test_a_frame_without_truth_has_no_figure(row: tuple[float, ...], found: tuple[float, ...]) -> None:
    for measure in (overlaps, center_errors, normalized_center_errors):
        assert np.isnan(measure(boxes(found), boxes(row))).all()


@pytest.mark.parametrize("row", [(nan, 0, 10, 10), (0, 0, inf, 10), (-inf, 0, inf, 10), (0, 0, 10, nan)])
def test_a_box_that_is_not_finite_is_a_miss(row: tuple[float, ...]) -> None:
    found, truth = boxes(row, (0, 0, 10, 10)), boxes((0, 0, 10, 10), (0, 0, 10, 10))
    np.testing.assert_array_equal(overlaps(found, truth), [0, 1])
    np.testing.assert_array_equal(center_errors(found, truth), [inf, 0])
    np.testing.assert_array_equal(normalized_center_errors(found, truth), [inf, 0])


def test_an_empty_truth_cannot_be_hit() -> None:
    empty = boxes((5, 5, 0, 10), (5, 5, 10, 0), (5, 5, -3, 10), (5, 5, 0, 0))
    assert not has_target(empty).any()
    np.testing.assert_array_equal(overlaps(empty, empty), 0)
    np.testing.assert_array_equal(normalized_center_errors(empty, empty), inf)


def test_targets_are_finite_and_have_an_area() -> None:
    np.testing.assert_array_equal(has_target(boxes((0, 0, 1, 1), (-9, -9, 0.5, 0.5), *NO_TRUTH)), [1, 1, 0, 0, 0])


@settings(deadline=None)
@given(arrays(np.float64, (5, 4), elements=st.floats(-1e6, 1e6)))
def test_no_overlap_is_above_1(found: NDArray[np.float64]) -> None:
    assert (overlaps(found, found) <= 1).all()


def test_curves_by_hand() -> None:
    values = np.array([0, 0.25, 0.5, 0.75, nan])
    # Greater, not equal: 0 is above no threshold, 0.25 is not above 0.25.
    np.testing.assert_allclose(success_curve(values, np.array([0, 0.25, 0.5, 0.75, 1])), [0.75, 0.5, 0.25, 0, 0])
    # Equal is near enough.
    errors = np.array([0, 1, 1.5, 50.001, nan, inf])
    np.testing.assert_allclose(precision_curve(errors, np.array([0.0, 1, 2, 50])), [0.2, 0.4, 0.6, 0.6])


@settings(deadline=None)
@given(
    arrays(
        np.float64, st.integers(1, 40), elements=st.sampled_from([nan, 0, 0.05, 0.15, 0.3, 0.5, 0.7, 0.999, 1, inf])
    ),
    st.sampled_from([np.linspace(0, 1, 21), np.linspace(0, 1, 101), PRECISION_THRESHOLDS, NORM_PRECISION_THRESHOLDS]),
)
def test_curves_are_what_comparing_every_value_gives(
    values: NDArray[np.float64], thresholds: NDArray[np.float64]
) -> None:
    counted = values[~np.isnan(values)]
    if not len(counted):
        assert np.isnan(success_curve(values, thresholds)).all()
        return
    np.testing.assert_array_equal(success_curve(values, thresholds), (counted[:, None] > thresholds).mean(axis=0))
    np.testing.assert_array_equal(precision_curve(values, thresholds), (counted[:, None] <= thresholds).mean(axis=0))


def test_a_perfect_tracker_has_20_of_21() -> None:
    assert success_curve(np.ones(7), np.linspace(0, 1, 21)).mean() == pytest.approx(20 / 21)


def test_means_and_rates_leave_out_what_does_not_count() -> None:
    values = np.array([0.4, nan, 0.5, 0.6])
    assert average_overlap(values) == pytest.approx(0.5)
    assert success_rate(values, 0.5) == pytest.approx(1 / 3)
    assert np.isnan(average_overlap(values[1:2]))
    assert np.isnan(success_rate(values[:0], 0.5))


@pytest.mark.parametrize(
    ("values", "failures"),
    [
        ([0.5, 0.2, 0.9], 0),
        ([0.5, 0, 0, 0.3, 0], 2),
        ([0, 0, 0.3], 1),
        ([0.5, 0, nan, 0, 0.2], 1),
        ([nan, nan], 0),
        ([], 0),
    ],
)
def test_failures_are_runs_without_overlap(values: list[float], failures: int) -> None:
    assert count_failures(np.array(values, np.float64)) == failures
