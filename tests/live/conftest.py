"""A tracker without weights, and what it can follow."""

from __future__ import annotations

import pytest
from scenes import PixelBackbone, Sequence, render

from siamtrack.boxes import Box
from siamtrack.models.heads import CorrelationHead
from siamtrack.models.network import TrackingNetwork
from siamtrack.tracking.tracker import Tracker


@pytest.fixture(scope="session")
def pixel_tracker() -> Tracker:
    return Tracker(TrackingNetwork(PixelBackbone(), CorrelationHead(PixelBackbone.response_scale)))


@pytest.fixture(scope="session")
def two() -> Sequence:
    """Two targets that move by three pixels a frame in 30 frames of 320 x 240 pixels."""
    return render([[Box(10 + 3.0 * index, y, 40, 48) for index in range(30)] for y in (20.0, 150.0)])
