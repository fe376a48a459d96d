"""Same or different: networks that compare two pictures, their training and their metrics.

The names below are imported when they are first used: looking a model up must not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siamtrack.verification.networks import SiameseNetwork, TwoChannelNetwork

_HOMES = {
    "SiameseNetwork": "siamtrack.verification.networks",
    "TwoChannelNetwork": "siamtrack.verification.networks",
}

__all__ = ["SiameseNetwork", "TwoChannelNetwork"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'siamtrack.verification' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
