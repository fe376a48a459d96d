"""Products of Fourier transforms, summed as they are made: nothing of the size of all samples is written anywhere."""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray

from siamtrack.compiling import CACHE


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
