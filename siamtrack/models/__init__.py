"""Networks: backbones, heads, comparisons, and the weights they are shipped with.

The names below are imported when they are first used: looking a model up must not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siamtrack.models.comparisons import create_comparison

_HOMES = {
    "create_comparison": "siamtrack.models.comparisons",
}

__all__ = ["create_comparison"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'siamtrack.models' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
