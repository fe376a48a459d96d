"""A tracker at default arguments beside other programs: `pytest tests/benchmarks/test_busy_machine.py -m soak -s`.

It needs an idle machine: one busy loop a core is started beside the tracker.
"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

import siamtrack
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.system.machine import usable_cores

MOST = 2.5
"""Largest ratio of the mean time of a frame beside busy loops to that on an idle machine."""


def mean_seconds(tracker: siamtrack.Tracker, clip: list[tuple[np.ndarray, list[siamtrack.Box]]]) -> float:
    """Return the mean time of an update."""
    (first, (box,)), *rest = clip
    tracker.init(first, box)
    start = time.perf_counter()
    for image, _ in rest:
        tracker.update(image)
    return (time.perf_counter() - start) / len(rest)


@pytest.mark.soak
def test_default_tracker_does_not_need_an_idle_machine() -> None:
    clip = list(SyntheticClip(640, 360, 80, seed=1))
    tracker = siamtrack.load("siamtrack-lite", device="cpu")
    idle = min(mean_seconds(tracker, clip) for _ in range(3))
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(usable_cores())]
    try:
        time.sleep(0.5)
        busy = min(mean_seconds(tracker, clip) for _ in range(3))
    finally:
        for loop in loops:
            loop.kill()
    print(f"idle {1000 * idle:.1f} ms, beside one busy loop a core {1000 * busy:.1f} ms: {busy / idle:.2f} times")
    assert busy <= MOST * idle
