"""siamtrack: give it a video and a box, and it follows the object.

    tracker = siamtrack.load()
    with siamtrack.open_source("clip.mp4") as source, siamtrack.VideoWriter("out.mp4", like=source) as video:
        images = source.images()
        tracker.init(next(images), siamtrack.Box(120, 80, 64, 48))
        for image in images:
            result = tracker.update(image)
            print(result.box, result.score, result.status)
            video.write(siamtrack.draw(image, result))

Images are `(H, W, 3)` uint8 arrays in BGR order, boxes are `x, y, width, height` in pixels, 0-based and continuous.
Names are imported when they are first used, so that `import siamtrack` itself stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siamtrack.boxes import Box
    from siamtrack.config import TrackingSettings
    from siamtrack.errors import SiamTrackError
    from siamtrack.evaluation.benchmark import benchmark
    from siamtrack.evaluation.report.workflow import report
    from siamtrack.io.draw import draw
    from siamtrack.io.live.open import open_live
    from siamtrack.io.sources import open_source
    from siamtrack.io.video.writer import VideoWriter
    from siamtrack.models.registry import list_models
    from siamtrack.models.weights import model_card
    from siamtrack.profiling.workflow import profile
    from siamtrack.tracking.confidence import Status
    from siamtrack.tracking.factory import load
    from siamtrack.tracking.got10k import as_got10k_tracker
    from siamtrack.tracking.loop import track
    from siamtrack.tracking.multi import MultiTracker
    from siamtrack.tracking.state import TrackResult
    from siamtrack.tracking.tracker import Tracker
    from siamtrack.workflows.export import export
    from siamtrack.workflows.train import train

    __version__: str

_HOMES = {
    "Box": "siamtrack.boxes",
    "SiamTrackError": "siamtrack.errors",
    "Status": "siamtrack.tracking.confidence",
    "MultiTracker": "siamtrack.tracking.multi",
    "TrackResult": "siamtrack.tracking.state",
    "Tracker": "siamtrack.tracking.tracker",
    "TrackingSettings": "siamtrack.config",
    "VideoWriter": "siamtrack.io.video.writer",
    "draw": "siamtrack.io.draw",
    "list_models": "siamtrack.models.registry",
    "model_card": "siamtrack.models.weights",
    "as_got10k_tracker": "siamtrack.tracking.got10k",
    "load": "siamtrack.tracking.factory",
    "open_live": "siamtrack.io.live.open",
    "open_source": "siamtrack.io.sources",
    "profile": "siamtrack.profiling.workflow",
    "track": "siamtrack.tracking.loop",
    "benchmark": "siamtrack.evaluation.benchmark",
    "report": "siamtrack.evaluation.report.workflow",
    "export": "siamtrack.workflows.export",
    "train": "siamtrack.workflows.train",
}

__all__ = [
    "Box",
    "MultiTracker",
    "SiamTrackError",
    "Status",
    "TrackResult",
    "Tracker",
    "TrackingSettings",
    "VideoWriter",
    "__version__",
    "as_got10k_tracker",
    "benchmark",
    "draw",
    "export",
    "list_models",
    "load",
    "model_card",
    "open_live",
    "open_source",
    "profile",
    "report",
    "track",
    "train",
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
