"""Frames in, results out: sources, sinks, drawing. Knows nothing of networks.

Names are imported when they are first used, because OpenCV and PyAV take a while to load.
(`contact_sheet` and `draw` are imported from their modules: a function cannot share the name of a module in the
package.)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siamtrack.io.draw import draw_targets
    from siamtrack.io.frames import Frame, Source, SourceInfo
    from siamtrack.io.images import IMAGE_EXTENSIONS, natural_key, read_image, to_bgr8
    from siamtrack.io.results import CsvWriter, JsonWriter, OtbWriter, ResultWriter, Row, refuse_inputs
    from siamtrack.io.sources import open_source
    from siamtrack.io.synthetic import SyntheticClip
    from siamtrack.io.video.encoder import VideoEncoder
    from siamtrack.io.video.writer import VideoWriter

__all__ = [
    "IMAGE_EXTENSIONS",
    "CsvWriter",
    "Frame",
    "JsonWriter",
    "OtbWriter",
    "ResultWriter",
    "Row",
    "Source",
    "SourceInfo",
    "SyntheticClip",
    "VideoEncoder",
    "VideoWriter",
    "draw_targets",
    "natural_key",
    "open_source",
    "read_image",
    "refuse_inputs",
    "to_bgr8",
]

_MODULES = {
    "draw": ["draw_targets"],
    "frames": ["Frame", "Source", "SourceInfo"],
    "images": ["IMAGE_EXTENSIONS", "natural_key", "read_image", "to_bgr8"],
    "results": ["CsvWriter", "JsonWriter", "OtbWriter", "Row", "ResultWriter", "refuse_inputs"],
    "sources": ["open_source"],
    "synthetic": ["SyntheticClip"],
    "video.encoder": ["VideoEncoder"],
    "video.writer": ["VideoWriter"],
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
