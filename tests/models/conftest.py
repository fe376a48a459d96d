from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.models.registry import create_network, list_architectures

Crops = Callable[..., tuple[Tensor, Tensor]]


def _small_crops(network: TrackingNetwork, batch: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random RGB crops smaller than the standard ones, but large enough for every backbone."""
    generator = torch.Generator().manual_seed(seed)
    exemplar, search = network.exemplar_size - 32, network.exemplar_size
    return (
        torch.rand(batch, 3, exemplar, exemplar, generator=generator) * 255,
        torch.rand(batch, 3, search, search, generator=generator) * 255,
    )


@pytest.fixture
def small_crops() -> Crops:
    """Makes `(exemplars, searches)` for a network, `batch` of them."""
    return _small_crops


@pytest.fixture(scope="session", params=list_architectures())
def network(request: pytest.FixtureRequest) -> TrackingNetwork:
    """One network of each architecture in evaluation mode, its batch norms set to uneven, plausible statistics.

    Shared by all tests: none may change it.
    """
    generator = torch.Generator().manual_seed(1)
    network = create_network(request.param, generator)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # the statistics of one batch become the running ones
    exemplars, _ = _small_crops(network, seed=2)
    with torch.no_grad():
        network.train().backbone(exemplars)
        if isinstance(network, BoxNetwork):
            _, levels = network.embed_levels(exemplars)
            network.read_boxes(network.box_kernel(levels), levels, torch.full((len(exemplars), 2), 60.0))
        for norm in norms:
            norm.weight.uniform_(0.8, 1.2, generator=generator)
            norm.bias.normal_(0, 0.1, generator=generator)
            norm.running_mean += 0.1 * torch.randn(norm.num_features, generator=generator)
            norm.running_var *= 0.8 + 0.4 * torch.rand(norm.num_features, generator=generator)
    if isinstance(network, BoxNetwork):  # a fresh one answers 0 everywhere, and passes no gradient on
        nn.init.normal_(network.box_head.read.weight, std=0.05, generator=generator)
    return network.eval()
