"""Fourier transforms of small kernels in large maps, and products of transforms.

Most of a kernel that is padded to the size of a map is zeros, and most of what the inverse transform gives is not asked
for: two matrix products of what is left take half of the time of a whole transform, each way.

The spectrum of a real map `(H, W)` has real and imaginary parts of F frequencies, `H // 2 + 1` down the columns by W
along the rows; those left out are conjugates of these. The products of transforms are summed as they are made, so that
nothing of the size of all samples is written anywhere.
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
"""Of float32, or of float64 where rounding is to be kept out."""


class FourierBasis(NamedTuple):
    """The matrices that transform the corner `(h, w)` of a map that is zero elsewhere, there and back."""

    along: Array
    """`(w, 2 W)`: cosines and sines along the rows."""
    down: Array
    """`(2 (H // 2 + 1), 2 h)`: from cosines and sines of each row to real and imaginary parts."""
    back: Array
    """`(2 h, 2 (H // 2 + 1))`: the inverse of `down`, of which `along` completes the way back."""


@lru_cache(maxsize=256)
def fourier_basis(corner: tuple[int, int], shape: tuple[int, int], dtype: np.dtype[Any]) -> FourierBasis:
    """The matrices of a corner `(h, w)` of a map `(H, W)`.

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
    # All frequencies but the first, and the last one of an even number of rows, stand for two.
    counts = np.full(half, 2.0)
    counts[0] = 1
    if rows % 2 == 0:
        counts[-1] = 1
    back = down.T * np.tile(counts, 2) / (rows * columns)
    return FourierBasis(*(np.ascontiguousarray(each, dtype) for each in (along, down, back)))


def spectra_of(maps: Tensor) -> Array:
    """The spectra of real maps `(..., H, W)`: `(..., 2, F)`."""
    transformed = torch.view_as_real(torch.fft.rfftn(maps, dim=(-1, -2)))
    planar: Array = transformed.movedim(-1, -3).flatten(-2).contiguous().numpy()
    return planar


# The products are PyTorch's: the threads of NumPy's BLAS spin when they are done, and take the network's cores.
def into_spectra(corners: Array, waves: FourierBasis) -> Array:
    """The spectra of maps that are zero but for a corner: `(N, h, w)` to `(N, 2, F)`; waves are of this corner."""
    count, height, width = corners.shape
    along, down, _ = map(torch.from_numpy, waves)
    rows = torch.matmul(torch.from_numpy(corners).reshape(-1, width), along)
    spectra: Array = torch.matmul(down, rows.view(count, 2 * height, -1)).view(count, 2, -1).numpy()
    return spectra


def into_corners(spectra: Array, waves: FourierBasis) -> Array:
    """The corners of the maps of spectra: `(N, 2, F)` to `(N, h, w)`; waves are of this corner."""
    along, _, back = map(torch.from_numpy, waves)
    width, double = along.shape
    rows = torch.matmul(back, torch.from_numpy(spectra).view(len(spectra), -1, double // 2))
    corners: Array = torch.matmul(rows.view(-1, double), along.T).view(len(spectra), -1, width).numpy()
    return corners


# Not with fastmath: code that is loaded from numba's cache would round in another way than code just compiled.
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
def add_to_channels(sample: Array, answer: Array, totals: Array) -> None:
    """Add the product of every channel, `(C, 2, F)`, and the same spectrum, `(2, F)`, to its total."""
    for c in range(len(sample)):
        add_product(sample[c], answer, totals[c])
