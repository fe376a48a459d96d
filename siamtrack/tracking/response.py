"""Peak of the response maps: position, scale and figures of the peak, in one numba kernel.

SiamFC upsamples every response map 16 times bicubically and searches 3 x 272 x 272 values for the maximum. This module
finds the same maximum without building the upsampled maps. Upsampled positions between the same 2 x 2 cells form a
block. All of them are interpolated from the same 4 x 4 cells, which bound them (`_bound_blocks`). Only blocks whose
bound reaches the best value so far are evaluated. The result is that of the full search. The sum over the upsampled map
is linear and separable in the cells, so its weights are tabulated.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from siamtrack.system.numba_cache import CACHE

CUBIC = -0.75
"""Free parameter of the cubic convolution kernel (Keys 1981), the value of OpenCV's INTER_CUBIC."""
FLAT = 1e-6
"""A map whose range is below this fraction of its greatest magnitude is rounding noise of float32: no evidence."""
LOWEST = float(np.finfo(np.float32).min)
"""Value of a map without any finite value: the lowest response."""


class PeakTables(NamedTuple):
    """Tables of the kernel for a map size and an upsampling factor, from `make_tables`."""

    taps: NDArray[np.float64]
    """`(n, 4)` cubic weights of each upsampled position along one axis, n = size * upsample."""
    starts: NDArray[np.int64]
    """`(size + 2,)` block b holds positions `starts[b]` to `starts[b + 1]` and reads cells b - 2 to b + 1."""
    sums: NDArray[np.float64]
    """`(size,)` total weight of each cell over all upsampled positions along one axis."""
    window: NDArray[np.float64]
    """`(n,)` Hann window along one axis, summing to 1; the window is its outer product with itself."""
    window_top: NDArray[np.float64]
    """`(size + 1,)` greatest window value of each block; 0 for an empty block."""
    slack: float
    """Maximum of the negated total weight of the outer two of the four cells; 0.1875 for an even upsampling."""


class Peak(NamedTuple):
    """Peak of the response maps. All figures are finite, whatever the responses are."""

    scale: int
    """Index of the chosen response map."""
    row: float
    """Position on the upsampled grid, 0 to n - 1; `(n - 1) / 2` is the center of the search crop."""
    col: float
    """Position on the upsampled grid, see `row`."""
    value: float
    """Raw response at this position."""
    peak: float
    """Greatest raw response of the map; it differs from `value` where the window decided otherwise."""
    psr: float
    """Peak-to-sidelobe ratio (Bolme et al. 2010, section 3.5) of the map before upsampling."""
    apce: float
    """Average peak-to-correlation energy (Wang et al. 2017, LMCF, section 3.3) of the map before upsampling."""


class _Objective(NamedTuple):
    """Objective to maximize: `gain * upsampled response + weight * window`, above `least`."""

    gain: float
    """Factor on the upsampled response."""
    weight: float
    """Factor on the window."""
    least: float
    """Value that the maximum must reach."""


def needs_compiling() -> bool:
    """Return true if the kernels are not in numba's cache yet; it takes some seconds to compile them."""
    folder = _choose_scale.stats.cache_path
    return folder is None or not any(Path(folder).glob(f"{Path(__file__).stem}._choose_scale-*.nbi"))


def make_tables(size: int, upsample: int) -> PeakTables:
    """Tabulate weights and window for `size` x `size` response maps that are upsampled `upsample` times."""
    n = size * upsample
    # Position d lies at (d + 1/2) / upsample - 1/2 cells (half-pixel centers); kept in integers to be exact.
    numerator = 2 * np.arange(n, dtype=np.int64) + 1 - upsample
    cell = numerator // (2 * upsample)
    t = (numerator - cell * 2 * upsample) / (2 * upsample)
    taps = np.empty((n, 4))
    taps[:, 0] = ((CUBIC * (t + 1) - 5 * CUBIC) * (t + 1) + 8 * CUBIC) * (t + 1) - 4 * CUBIC
    taps[:, 1] = ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1
    taps[:, 2] = ((CUBIC + 2) * (1 - t) - (CUBIC + 3)) * (1 - t) * (1 - t) + 1
    taps[:, 3] = 1 - taps[:, 0] - taps[:, 1] - taps[:, 2]
    sums = np.zeros(size)
    for tap in range(4):
        np.add.at(sums, np.clip(cell - 1 + tap, 0, size - 1), taps[:, tap])
    window = np.hanning(n)
    # np.hanning(2) is zero everywhere: both positions are equally far from the center.
    window = window / window.sum() if window.sum() > 0 else np.full(n, 1 / n)
    starts = np.searchsorted(cell, np.arange(-1, size + 1)).astype(np.int64)
    starts[-1] = n
    window_top = np.array([window[a:b].max(initial=0.0) for a, b in pairwise(starts)])
    slack = float(-(taps[:, 0] + taps[:, 3]).min())
    return PeakTables(taps, starts, sums, window, window_top, slack)


