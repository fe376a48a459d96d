import subprocess
import sys

import cv2
import numpy as np
import peak_twin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from siamtrack.system.numba_cache import CACHE
from siamtrack.tracking.response import Peak, find_filter_peak, find_peak, interpolate, make_tables, needs_compiling

PENALTY, INFLUENCE, RADIUS = 0.9745, 0.176, 4


def kernel(
    responses: NDArray[np.float32], penalty: float = PENALTY, influence: float = INFLUENCE, upsample: int = 16
) -> Peak:
    return find_peak(responses, penalty, influence, RADIUS, make_tables(responses.shape[-1], upsample))


def blobs(seed: int, scales: int = 3, size: int = 17, sigma: float = 1.2, offset: float = 0.0) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(size=(scales, size, size))
    smooth = np.stack([cv2.GaussianBlur(map_, (0, 0), sigma) for map_ in noise])
    return (smooth / smooth.std() + offset).astype(np.float32)


def same(found: Peak, responses: NDArray[np.float32], penalty: float, influence: float, upsample: int) -> None:
    """The kernel's answer is the twin's, or one that the twin cannot tell from its own: equal up to rounding."""
    assert np.isfinite(found).all()
    maps = peak_twin.upsampled(responses, upsample)
    magnitude = np.abs(maps).max()
    penalized = peak_twin.penalized_maxima(maps, penalty)
    assert penalized[found.scale] >= penalized.max() - 1e-11 * magnitude
    map_ = maps[found.scale]
    assert found.peak == pytest.approx(map_.max(), abs=1e-11 * magnitude)
    response = peak_twin.cleaned(responses)[found.scale]
    if peak_twin.is_flat(response):
        center = (len(map_) - 1) / 2
        assert found[1:] == (center, center, found.peak, found.peak, 0.0, 0.0)
        return
    row, col = int(found.row), int(found.col)
    assert (row, col) == (found.row, found.col)
    assert found.value == pytest.approx(map_[row, col], abs=1e-11 * magnitude)
    mixture = peak_twin.mixture(map_, influence)
    # Subtracting the minimum costs digits when the range is small against the magnitude.
    assert mixture[row, col] >= mixture.max() * (1 - 1e-11 * max(1.0, magnitude / np.ptp(response)))
    assert (found.psr, found.apce) == pytest.approx(peak_twin.confidence(response, RADIUS), rel=1e-3, abs=1e-6)


def test_upsampling_of_the_twin_is_that_of_opencv() -> None:
    response = blobs(0)[0]
    expected = cv2.resize(response, (272, 272), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(peak_twin.upsampled(response[None], 16)[0], expected, atol=2e-6)


@pytest.mark.parametrize("offset", [0.0, 3.0])
@pytest.mark.parametrize("sigma", [0.1, 0.7, 1.5, 3.0])
def test_equals_twin_on_random_maps(sigma: float, offset: float) -> None:
    for seed in range(20):
        responses = blobs(seed, sigma=sigma, offset=offset)
        found = kernel(responses)
        expected = peak_twin.find_peak_twin(responses, PENALTY, INFLUENCE, RADIUS, 16)
        assert found[:3] == expected[:3]
        assert found[3:] == pytest.approx(expected[3:], rel=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_equals_opencv_and_argmax_as_siamfc_uses_them(seed: int) -> None:
    responses = blobs(seed, offset=5.0)  # positive: there the published penalty is ours
    maps = np.stack([cv2.resize(r, (272, 272), interpolation=cv2.INTER_CUBIC) for r in responses])
    maps[[0, 2]] *= PENALTY
    scale = int(maps.max(axis=(1, 2)).argmax())
    best = maps[scale] - maps[scale].min()
    mixed = (1 - INFLUENCE) * best / (best.sum() + 1e-16) + INFLUENCE * peak_twin.hann(272)
    row, col = np.unravel_index(mixed.argmax(), mixed.shape)
    assert kernel(responses)[:3] == (scale, row, col)


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_equals_twin_on_any_map(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 9), "size")
    scales = data.draw(st.sampled_from([1, 3, 5]), "scales")
    upsample = data.draw(st.sampled_from([1, 2, 3, 4, 5, 16]), "upsample")
    values = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0, -1.0, 5.0])
    responses = data.draw(arrays(np.float32, (scales, size, size), elements=values), "responses")
    penalty = data.draw(st.sampled_from([1.0, PENALTY, 0.5]), "penalty")
    influence = data.draw(st.sampled_from([0.0, INFLUENCE, 1.0]), "influence")
    same(kernel(responses, penalty, influence, upsample), responses, penalty, influence, upsample)


