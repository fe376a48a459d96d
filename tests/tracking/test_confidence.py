"""Signals of a frame, confidence and status of a target: values computed by hand, and the hysteresis step by step."""

from dataclasses import replace
from math import exp, inf, isfinite, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.config import ConfidenceSettings, SignalWeights, TrackingSettings
from siamtrack.tracking.confidence import Signals, Status, TrackState, confidence, read_signals, update_state
from siamtrack.tracking.response import Peak

T, U, L = Status.TRACKED, Status.UNCERTAIN, Status.LOST

SETTINGS = TrackingSettings(
    uncertain_threshold=0.5,
    lost_threshold=0.2,
    confidence=ConfidenceSettings(
        baseline_frames=3,
        smoothing=1.0,
        slow_smoothing=0.5,
        filter_weight=0.0,
        drop=2.0,
        lost_frames=2,
        found_threshold=0.8,
        confirmations=2,
    ),
)
"""Without smoothing, so that each frame's confidence decides."""
BY_ANSWER = SETTINGS.model_copy(update={"confidence": SETTINGS.confidence.model_copy(update={"filter_weight": 4.0})})
"""What the filter says counts as well."""


def peak(value: float = 3.0, psr: float = 8.0, apce: float = 12.0) -> Peak:
    return Peak(1, 100.0, 100.0, value, value, psr, apce)


def said(confidences: list[float], settings: TrackingSettings = SETTINGS) -> list[Status]:
    """What is said about frames of this confidence, one after the other."""
    state, statuses = TrackState(), []
    for each in confidences:
        state, status = update_state(state, Signals(), each, settings)
        statuses.append(status)
    return statuses


def test_signals_are_logits_and_logarithms() -> None:
    signals = read_signals(peak(3.0, 8.0, 12.0), -1.0, 0.9, 0.75)
    assert signals == pytest.approx((2.0, log(8), log(12), 0.9, log(3)))


def test_a_network_without_filter_or_boxes_leaves_their_signals_at_zero() -> None:
    assert read_signals(peak(), 0.0, 0.0, None)[3:] == (0.0, 0.0)


@given(st.floats(-1e6, 1e6), st.floats(0, 1e9), st.floats(0, 1e4), st.floats(0, 1))
def test_signals_and_confidence_are_finite_whatever_is_seen(
    value: float, psr: float, apce: float, quality: float
) -> None:
    signals = read_signals(peak(value, psr, apce), 0.0, 0.0, quality)
    assert all(isfinite(each) for each in signals)
    heavy = ConfidenceSettings(level_weights=SignalWeights(response=100, psr=100, box_quality=100))
    assert 0 < confidence(signals, None, heavy) < 1


def test_the_confidence_is_a_logistic_regression_on_the_signals_and_their_change() -> None:
    settings = ConfidenceSettings(
        intercept=-1.0,
        level_weights=SignalWeights(response=0.5, filter_response=2.0),
        change_weights=SignalWeights(psr=3.0),
    )
    now, usual = (
        Signals(response=4.0, psr=1.0, filter_response=0.25),
        Signals(response=9.0, psr=1.5, filter_response=1.0),
    )
    logit = -1.0 + 0.5 * 4.0 + 2.0 * 0.25 + 3.0 * (1.0 - 1.5)
    assert confidence(now, usual, settings) == pytest.approx(1 / (1 + exp(-logit)))
    # Nothing is known yet: nothing has changed.
    assert confidence(now, None, settings) == pytest.approx(1 / (1 + exp(-(logit + 1.5))))


def test_a_target_is_lost_after_some_weak_frames_and_not_before() -> None:
    assert said([0.9, 0.1, 0.1, 0.1]) == [T, U, L, L]
    assert said([0.9, 0.1, 0.3, 0.1, 0.6]) == [T, U, U, U, T]  # between the thresholds, or not twice running


