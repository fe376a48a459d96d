from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.evaluation.conventions import Average
from siamtrack.evaluation.scoring import measure_speed


def test_the_initialization_counts_in_the_mean_of_rates_alone() -> None:
    speed = measure_speed([np.array([1, 0.1, 0.1, 0.2])], Average.FRAMES)
    assert speed is not None
    assert speed.fps == pytest.approx(3 / 0.4)
    assert speed.mean_inverse_fps == pytest.approx((1 + 10 + 10 + 5) / 4)
    assert speed.p50_ms == pytest.approx(100)
    assert speed.p95_ms == pytest.approx(190)


def test_sequences_share_frames_or_count_alike() -> None:
    seconds = [np.array([0.1, 0.1, 0.1]), np.array([0.5, 0.5])]
    of_frames, of_sequences = measure_speed(seconds, Average.FRAMES), measure_speed(seconds, Average.SEQUENCES)
    assert of_frames is not None
    assert of_sequences is not None
    assert of_frames.mean_inverse_fps == pytest.approx((3 * 10 + 2 * 2) / 5)
    assert of_sequences.mean_inverse_fps == pytest.approx((10 + 2) / 2)
    assert of_frames.fps == of_sequences.fps == pytest.approx(3 / 0.7)


def test_times_that_were_not_measured_are_left_out() -> None:
    speed = measure_speed([np.array([0, 0.1, 0, 0.1])], Average.SEQUENCES)
    assert speed is not None
    assert speed.fps == pytest.approx(10)
    assert speed.mean_inverse_fps == pytest.approx(10)


@pytest.mark.parametrize("seconds", [[], [np.array([])], [np.array([0.5])], [np.array([0.5, 0, 0])]])
def test_without_a_timed_frame_there_is_no_speed(seconds: list[np.ndarray]) -> None:
    assert measure_speed(seconds, Average.FRAMES) is None


@settings(deadline=None)
@given(st.lists(st.floats(1e-4, 10), min_size=2, max_size=50))
def test_latencies_are_numpys_percentiles(seconds: list[float]) -> None:
    speed = measure_speed([np.array(seconds)], Average.FRAMES)
    assert speed is not None
    expected = 1000 * np.percentile(seconds[1:], (50, 95))
    np.testing.assert_allclose((speed.p50_ms, speed.p95_ms), expected, rtol=1e-12)
