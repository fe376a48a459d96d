"""What `find_peak` computes, in plain NumPy: the whole upsampled maps are built and searched with argmax."""

import numpy as np
from numpy.typing import NDArray

from siamtrack.tracking.response import FLAT, LOWEST, Peak


def upsampling(size: int, upsample: int) -> NDArray[np.float64]:
    """`(size * upsample, size)` matrix of cubic convolution with a = -0.75, half-pixel centers, repeated border."""
    matrix = np.zeros((size * upsample, size))
    for d in range(size * upsample):
        position = (d + 0.5) / upsample - 0.5
        for cell in range(int(np.floor(position)) - 1, int(np.floor(position)) + 3):
            x, a = abs(position - cell), -0.75
            near = (a + 2) * x**3 - (a + 3) * x**2 + 1
            far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
            weight = near if x <= 1 else far if x < 2 else 0.0
            matrix[d, min(max(cell, 0), size - 1)] += weight
    return matrix


def hann(n: int) -> NDArray[np.float64]:
    """`(n, n)` Hann window that sums to 1."""
    line = np.hanning(n)
    line = line if line.sum() > 0 else np.ones(n)
    window = np.outer(line, line)
    return window / window.sum()


def cleaned(responses: NDArray[np.float32]) -> NDArray[np.float64]:
    finite = np.isfinite(responses)
    least = responses[finite].min() if finite.any() else np.float32(LOWEST)
    return np.where(finite, responses, least).astype(np.float64)


def upsampled(responses: NDArray[np.float32], upsample: int) -> NDArray[np.float64]:
    matrix = upsampling(responses.shape[-1], upsample)
    return matrix @ cleaned(responses) @ matrix.T


def penalized_maxima(maps: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """Greatest value of each scale, after the penalty for all but the middle one."""
    maxima = maps.max(axis=(1, 2))
    penalized = np.where(maxima > 0, maxima * penalty, maxima / penalty)
    middle = len(maps) // 2
    penalized[middle] = maxima[middle]
    return penalized


def is_flat(response: NDArray[np.float64]) -> bool:
    return bool(np.ptp(response) <= FLAT * np.abs(response).max())


def mixture(upsampled_map: NDArray[np.float64], influence: float) -> NDArray[np.float64]:
    """Normalized response and window."""
    shifted = upsampled_map - upsampled_map.min()
    return (1 - influence) * shifted / (shifted.sum() + 1e-16) + influence * hann(len(shifted))


def confidence(response: NDArray[np.float64], radius: int) -> tuple[float, float]:
    """PSR and APCE of an `(R, R)` map."""
    i, j = np.unravel_index(response.argmax(), response.shape)
    rows, cols = np.indices(response.shape)
    outside = np.maximum(abs(rows - i), abs(cols - j)) > radius
    span = np.ptp(response)
    apce = 1 / np.mean(((response - response.min()) / span) ** 2)
    if not outside.any():
        return 0.0, float(apce)
    sidelobe = (response[outside] - response.min()) / span
    return float((1 - sidelobe.mean()) / max(sidelobe.std(), FLAT)), float(apce)


def find_peak_twin(
    responses: NDArray[np.float32], penalty: float, influence: float, radius: int, upsample: int
) -> Peak:
    maps = upsampled(responses, upsample)
    penalized = penalized_maxima(maps, penalty)
    middle = len(maps) // 2
    scale = middle if penalized[middle] == penalized.max() else int(penalized.argmax())
    response, top = cleaned(responses)[scale], float(maps[scale].max())
    if is_flat(response):
        center = (maps.shape[-1] - 1) / 2
        return Peak(scale, center, center, top, top, 0.0, 0.0)
    row, col = np.unravel_index(mixture(maps[scale], influence).argmax(), maps[scale].shape)
    return Peak(scale, float(row), float(col), float(maps[scale, row, col]), top, *confidence(response, radius))
