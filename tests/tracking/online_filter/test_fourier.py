"""Transforms of corners of maps, against the whole transforms of PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.tracking.online_filter.fourier import (
    Array,
    add_product,
    corners_to_spectra,
    fourier_basis,
    spectra_to_corners,
    to_spectra,
)

Kind = np.dtype[np.float32 | np.float64]

SIDES = st.integers(1, 33).flatmap(lambda side: st.tuples(st.integers(1, side), st.just(side)))
"""Of a corner and of its map, even and odd."""
KINDS = st.sampled_from([np.dtype(np.float32), np.dtype(np.float64)])


def random_map(shape: tuple[int, int], kind: Kind) -> Array:
    return np.random.default_rng(shape).standard_normal(shape).astype(kind)


def spectrum_of(whole: Array) -> Array:
    return to_spectra(torch.from_numpy(whole))


def test_a_spectrum_is_the_transform_of_pytorch() -> None:
    whole = random_map((6, 5), np.dtype(np.float64))
    expected = torch.fft.fft2(torch.from_numpy(whole))[:4].flatten()
    np.testing.assert_allclose(spectrum_of(whole), torch.stack([expected.real, expected.imag]), atol=1e-12)


@settings(deadline=None)
@given(SIDES, SIDES, KINDS)
def test_the_spectrum_of_a_corner_is_that_of_the_map_which_is_zero_elsewhere(
    rows: tuple[int, int], columns: tuple[int, int], kind: Kind
) -> None:
    (height, down), (width, along) = rows, columns
    whole = np.zeros((down, along), kind)
    corner = whole[:height, :width] = random_map((height, width), kind)
    found, _ = corners_to_spectra(np.stack([corner, -corner]), fourier_basis((height, width), (down, along), kind))
    np.testing.assert_allclose(found, spectrum_of(whole), atol=1e-4, rtol=1e-5)


@settings(deadline=None)
@given(SIDES, SIDES, KINDS)
def test_the_corner_of_a_map_comes_back(rows: tuple[int, int], columns: tuple[int, int], kind: Kind) -> None:
    (height, down), (width, along) = rows, columns
    whole = random_map((down, along), kind)
    spectrum = spectrum_of(whole)
    found, _ = spectra_to_corners(np.stack([spectrum, -spectrum]), fourier_basis((height, width), (down, along), kind))
    np.testing.assert_allclose(found, whole[:height, :width], atol=1e-4, rtol=1e-5)


def test_a_product_of_spectra_is_added_up() -> None:
    one, other = (spectrum_of(random_map(shape, np.dtype(np.float64))) for shape in ((4, 6), (5, 6)))
    total = np.ones_like(one)
    add_product(one, other, total)
    expected = (one[0] + 1j * one[1]) * (other[0] - 1j * other[1])
    np.testing.assert_allclose(total - 1, [expected.real, expected.imag])


SUMS = """
import hashlib
import numpy as np
from siamtrack.tracking.online_filter.fourier import add_over_channels, add_to_channels
rng = np.random.default_rng(0)
sample, other = rng.standard_normal((2, 96, 2, 276), np.float32)
total, totals = np.zeros((2, 276), np.float32), np.zeros((96, 2, 276), np.float32)
add_over_channels(sample, other, total)
add_to_channels(sample, other[0], totals)
print(hashlib.sha256(total.tobytes() + totals.tobytes()).hexdigest())
"""


def test_kernels_round_alike_when_they_are_compiled_and_when_they_are_loaded(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", SUMS], env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