@settings(deadline=None)
@given(responses=arrays(np.float32, (3, 6, 6), elements=st.integers(-2, 2)))
def test_first_of_equal_positions_in_raster_order(responses: NDArray[np.float32]) -> None:
    # Without upsampling and window every step is exact, and small integers make ties the rule.
    found = kernel(responses, penalty=1.0, influence=0.0, upsample=1)
    maxima = responses.max(axis=(1, 2))
    assert found.scale == (1 if maxima[1] == maxima.max() else maxima.argmax())
    response = responses[found.scale]
    if np.ptp(response) > 0:
        assert (found.row, found.col) == np.unravel_index(response.argmax(), response.shape)


@pytest.mark.parametrize(
    "value", [0.0, 1.0, -1.0, 1e-45, 1e38, -1e38], ids=["zero", "one", "minus one", "least", "huge", "hugely negative"]
)
@pytest.mark.parametrize("upsample", [1, 5, 16])
def test_constant_maps_hold_position_and_size(value: float, upsample: int) -> None:
    found = kernel(np.full((3, 17, 17), value, np.float32), upsample=upsample)
    center = (17 * upsample - 1) / 2
    assert (found.scale, found.row, found.col, found.psr, found.apce) == (1, center, center, 0.0, 0.0)
    assert found.peak == found.value == pytest.approx(np.float32(value), rel=1e-12)


@pytest.mark.parametrize("corner", [(0, 0), (0, 16), (16, 0), (16, 16)])
def test_single_peak_in_a_corner(corner: tuple[int, int]) -> None:
    responses = np.zeros((3, 17, 17), np.float32)
    responses[2][corner] = 7.0
    found = kernel(responses)
    assert found.scale == 2
    assert (found.row // 16, found.col // 16) == corner
    assert found[3:] == pytest.approx(peak_twin.find_peak_twin(responses, PENALTY, INFLUENCE, RADIUS, 16)[3:])


def test_negative_responses_are_penalized_not_rewarded() -> None:
    responses = np.full((3, 17, 17), -9.0, np.float32)
    responses[:, 8, 8] = [-1.0, -1.01, -1.0]
    # -1 is better than -1.01, but not by as much as the penalty; multiplying would have made it better still.
    assert kernel(responses).scale == 1
    assert kernel(responses, penalty=1.0).scale == 0


def test_nonfinite_responses_are_never_the_peak() -> None:
    responses = blobs(3)
    clean = responses.copy()
    holes = [(0, 2, 3), (1, 8, 8), (1, 0, 16), (2, 5, 5)]
    for hole, value in zip(holes, [np.nan, np.inf, -np.inf, np.nan], strict=True):
        responses[hole] = value
        clean[hole] = np.inf
    clean[np.isinf(clean)] = clean[np.isfinite(clean)].min()
    assert kernel(responses) == kernel(clean)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_without_any_finite_response_nothing_is_found(value: float) -> None:
    found = kernel(np.full((3, 17, 17), value, np.float32))
    assert np.isfinite(found).all()
    assert found.peak < -1e38
    assert (found.scale, found.row, found.col) == (1, 135.5, 135.5)


def test_a_map_all_of_which_is_near_the_peak_has_no_sidelobe() -> None:
    responses = blobs(1, size=5)
    assert find_peak(responses, PENALTY, INFLUENCE, 5, make_tables(5, 16)).psr == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_a_filter_decides_the_place_and_responses_the_rest(seed: int) -> None:
    responses, filter_responses, tables = blobs(seed), blobs(seed + 100)[0], make_tables(17, 16)
    found, greatest = find_filter_peak(responses, filter_responses, PENALTY, INFLUENCE, RADIUS, tables)
    own = kernel(responses)
    there = kernel(np.maximum(filter_responses, 0)[None])  # what it answers below zero says nothing
    assert (found.scale, found.peak, found.psr, found.apce) == (own.scale, own.peak, own.psr, own.apce)
    assert (found.row, found.col, greatest) == (there.row, there.col, there.peak)
    assert found.value == interpolate(responses[own.scale], int(there.row), int(there.col), tables)


@pytest.mark.parametrize("upsample", [1, 2, 7, 16])
def test_tables_add_up(upsample: int) -> None:
    tables = make_tables(9, upsample)
    matrix = peak_twin.upsampling(9, upsample)
    np.testing.assert_allclose(tables.sums, matrix.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(np.outer(tables.window, tables.window), peak_twin.hann(9 * upsample), atol=1e-15)
    assert tables.starts[0] == 0
    assert tables.starts[-1] == 9 * upsample


def test_without_a_place_for_compiled_code_the_package_still_imports() -> None:
    code = (
        "import numba\n"
        "real = numba.njit\n"
        "def njit(*arguments, cache=False, **options):\n"
        "    if cache:\n"
        "        raise RuntimeError('cannot cache function: no locator available')\n"
        "    return real(*arguments, **options)\n"
        "numba.njit = njit\n"
        "from siamtrack.tracking import response as kernels\n"
        "assert kernels.CACHE is False\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_compiled_kernels_are_kept() -> None:
    tables = make_tables(5, 4)
    find_peak(np.zeros((1, 5, 5), np.float32), 0.97, 0.2, 1, tables)
    assert needs_compiling() != CACHE
