import pytest
import torch
from scenes import PixelBackbone

from siamtrack.models.heads import CorrelationHead
from siamtrack.models.network import TrackingNetwork


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def network() -> TrackingNetwork:
    return TrackingNetwork(PixelBackbone(), CorrelationHead(PixelBackbone.response_scale))
