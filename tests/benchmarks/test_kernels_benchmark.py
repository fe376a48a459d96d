"""The post-processing kernel against OpenCV and NumPy: `pytest tests/benchmarks --benchmark-enable`."""

import statistics
import time

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from siamtrack.tracking.response import find_peak, make_tables

PENALTY, INFLUENCE = 0.9745, 0.176
WINDOW = np.outer(np.hanning(272), np.hanning(272))
WINDOW /= WINDOW.sum()


def responses_like(kind: str) -> NDArray[np.float32]:
    """3 x 17 x 17: one clear peak in a little noise, or nothing but noise, where little can be pruned."""
    noise = np.random.default_rng(0).normal(size=(3, 17, 17))
    y, x = np.indices((17, 17))
    peak = np.exp(-((y - 8.3) ** 2 + (x - 9.1) ** 2) / 6)
    return (noise if kind == "noise" else peak + 0.05 * noise).astype(np.float32)


def usual(responses: NDArray[np.float32]) -> tuple[int, int, int]:
    """Three bicubic upsamplings, penalty, normalization, window and argmax, as SiamFC's ports do it."""
    maps = np.stack([cv2.resize(r, (272, 272), interpolation=cv2.INTER_CUBIC) for r in responses])
    maps[[0, 2]] *= PENALTY
    scale = int(np.argmax(maps.max(axis=(1, 2))))
    best = maps[scale]
    best -= best.min()
    best /= best.sum() + 1e-16
    best = (1 - INFLUENCE) * best + INFLUENCE * WINDOW
    row, col = np.unravel_index(best.argmax(), best.shape)
    return scale, int(row), int(col)


@pytest.mark.parametrize("kind", ["peak", "noise"])
def test_kernel_is_five_times_as_fast(benchmark: BenchmarkFixture, kind: str) -> None:
    responses, tables = responses_like(kind), make_tables(17, 16)
    find_peak(responses, PENALTY, INFLUENCE, 4, tables)  # compiles
    assert benchmark(find_peak, responses, PENALTY, INFLUENCE, 4, tables)[:3] == usual(responses)
    if benchmark.disabled:
        return
    seconds = []
    for _ in range(200):
        began = time.perf_counter()
        usual(responses)
        seconds.append(time.perf_counter() - began)
    ratio = statistics.median(seconds) / benchmark.stats.stats.median
    benchmark.extra_info["times as fast"] = round(ratio, 1)
    assert ratio >= 5
