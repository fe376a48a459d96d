"""Fourier transforms of small kernels in large maps, and products of transforms.

A kernel that is padded to the size of a map is mostly zeros, and of an inverse transform only a small corner is needed.
Two matrix products with the rest of the basis take half the time of a whole transform, in either direction.

The spectrum of a real map `(H, W)` has real and imaginary parts of F frequencies, `H // 2 + 1` down the columns by W
along the rows. The other frequencies are conjugates of these. Products of spectra are summed while they are computed,
so that no array of the size of all samples is written.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.system.numba_cache import CACHE

Array = NDArray[Any]
"""Array of float32, or of float64 in tests that exclude rounding."""


class FourierBasis(NamedTuple):
    """Matrices of the transform of the corner `(h, w)` of a map that is zero elsewhere, and of its inverse."""

    along: Array
    """`(w, 2 W)`: cosines and sines along the rows."""
    down: Array
    """`(2 (H // 2 + 1), 2 h)`: cosines and sines of each row to real and imaginary parts."""
    back: Array
    """`(2 h, 2 (H // 2 + 1))`: inverse of `down`; the transpose of `along` completes the inverse transform."""


@lru_cache(maxsize=256)
def fourier_basis(corner: tuple[int, int], shape: tuple[int, int], dtype: np.dtype[Any]) -> FourierBasis:
    """Return the matrices of a corner `(h, w)` of a map `(H, W)`.

    `exp(-i (k u + y v))` is summed along the rows first, as `cos(y v)` and `sin(y v)`, so that all products are real.
    """
    (height, width), (rows, columns) = corner, shape
    turns = 2 * np.pi * np.outer(np.arange(width), np.arange(columns)) / columns
    along = np.concatenate([np.cos(turns), np.sin(turns)], axis=1)
    half = rows // 2 + 1
    turns = 2 * np.pi * np.outer(np.arange(half), np.arange(height)) / rows
    cosines, sines = np.cos(turns), np.sin(turns)
    real, imaginary = np.stack([cosines, -sines], axis=2), np.stack([-sines, -cosines], axis=2)
    down = np.concatenate([real.reshape(half, -1), imaginary.reshape(half, -1)])
    # Every frequency stands for two, except the first, and the last one of an even number of rows.
    counts = np.full(half, 2.0)
    counts[0] = 1
    if rows % 2 == 0:
        counts[-1] = 1
    back = down.T * np.tile(counts, 2) / (rows * columns)
    return FourierBasis(*(np.ascontiguousarray(each, dtype) for each in (along, down, back)))


def to_spectra(maps: Tensor) -> Array:
    """Return the spectra of real maps: `(..., H, W)` to `(..., 2, F)`."""
    transformed = torch.view_as_real(torch.fft.rfftn(maps, dim=(-1, -2)))
    planar: Array = transformed.movedim(-1, -3).flatten(-2).contiguous().numpy()
    return planar


# PyTorch computes the products: the threads of NumPy's BLAS go on spinning afterwards and take the network's cores.
def corners_to_spectra(corners: Array, basis: FourierBasis) -> Array:
    """Return the spectra of maps that are zero except in a corner: `(N, h, w)` to `(N, 2, F)`."""
    count, height, width = corners.shape
    along, down, _ = map(torch.from_numpy, basis)
    rows = torch.matmul(torch.from_numpy(corners).reshape(-1, width), along)
    spectra: Array = torch.matmul(down, rows.view(count, 2 * height, -1)).view(count, 2, -1).numpy()
    return spectra


def spectra_to_corners(spectra: Array, basis: FourierBasis) -> Array:
    """Return the corners of the maps of spectra: `(N, 2, F)` to `(N, h, w)`."""
    along, _, back = map(torch.from_numpy, basis)
    width, double = along.shape
    rows = torch.matmul(back, torch.from_numpy(spectra).view(len(spectra), -1, double // 2))
    corners: Array = torch.matmul(rows.view(-1, double), along.T).view(len(spectra), -1, width).numpy()
    return corners


# Without fastmath: code from numba's cache would round in another way than code that was just compiled.
@njit(cache=CACHE)
def add_product(spectrum: Array, other: Array, total: Array) -> None:
    """Add `spectrum * conj(other)` to `total`, all of them `(2, F)`."""
    re, im = spectrum[0], spectrum[1]
    x, y = other[0], other[1]
    total_re, total_im = total[0], total[1]
    for f in range(re.size):
        total_re[f] += re[f] * x[f] + im[f] * y[f]
        total_im[f] += im[f] * x[f] - re[f] * y[f]


@njit(cache=CACHE)
def add_over_channels(sample: Array, other: Array, total: Array) -> None:
    """Add the products of the channels of two spectra, `(C, 2, F)`, to one total, `(2, F)`."""
    for c in range(len(sample)):
        add_product(sample[c], other[c], total)


@njit(cache=CACHE)
def add_to_channels(sample: Array, other: Array, totals: Array) -> None:
    """Add the product of every channel, `(C, 2, F)`, and one spectrum, `(2, F)`, to its total."""
    for c in range(len(sample)):
        add_product(sample[c], other, totals[c])
