from __future__ import annotations

import pytest
import torch

from siamtrack.models.network import BoxNetwork
from siamtrack.models.registry import create_network


@pytest.fixture(scope="session")
def network() -> BoxNetwork:
    """A network that reads boxes, its last layer drawn at random: a fresh one answers 0 everywhere."""
    made = create_network("lite0_box", torch.Generator().manual_seed(1)).eval()
    assert isinstance(made, BoxNetwork)
    torch.nn.init.normal_(made.box_head.read.weight, std=0.05, generator=torch.Generator().manual_seed(2))
    return made
