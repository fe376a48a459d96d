"""Fourier transforms of small kernels in large maps, and products of transforms.

Most of a kernel that is padded to the size of a map is zeros, and most of what the inverse transform gives is not asked
for: two matrix products of what is left take half of the time of a whole transform. The products of transforms are
summed as they are made, so that nothing of the size of all samples is written anywhere.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.compiling import CACHE


def padded_spectrum(kernel: Tensor, side: int) -> Tensor:
    """`rfft2(kernel, s=(side, side))` of a kernel `(C, h, h)`: `(C, 2 F)`, real and imaginary parts in turn.

    F is `side * (side // 2 + 1)`.
    """
    channels, size = kernel.shape[:2]
    along, down, _ = _fourier(size, side, kernel.dtype)
    rows = torch.matmul(kernel.reshape(channels * size, size), along)
    return torch.matmul(down, rows.view(channels, 2 * size, -1)).flatten(1)


def corner_of(spectrum: Tensor, size: int) -> Tensor:
    """`irfft2(spectrum)[:, :size, :size]` of `(C, side, side // 2 + 1, 2)`, in real and imaginary parts: `(C, h, h)`.

    The spectrum is to be that of real maps.
    """
    channels, side = spectrum.shape[:2]
    _, down, back = _fourier(size, side, spectrum.dtype)
    rows = torch.matmul(down.T, spectrum.flatten(2))
    return torch.matmul(rows.view(channels * size, -1), back).view(channels, size, size)


@cache
@torch.inference_mode(False)  # they outlive the call, and may meet gradients
def _fourier(size: int, side: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """The matrices of `padded_spectrum`, along the rows and down the columns, and of `corner_of` along the rows.

    A complex product with `exp(-i t)` is one with `cos t` and, of what is turned by 90 degrees, one with `sin t`: the
    rows are transformed both ways, so that down the columns there are two real products.

    Returns:
        `(size, 4 W')`, `(side, 2 size)` and `(4 W', size)`; `W'` is `side // 2 + 1`.
    """
    half = side // 2 + 1
    across = 2 * np.pi * np.outer(np.arange(size), np.arange(half)) / side
    wave = np.stack([np.cos(across), -np.sin(across)], axis=-1)
    turned = np.stack([-np.sin(across), -np.cos(across)], axis=-1)  # -i times the wave
    along = np.stack([wave, turned], axis=1)
    upright = 2 * np.pi * np.outer(np.arange(side), np.arange(size)) / side
    down = np.stack([np.cos(upright), np.sin(upright)], axis=-1)
    # All frequencies but the first, and the last one of an even side, stand for two.
    counts = np.full(half, 2.0)
    counts[0] = 1
    if side % 2 == 0:
        counts[-1] = 1
    back = along * counts[:, None] / side**2
    made = along.reshape(size, -1), down.reshape(side, -1), back.reshape(size, -1).T
    first, second, third = (torch.from_numpy(np.ascontiguousarray(each)).to(dtype) for each in made)
    return first, second, third


@njit(cache=CACHE, fastmath=True)
def add_over_channels(sample: NDArray[Any], weights: NDArray[Any], out: NDArray[Any]) -> None:
    """Add the sum over channels of `sample * conj(weights)` to `out`.

    Args:
        sample: `(C, 2 F)`, real and imaginary parts in turn.
        weights: `(C, 2 F)` likewise.
        out: `(2 F,)` likewise.
    """
    channels, frequencies = sample.shape[0], sample.shape[1] // 2
    for c in range(channels):
        for f in range(frequencies):
            re, im = sample[c, 2 * f], sample[c, 2 * f + 1]
            x, y = weights[c, 2 * f], weights[c, 2 * f + 1]
            out[2 * f] += re * x + im * y
            out[2 * f + 1] += im * x - re * y


@njit(cache=CACHE, fastmath=True)
def add_to_channels(sample: NDArray[Any], answer: NDArray[Any], out: NDArray[Any]) -> None:
    """Add `sample * conj(answer)` to `out`, in every channel.

    Args:
        sample: `(C, 2 F)`, real and imaginary parts in turn.
        answer: `(2 F,)` likewise.
        out: `(C, 2 F)` likewise.
    """
    channels, frequencies = sample.shape[0], sample.shape[1] // 2
    for c in range(channels):
        for f in range(frequencies):
            re, im = sample[c, 2 * f], sample[c, 2 * f + 1]
            x, y = answer[2 * f], answer[2 * f + 1]
            out[c, 2 * f] += re * x + im * y
            out[c, 2 * f + 1] += im * x - re * y
