from __future__ import annotations

import pytest

from siamtrack.models.network import TrackingNetwork


@pytest.fixture(scope="session")
def network(every_network: TrackingNetwork) -> TrackingNetwork:
    """One network of each architecture."""
    return every_network
