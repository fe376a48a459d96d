"""The correlation against a grouped convolution: `pytest tests/benchmarks --benchmark-enable`."""

from __future__ import annotations

import statistics
import time

import pytest
import torch
import torch.nn.functional as F
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from siamtrack.models.heads import cross_correlation
from siamtrack.runtime.correlation import correlate

SHAPES = {
    "three crops of AlexNet": ((3, 1, 256, 6, 6), (3, 256, 22, 22)),
    "three kernels of lite0": ((1, 3, 112, 8, 8), (1, 112, 32, 32)),
    "four targets of lite0": ((4, 3, 112, 8, 8), (4, 112, 32, 32)),
    "sixteen targets of lite0": ((16, 3, 112, 8, 8), (16, 112, 32, 32)),
}


def grouped(kernels: Tensor, features: Tensor) -> Tensor:
    batch, count, channels, *size = kernels.shape
    stacked = features.reshape(1, batch * channels, *features.shape[-2:])
    maps = F.conv2d(stacked, kernels.reshape(batch * count, channels, *size), groups=batch)
    return maps.reshape(batch, count, *maps.shape[-2:])


@pytest.mark.parametrize("name", SHAPES)
def test_correlation_is_not_slower_than_a_grouped_convolution(benchmark: BenchmarkFixture, name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    kernels, features = (torch.randn(shape, generator=generator) for shape in SHAPES[name])
    features = features.to(memory_format=torch.channels_last)  # as the backbones give them
    with torch.inference_mode():
        torch.testing.assert_close(
            benchmark(cross_correlation, kernels, features), grouped(kernels, features), rtol=1e-3, atol=1e-2
        )
        if benchmark.disabled:
            return
        seconds = []
        for _ in range(30):
            began = time.perf_counter()
            grouped(kernels, features)
            seconds.append(time.perf_counter() - began)
    ratio = statistics.median(seconds) / benchmark.stats.stats.median
    benchmark.extra_info["times as fast"] = round(ratio, 1)
    assert ratio >= 1


@pytest.mark.usefixtures("only_when_asked")
@pytest.mark.parametrize("targets", [1, 4, 16])
def test_what_a_tracker_correlates_by_is_as_fast_as_the_matrix_product_on_all_cores(targets: int) -> None:
    generator = torch.Generator().manual_seed(0)
    # Three exemplars and a filter each, as lite0 has them.
    kernels = torch.randn((targets, 4, 8, 8, 112), generator=generator).permute(0, 1, 4, 2, 3)
    features = torch.randn((targets, 112, 32, 32), generator=generator).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.testing.assert_close(
            correlate(kernels, features), cross_correlation(kernels, features), rtol=1e-3, atol=1e-2
        )
        took: dict[object, list[float]] = {correlate: [], cross_correlation: []}
        for _ in range(30):
            for run in (correlate, cross_correlation):
                began = time.perf_counter()
                run(kernels, features)
                took[run].append(time.perf_counter() - began)
    mine, product = (1000 * statistics.median(took[run]) for run in (correlate, cross_correlation))
    print(f"\n{targets} targets: {mine:.2f} ms, as one matrix product {product:.2f} ms")
    assert mine <= 1.2 * product
