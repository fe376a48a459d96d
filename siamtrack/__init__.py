"""siamtrack: give it a video and a box, and it follows the object.

    tracker = siamtrack.load()
    tracker.init(first_frame, siamtrack.Box(120, 80, 64, 48))
    for frame in frames:
        result = tracker.update(frame)
        print(result.box, result.score, result.status)

Frames are `(H, W, 3)` uint8 arrays in BGR order, boxes are `x, y, width, height` in pixels, 0-based and continuous.
Names are imported when they are first used, so that `import siamtrack` itself stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siamtrack.boxes import Box
    from siamtrack.config import TrackingSettings
    from siamtrack.errors import SiamTrackError
    from siamtrack.models.registry import list_models
    from siamtrack.tracking.states import TrackResult
    from siamtrack.tracking.status import Status
    from siamtrack.tracking.tracker import Tracker, load

    __version__: str

_HOMES = {
    "Box": "siamtrack.boxes",
    "SiamTrackError": "siamtrack.errors",
    "Status": "siamtrack.tracking.status",
    "TrackResult": "siamtrack.tracking.states",
    "Tracker": "siamtrack.tracking.tracker",
    "TrackingSettings": "siamtrack.config",
    "list_models": "siamtrack.models.registry",
    "load": "siamtrack.tracking.tracker",
}

__all__ = [
    "Box",
    "SiamTrackError",
    "Status",
    "TrackResult",
    "Tracker",
    "TrackingSettings",
    "__version__",
    "list_models",
    "load",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415  # reads files: only when somebody asks

        value: Any = version("siamtrack")
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'siamtrack' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
