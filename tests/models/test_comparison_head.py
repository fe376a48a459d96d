"""Other comparisons in the place of the correlation, against the comparison of single windows."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
import torch.nn.functional as F

from siamtrack.config import DISTANCES, ComparisonName
from siamtrack.models.backbones import Lite0
from siamtrack.models.comparisons import (
    MATCH,
    ComparisonHead,
    create_comparison,
    list_comparisons,
    make_comparison_head,
)
from siamtrack.models.heads import CorrelationHead, cross_correlation
from siamtrack.models.registry import Design, build_network, create_network

NAMES: tuple[ComparisonName, ...] = get_args(ComparisonName)


@pytest.fixture(params=NAMES)
def head(request: pytest.FixtureRequest) -> ComparisonHead:
    return make_comparison_head(request.param, Lite0())


def test_the_settings_know_every_comparison() -> None:
    assert set(NAMES) == set(list_comparisons())
    assert set(DISTANCES) == {name for name in NAMES if create_comparison(name).similar_is == "low"}


def test_a_map_is_the_comparison_of_every_window(head: ComparisonHead) -> None:
    generator = torch.Generator().manual_seed(0)
    kernels = torch.randn(2, 3, 4, 2, 2, generator=generator, dtype=torch.float64)
    features = torch.randn(2, 4, 4, 5, generator=generator, dtype=torch.float64)
    found = head.compare(kernels, features)
    assert found.shape == (2, 3, 3, 4)
    sign = -1 if head.comparison in DISTANCES else 1
    for row in range(3):
        for column in range(4):
            window = features[:, :, row : row + 2, column : column + 2].flatten(1)
            for number in range(3):
                expected = sign * head.measure(kernels[:, number].flatten(1), window)
                torch.testing.assert_close(found[:, number, row, column], expected)
    torch.testing.assert_close(head(kernels, features), head.log_scale.exp() * found + head.bias)
    torch.testing.assert_close(head.correlate(kernels, features), head.log_scale.exp() * found)


def test_every_kernel_in_every_sample_is_what_each_pair_gives(head: ComparisonHead) -> None:
    generator = torch.Generator().manual_seed(1)
    kernels = torch.randn(3, 4, 2, 2, generator=generator)
    features = torch.randn(2, 4, 5, 5, generator=generator)
    crossed = head.cross(kernels, features)
    assert crossed.shape == (3, 2, 4, 4)
    for kernel in range(3):
        for sample in range(2):
            alone = head(kernels[None, kernel : kernel + 1], features[sample : sample + 1])
            torch.testing.assert_close(crossed[kernel, sample], alone[0, 0], rtol=1e-4, atol=1e-4)


def test_a_fresh_head_tells_a_match_from_a_stranger(head: ComparisonHead) -> None:
    generator = torch.Generator().manual_seed(2)
    backbone = Lite0()
    cells = F.normalize(torch.randn(1, backbone.out_channels, 8, 24, generator=generator), dim=1)
    with torch.no_grad():
        found = head(cells[:, None, :, :, :8], cells)[0, 0, 0]
    assert float(found[0]) == pytest.approx(MATCH, abs=0.05)
    # `exp` of a length of sqrt(2) is no match, and not 0 either.
    stranger = MATCH * math.exp(-math.sqrt(2)) if head.comparison.startswith("exp_") else 0
    assert float(found[8:].mean()) == pytest.approx(stranger, abs=0.5)


def test_gradients_are_finite_where_the_exemplar_is_met_exactly(head: ComparisonHead) -> None:
    features = torch.ones(1, 4, 3, 3, requires_grad=True)
    head(features[:, None, :, :2, :2], features).sum().backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_half_precision_is_compared_in_full() -> None:
    head = make_comparison_head("euclidean", Lite0())
    kernels, features = torch.ones(1, 1, 4, 2, 2, dtype=torch.bfloat16), torch.ones(1, 4, 3, 3, dtype=torch.bfloat16)
    assert head.compare(kernels, features).dtype == torch.float32


def test_the_correlation_is_the_head_of_old() -> None:
    network = build_network("lite0")
    assert type(network.head) is CorrelationHead
    generator = torch.Generator().manual_seed(0)
    kernels = torch.randn(1, 3, 8, 2, 2, generator=generator)
    features = torch.randn(1, 8, 5, 5, generator=generator)
    correlation = cross_correlation(kernels, features)
    with torch.no_grad():
        assert torch.equal(network.head.compare(kernels, features), correlation)
        assert torch.equal(network.head(kernels, features), network.head.log_scale.exp() * correlation)


def test_unit_cells_are_ranked_alike_by_dot_cosine_and_squared_distance() -> None:
    maps = []
    for name in ("dot", "cosine", "squared_euclidean"):
        network = create_network(Design("lite0", comparison=name), torch.Generator().manual_seed(0)).eval()
        crops = 255 * torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            maps.append(network(crops[..., 32:160, 32:160], crops))
    # `|u - v|^2 = 2 |u|^2 - 2 uv` for embeddings of one length: with fresh scales and biases, they agree.
    torch.testing.assert_close(maps[1], maps[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(maps[2], maps[0], rtol=1e-4, atol=1e-4)