def upsample_maps(responses: NDArray[np.float32], tables: PeakTables) -> NDArray[np.float64]:
    """Return the upsampled maps that `find_peak` searches without building them; for pictures, not for tracking.

    Args:
        responses: `(S, R, R)` float32, raw responses, C-contiguous.
        tables: from `make_tables(R, upsample)`.

    Returns:
        `(S, n, n)`, n = R * upsample.
    """
    size, n = responses.shape[-1], tables.window.size
    positions = np.arange(n)
    blocks = np.searchsorted(tables.starts, positions, "right") - 1
    weights = np.zeros((n, size))
    for tap in range(4):
        np.add.at(weights, (positions, np.clip(blocks - 2 + tap, 0, size - 1)), tables.taps[:, tap])
    maps: NDArray[np.float64] = weights @ _replace_nonfinite(responses).astype(np.float64) @ weights.T
    return maps


def mix_with_window(
    upsampled: NDArray[np.float64], influence: float, window: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mixture of an upsampled map and the window, both `(n, n)`: its maximum is the peak of `find_peak`."""
    shifted = upsampled - upsampled.min()
    mixture: NDArray[np.float64] = (1 - influence) * shifted / (shifted.sum() + 1e-16) + influence * window
    return mixture


@njit(cache=CACHE)
def _replace_nonfinite(responses: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace NaN and infinities by the least finite value, so that they are never a peak."""
    flat = responses.reshape(-1)
    least = np.inf
    finite = True
    for value in flat:
        if np.isfinite(value):
            least = min(least, np.float64(value))
        else:
            finite = False
    if finite:
        return responses
    if least == np.inf:
        least = LOWEST
    cleaned = flat.copy()
    for i in range(cleaned.size):
        if not np.isfinite(cleaned[i]):
            cleaned[i] = least
    return cleaned.reshape(responses.shape)


@njit(cache=CACHE)
def _bound_blocks(
    response: NDArray[np.float32], slack: float, upper: NDArray[np.float64], lower: NDArray[np.float64]
) -> None:
    """Write bounds of the upsampled response in each block into `upper` and `lower`: `(R + 1, R + 1)`.

    Along one axis the inner two weights are in [0, 1], the outer two in [-slack, 0], and all sum to 1. With the greater
    inner value C and the lesser outer value o, an interpolated value is at most C + slack * max(0, C - o).
    """
    size = response.shape[0]
    row_upper = np.empty((size, size + 1), np.float64)
    row_lower = np.empty((size, size + 1), np.float64)
    for i in range(size):
        for b in range(size + 1):
            outer_a = np.float64(response[i, max(b - 2, 0)])
            inner_a = np.float64(response[i, max(b - 1, 0)])
            inner_b = np.float64(response[i, min(b, size - 1)])
            outer_b = np.float64(response[i, min(b + 1, size - 1)])
            high = max(inner_a, inner_b)
            low = min(inner_a, inner_b)
            row_upper[i, b] = high + slack * max(0.0, high - min(outer_a, outer_b))
            row_lower[i, b] = low - slack * max(0.0, max(outer_a, outer_b) - low)
    for b in range(size + 1):
        above, before, after, below = max(b - 2, 0), max(b - 1, 0), min(b, size - 1), min(b + 1, size - 1)
        for j in range(size + 1):
            high = max(row_upper[before, j], row_upper[after, j])
            low = min(row_lower[before, j], row_lower[after, j])
            upper[b, j] = high + slack * max(0.0, high - min(row_lower[above, j], row_lower[below, j]))
            lower[b, j] = low - slack * max(0.0, max(row_upper[above, j], row_upper[below, j]) - low)


# NaN and signed zeros cannot occur here; without them the compiler finds the maximum with vector instructions.
@njit(cache=CACHE, fastmath={"nnan", "nsz"})
def _fill_line(
    line: NDArray[np.float64],
    lines: NDArray[np.float64],
    taps: NDArray[np.float64],
    window: NDArray[np.float64],
    weight: float,
) -> float:
    """Interpolate between four lines, add the weighted window, and return the maximum."""
    top = -np.inf
    a, b, c, d = taps[0], taps[1], taps[2], taps[3]
    for x in range(window.size):
        value = lines[0, x] * a + lines[1, x] * b + lines[2, x] * c + lines[3, x] * d + weight * window[x]
        line[x] = value
        top = max(top, value)
    return top


@njit(cache=CACHE)
def _maximize(
    response: NDArray[np.float32],
    upper: NDArray[np.float64],
    lower: NDArray[np.float64],
    objective: _Objective,
    tables: PeakTables,
) -> tuple[float, int, int]:
    """Return the maximum and its first position in raster order; `(least, -1, -1)` when no value reaches `least`.

    `upper` and `lower` are the bounds of `_bound_blocks`.
    """
    gain, weight, least = objective
    size = response.shape[0]
    blocks = size + 1
    starts = tables.starts
    bounds = np.empty((blocks, blocks), np.float64)
    seed = 0
    highest = -np.inf
    for i in range(blocks):
        for j in range(blocks):
            high = gain * upper[i, j]
            low = gain * lower[i, j]
            bound = max(high, low) + weight * tables.window_top[i] * tables.window_top[j]
            # The bound holds in real numbers; this margin makes it hold in floating point.
            bound += 1e-13 * (abs(high) + abs(low) + weight)
            if starts[i] == starts[i + 1] or starts[j] == starts[j + 1]:
                bound = -np.inf
            bounds[i, j] = bound
            if bound > highest:
                highest = bound
                seed = i * blocks + j

    width = 0
    for b in range(blocks):
        width = max(width, starts[b + 1] - starts[b])
    lines = np.empty((4, width), np.float64)
    line = np.empty(width, np.float64)
    best = least
    best_row = -1
    best_col = -1
    # The most promising block comes first, which rules out most others; then all blocks follow in raster order.
    for turn in range(-1, blocks * blocks):
        i, j = divmod(seed if turn < 0 else turn, blocks)
        if bounds[i, j] < best or bounds[i, j] == -np.inf:
            continue
        bounds[i, j] = -np.inf
        first_col = starts[j]
        cols = starts[j + 1] - first_col
        for k in range(4):
            cell = min(max(i - 2 + k, 0), size - 1)
            a = gain * response[cell, max(j - 2, 0)]
            b = gain * response[cell, max(j - 1, 0)]
            c = gain * response[cell, min(j, size - 1)]
            d = gain * response[cell, min(j + 1, size - 1)]
            for x in range(cols):
                tap = first_col + x
                lines[k, x] = (
                    a * tables.taps[tap, 0]
                    + b * tables.taps[tap, 1]
                    + c * tables.taps[tap, 2]
                    + d * tables.taps[tap, 3]
                )
        window = tables.window[first_col : first_col + cols]
        for row in range(starts[i], starts[i + 1]):
            top = _fill_line(line, lines, tables.taps[row], window, weight * tables.window[row])
            if top < best or (top == best and row > best_row):
                continue
            for x in range(cols):
                col = first_col + x
                if line[x] == top and (top > best or row < best_row or col < best_col):
                    best = top
                    best_row = row
                    best_col = col
                    break
    return best, best_row, best_col


@njit(cache=CACHE)
def interpolate(response: NDArray[np.float32], row: int, col: int, tables: PeakTables) -> float:
    """Return the upsampled response at one position.

    Args:
        response: `(R, R)` float32.
        row: row of the upsampled map.
        col: column of the upsampled map.
        tables: from `make_tables(R, upsample)`.
    """
    size = response.shape[0]
    # Two short loops: np.searchsorted takes a second to compile.
    i = j = -1
    while i + 1 < tables.starts.size and tables.starts[i + 1] <= row:
        i += 1
    while j + 1 < tables.starts.size and tables.starts[j + 1] <= col:
        j += 1
    value = 0.0
    for k in range(4):
        for m in range(4):
            cell = response[min(max(i - 2 + k, 0), size - 1), min(max(j - 2 + m, 0), size - 1)]
            value += tables.taps[row, k] * tables.taps[col, m] * cell
    return value


@njit(cache=CACHE)
def _peak_ratios(response: NDArray[np.float32], radius: int) -> tuple[float, float]:
    """Return PSR and APCE of one map; the sidelobe begins more than `radius` cells from the greatest cell."""
    size = response.shape[0]
    peak_i = 0
    peak_j = 0
    low = np.float64(response[0, 0])
    for i in range(size):
        for j in range(size):
            if response[i, j] > response[peak_i, peak_j]:
                peak_i = i
                peak_j = j
            low = min(low, np.float64(response[i, j]))
    span = np.float64(response[peak_i, peak_j]) - low
    energy = 0.0
    count = 0
    total = 0.0
    square = 0.0
    for i in range(size):
        for j in range(size):
            # In units of the range, neither huge nor tiny responses overflow when squared.
            height = (np.float64(response[i, j]) - low) / span
            energy += height * height
            if abs(i - peak_i) > radius or abs(j - peak_j) > radius:
                count += 1
                total += height
                square += height * height
    apce = size * size / energy
    if count == 0:
        return 0.0, apce
    mean = total / count
    deviation = np.sqrt(max(square / count - mean * mean, 0.0))
    # A sidelobe without any variation would make the ratio infinite.
    return (1.0 - mean) / max(deviation, FLAT), apce


@njit(cache=CACHE)
def _choose_scale(
    responses: NDArray[np.float32],
    penalty: float,
    tables: PeakTables,
    uppers: NDArray[np.float64],
    lowers: NDArray[np.float64],
) -> tuple[int, float]:
    """Return the scale of the greatest penalized response, and this response without the penalty; fill all bounds."""
    middle = responses.shape[0] // 2
    scale = middle
    peak = -np.inf
    best = -np.inf
    for turn in range(responses.shape[0]):
        # The middle scale comes first, then the others in order: a later one must be strictly better.
        s = middle if turn == 0 else (turn - 1 if turn <= middle else turn)
        factor = 1.0 if s == middle else penalty
        _bound_blocks(responses[s], tables.slack, uppers[s], lowers[s])
        least = best / factor if best > 0 else best * factor
        value, row, _ = _maximize(responses[s], uppers[s], lowers[s], _Objective(1.0, 0.0, least), tables)
        penalized = value * factor if value > 0 else value / factor
        if row >= 0 and penalized > best:
            scale = s
            peak = value
            best = penalized
    return scale, peak


@njit(cache=CACHE)
def _is_flat(response: NDArray[np.float32]) -> bool:
    """Return true if a map holds no evidence (see `FLAT`)."""
    high = np.float64(response[0, 0])
    low = high
    for value in response.flat:
        high = max(high, np.float64(value))
        low = min(low, np.float64(value))
    return bool(high - low <= FLAT * max(abs(high), abs(low)))


@njit(cache=CACHE)
def _locate(
    response: NDArray[np.float32],
    influence: float,
    upper: NDArray[np.float64],
    lower: NDArray[np.float64],
    tables: PeakTables,
) -> tuple[int, int]:
    """Return row and column of the maximum of a map that is not flat, normalized and mixed with the window."""
    size = response.shape[0]
    total = 0.0
    for i in range(size):
        line = 0.0
        for j in range(size):
            line += tables.sums[j] * response[i, j]
        total += tables.sums[i] * line
    lowest = -_maximize(response, upper, lower, _Objective(-1.0, 0.0, -np.inf), tables)[0]
    n = tables.window.size
    gain = (1 - influence) / (total - lowest * n * n + 1e-16)
    _, row, col = _maximize(response, upper, lower, _Objective(gain, influence, -np.inf), tables)
    return row, col


@njit(cache=CACHE)
def find_peak(
    responses: NDArray[np.float32], penalty: float, influence: float, radius: int, tables: PeakTables
) -> Peak:
    """Choose the scale and the position of a target from its response maps.

    The scale is that of the greatest upsampled response, where every scale but the middle one is penalized: a positive
    response is multiplied by `penalty`, a negative one divided by it. The chosen map, less its minimum
    and divided by its sum, is mixed with a Hann window, and the position is the greatest value of the mixture (SiamFC,
    Bertinetto et al. 2016, section 3.4, and the released code). Upsampling is OpenCV's INTER_CUBIC.

    Ties: the middle scale before the others, then the first; the first position in raster order, as `np.argmax`. A map
    that is constant (see `FLAT`) holds no evidence: the position is the center, PSR and APCE are 0.
    NaN and infinite responses count as the least finite one.

    Args:
        responses: `(S, R, R)` float32, raw responses, C-contiguous.
        penalty: factor in (0, 1].
        influence: weight of the window in [0, 1].
        radius: cells around the peak that do not belong to the sidelobe.
        tables: from `make_tables(R, upsample)`.
    """
    responses = _replace_nonfinite(responses)
    scales, size = responses.shape[0], responses.shape[1]
    uppers = np.empty((scales, size + 1, size + 1), np.float64)
    lowers = np.empty((scales, size + 1, size + 1), np.float64)
    scale, peak = _choose_scale(responses, penalty, tables, uppers, lowers)
    response = responses[scale]
    if _is_flat(response):
        center = (tables.window.size - 1) / 2
        return Peak(scale, center, center, peak, peak, 0.0, 0.0)
    row, col = _locate(response, influence, uppers[scale], lowers[scale], tables)
    psr, apce = _peak_ratios(response, radius)
    return Peak(scale, float(row), float(col), interpolate(response, row, col, tables), peak, psr, apce)


@njit(cache=CACHE)
def find_filter_peak(
    responses: NDArray[np.float32],
    filter_response: NDArray[np.float32],
    penalty: float,
    influence: float,
    radius: int,
    tables: PeakTables,
) -> tuple[Peak, float]:
    """Choose the scale by the responses, as `find_peak` does, and the position by the response of an online filter.

    A filter response below zero is no evidence and counts as zero.

    Args:
        responses: see `find_peak`.
        filter_response: `(R, R)` float32, C-contiguous.
        penalty: see `find_peak`.
        influence: see `find_peak`.
        radius: see `find_peak`.
        tables: see `find_peak`.

    Returns:
        The peak, at the position of the filter with the figures of the responses, and the maximum filter response.
    """
    cleaned = _replace_nonfinite(responses)
    scales, size = responses.shape[0], responses.shape[1]
    uppers = np.empty((scales, size + 1, size + 1), np.float64)
    lowers = np.empty((scales, size + 1, size + 1), np.float64)
    scale, peak = _choose_scale(cleaned, penalty, tables, uppers, lowers)
    psr, apce = (0.0, 0.0) if _is_flat(cleaned[scale]) else _peak_ratios(cleaned[scale], radius)
    # A loop: np.maximum takes a second to compile.
    filtered = _replace_nonfinite(filter_response.reshape(1, size, size))[0]
    evidence = np.empty((size, size), np.float32)
    for i in range(size):
        for j in range(size):
            evidence[i, j] = filtered[i, j] if filtered[i, j] >= 0 else np.float32(0)
    _bound_blocks(evidence, tables.slack, uppers[0], lowers[0])
    filter_peak = _maximize(evidence, uppers[0], lowers[0], _Objective(1.0, 0.0, -np.inf), tables)[0]
    if _is_flat(evidence):
        middle = (tables.window.size - 1) / 2
        value = interpolate(responses[scale], int(middle), int(middle), tables)
        return Peak(scale, middle, middle, value, peak, psr, apce), filter_peak
    row, col = _locate(evidence, influence, uppers[0], lowers[0], tables)
    value = interpolate(responses[scale], row, col, tables)
    return Peak(scale, float(row), float(col), value, peak, psr, apce), filter_peak
