"""The command `siamtrack webcam` before a camera that never ends, as a process of its own.

    python webcam_process.py --box 60,50,40,48 --csv boxes.csv ...

The camera gives 25 pictures a second of 320 x 240 pixels of a target that goes round and round (`box_at`); the model is
that of the tests, which has no weights.
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

ROUND = 75
"""Frames until the target is where it was."""

TESTS = Path(__file__).parents[1]


def box_at(index: int) -> tuple[float, float, float, float]:
    """Where the target is in a frame, in pixels: never far, so that it is found after the picture stood still."""
    turn = 2 * math.pi * index / ROUND
    return 140 + 14 * math.sin(turn), 90 + 10 * math.cos(turn), 40, 48


def main() -> int:
    """Run the command on the arguments of this process."""
    sys.path[:0] = [str(TESTS), str(TESTS / "tracking")]
    import cv2  # noqa: F401  # before PyAV
    from live_sources import Camera
    from scenes import PixelBackbone, render

    from siamtrack.boxes import Box
    from siamtrack.cli import main as run
    from siamtrack.live import webcam
    from siamtrack.models.heads import CorrelationHead
    from siamtrack.models.network import TrackingNetwork
    from siamtrack.tracking.tracker import Tracker

    frames = render([[Box(*box_at(index)) for index in range(ROUND)]]).frames

    module = ModuleType("siamtrack.io.live.open")
    module.open_live = lambda source: Camera(frames * 200, Fraction(25))  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    webcam._load = lambda job: Tracker(TrackingNetwork(PixelBackbone(), CorrelationHead(PixelBackbone.response_scale)))
    return run(["webcam", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
