"""Tracker without weights for rendered targets."""

from __future__ import annotations

import pytest
import torch
from scenes import PixelBackbone

from siamtrack.models.heads import CorrelationHead
from siamtrack.models.network import TrackingNetwork
from siamtrack.tracking.tracker import Tracker


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tracker() -> Tracker:
    return Tracker(TrackingNetwork(PixelBackbone(), CorrelationHead(PixelBackbone.response_scale)))