def test_a_lost_target_is_taken_back_only_above_the_higher_threshold_and_in_frames_running() -> None:
    lost = [0.9, 0.1, 0.1]
    assert said([*lost, 0.7, 0.7, 0.7])[3:] == [L, L, L]  # enough to be tracked, were it not lost
    assert said([*lost, 0.9, 0.7, 0.9, 0.9])[3:] == [U, L, U, T]
    # Then everything is as before it was lost.
    assert said([*lost, 0.9, 0.9, 0.6, 0.1, 0.1])[3:] == [U, T, T, U, L]


def test_a_confidence_that_was_always_low_or_falls_slowly_is_uncertain_and_not_lost() -> None:
    assert said([0.1] * 9) == [U] * 9
    slowly = [1 / (1 + exp(-logit)) for logit in (2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5, -2.0, -2.5, -3.0)]
    assert said(slowly) == [T] * 5 + [U] * 6
    assert said(slowly[::5]) == [T, U, U]  # 2, -0.5 and -3: the first fall is not below lost_threshold
    assert said([*slowly[::5], slowly[-1]]) == [T, U, U, L]


def test_what_falls_stays_compared_with_what_was_before() -> None:
    patient = SETTINGS.model_copy(update={"confidence": SETTINGS.confidence.model_copy(update={"lost_frames": 20})})
    assert said([0.9, *[0.1] * 19], patient)[-1] is U
    assert said([0.9, *[0.1] * 20], patient)[-1] is L


def test_the_filter_that_no_longer_answers_makes_a_fall_of_a_small_one() -> None:
    confidences = [0.3, 0.18, 0.18]  # a fall of 0.7
    falling, steady = (
        [Signals(filter_response=each) for each in filter_responses]
        for filter_responses in ((1.0, 0.5, 0.5), (1.0, 1.0, 1.0))
    )

    def last(signals: list[Signals], settings: TrackingSettings) -> Status:
        state, status = TrackState(), U
        for each, probability in zip(signals, confidences, strict=True):
            state, status = update_state(state, each, probability, settings)
        return status

    assert last(falling, BY_ANSWER) is L
    assert last(steady, BY_ANSWER) is U
    assert last(falling, SETTINGS) is U


def test_a_single_bad_frame_among_good_ones_is_smoothed_away() -> None:
    smooth = SETTINGS.model_copy(update={"confidence": SETTINGS.confidence.model_copy(update={"smoothing": 0.4})})
    assert said([0.9, 0.9, 0.1, 0.9], smooth) == [T, T, T, T]
    assert said([0.9, 0.9, 0.1, 0.1], smooth)[-1] is U


def test_baseline_is_the_mean_of_the_first_frames() -> None:
    state = TrackState()
    for response in (1.0, 2.0, 6.0, 100.0, 100.0):
        state, _ = update_state(state, Signals(response=response), 0.9, SETTINGS)
    assert state.baseline_frames == 3
    assert state.baseline == pytest.approx(Signals(response=3.0))


def test_baseline_outlives_a_loss() -> None:
    known = TrackState(baseline=Signals(psr=2.0), baseline_frames=1, frames_lost=1)
    for probability in (0.1, 0.0, 0.9):
        known, _ = update_state(known, Signals(psr=-1.0), probability, SETTINGS)
        assert (known.baseline, known.baseline_frames) == (Signals(psr=2.0), 1)
    assert known.frames_lost == 4


def test_track_state_is_a_value() -> None:
    known = TrackState(baseline=Signals(psr=2.0), baseline_frames=5, smoothed=0.3)
    before = replace(known)
    update_state(known, Signals(), 0.9, SETTINGS)
    assert known == before


@given(st.lists(st.floats(0, 1), max_size=60))
def test_track_state_counts_the_frames_since_a_loss(confidences: list[float]) -> None:
    state = TrackState()
    for each in confidences:
        before = state
        state, status = update_state(state, Signals(), each, SETTINGS)
        assert (status is T) <= (state.frames_lost == 0)
        assert (status is L) <= (state.frames_lost > 0)
        assert state.frames_lost in (0, before.frames_lost + 1)


@pytest.mark.parametrize("value", [inf, -inf])
def test_read_signals_bounds_infinite_responses(value: float) -> None:
    assert isfinite(read_signals(peak(value), 0.0, 0.0, None).response)
