"""Fourier transforms of small kernels in large maps, and products of transforms, for kernels of numba.

Most of a kernel that is padded to the size of a map is zeros, and most of what the inverse transform gives is not asked
for: two matrix products of what is left take half of the time of a whole transform, each way.

The spectrum of a real map `(H, W)` has real and imaginary parts of F frequencies, `H // 2 + 1` down the columns by W
along the rows; those left out are conjugates of these. The kernels take it as `(2, F)`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.compiling import CACHE

Array = NDArray[Any]
"""Of float32, or of float64 where rounding is to be kept out."""


class Waves(NamedTuple):
    """The matrices that transform the corner `(h, w)` of a map that is zero elsewhere, there and back."""

    along: Array
    """`(w, 2 W)`: cosines and sines along the rows."""
    down: Array
    """`(2 (H // 2 + 1), 2 h)`: from cosines and sines of each row to real and imaginary parts."""
    back: Array
    """`(2 h, 2 (H // 2 + 1))`: the inverse of `down`, of which `along` completes the way back."""


@lru_cache(maxsize=256)
def waves_of(corner: tuple[int, int], shape: tuple[int, int], dtype: np.dtype[Any]) -> Waves:
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
    return Waves(*(np.ascontiguousarray(each, dtype) for each in (along, down, back)))


def spectra_of(maps: Tensor) -> Array:
    """The spectra of real maps `(..., H, W)`: `(..., 2, F)`."""
    transformed = torch.view_as_real(torch.fft.rfftn(maps, dim=(-1, -2)))
    planar: Array = transformed.movedim(-1, -3).flatten(-2).contiguous().numpy()
    return planar


# Sums may be added up in any order, as vector instructions do.
@njit(cache=CACHE, fastmath=True)
def into_spectrum(corner: Array, waves: Waves, room: Array, spectrum: Array) -> None:
    """Transform what stands in the corner of a map that is zero elsewhere, into `spectrum`.

    Args:
        corner: `(h, w)`.
        waves: of this corner of the map.
        room: `(h, 2 W)` for what is between the two products.
        spectrum: `(2, F)`.
    """
    columns = waves.along.shape[1] // 2
    _multiply(corner, waves.along, room)
    _multiply(waves.down, room.reshape(-1, columns), spectrum.reshape(-1, columns))


@njit(cache=CACHE, fastmath=True)
def into_corner(spectrum: Array, waves: Waves, room: Array, corner: Array) -> None:
    """Transform back, but what stands in the corner alone, into `corner`; arguments as of `into_spectrum`."""
    columns = waves.along.shape[1] // 2
    _multiply(waves.back, spectrum.reshape(-1, columns), room.reshape(-1, columns))
    for u in range(corner.shape[0]):
        row = room[u]
        for v in range(corner.shape[1]):
            wave = waves.along[v]
            total = row.dtype.type(0)
            for y in range(row.size):
                total += row[y] * wave[y]
            corner[u, v] = total


@njit(cache=CACHE, fastmath=True)
def add_product(spectrum: Array, other: Array, total: Array) -> None:
    """Add `spectrum * conj(other)` to `total`, all of them `(2, F)`."""
    re, im = spectrum[0], spectrum[1]
    x, y = other[0], other[1]
    total_re, total_im = total[0], total[1]
    for f in range(re.size):
        total_re[f] += re[f] * x[f] + im[f] * y[f]
        total_im[f] += im[f] * x[f] - re[f] * y[f]


@njit(cache=CACHE, fastmath=True)
def _multiply(a: Array, b: Array, product: Array) -> None:
    """The product of two small matrices, eight rows of the second at a time: a call of BLAS takes as long as this."""
    inner = a.shape[1]
    whole = inner - inner % 8
    for i in range(a.shape[0]):
        out = product[i]
        out[:] = 0
        for k in range(0, whole, 8):
            a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            a4, a5, a6, a7 = a[i, k + 4], a[i, k + 5], a[i, k + 6], a[i, k + 7]
            b0, b1, b2, b3, b4, b5, b6, b7 = b[k], b[k + 1], b[k + 2], b[k + 3], b[k + 4], b[k + 5], b[k + 6], b[k + 7]
            for j in range(out.size):
                first = a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j]
                out[j] += first + a4 * b4[j] + a5 * b5[j] + a6 * b6[j] + a7 * b7[j]
        for k in range(whole, inner):
            factor, row = a[i, k], b[k]
            for j in range(out.size):
                out[j] += factor * row[j]
