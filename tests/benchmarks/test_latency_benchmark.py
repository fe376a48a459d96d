"""Time from the capture of a frame to the box in it, before a camera of 640 x 480 pixels.

`pytest tests/benchmarks/test_latency_benchmark.py --benchmark-enable -s`; on two cores and more, with nothing else to
do. The cameras are clocks with rendered pictures: they cost no time, which a decoder would.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from live_sources import Camera
from numpy.typing import NDArray

from siamtrack.io.live.base import LiveFrame
from siamtrack.io.live.capture import Capture
from siamtrack.io.live.latest import LatestFrames
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.live.loop import LiveLoop
from siamtrack.live.overlay import Scene, draw_scene
from siamtrack.live.results import open_results
from siamtrack.live.session import Event, Session
from siamtrack.system.signals import StopSignal
from siamtrack.tracking.factory import RUNTIME_VARIABLE, load
from siamtrack.tracking.multi import MultiTracker

pytestmark = pytest.mark.usefixtures("only_when_asked")

MINUTE = 60.0
FAST = Fraction(240)
BEHIND = 2
"""Frames that a camera has captured after the one that the tracker takes, at most."""
SECONDS = 20
RATE = Fraction(30)
WANTED = 1.5
"""Frame times from the capture to the box, at most, in 95 of 100 frames."""


class Stopwatch:
    """A viewer that draws what a window shows, and takes the time at which it knows the boxes of each frame."""

    def __init__(self) -> None:
        self.shown: list[float] = []
        self._image: NDArray[np.uint8] | None = None

    def show(self, image: NDArray[np.uint8], scene: Scene) -> None:
        if image is not self._image:
            self._image = image
            self.shown.append(time.monotonic())
        draw_scene(image, scene)

    def events(self, wait: float) -> list[Event]:
        return []


class Watched(Camera):
    """Notes when the frames that it gave were captured."""

    captured: list[float]

    def poll(self, timeout: float) -> LiveFrame | None:
        frame = super().poll(timeout)
        if frame is not None:
            self.captured.append(frame.captured)
        return frame


class Racer(Capture):
    """A capture that is faster than any tracker: the pictures again and again, by the clock."""

    def __init__(self, images: Sequence[NDArray[np.uint8]], rate: Fraction) -> None:
        self.rate = rate
        self.given = 0
        self._images = images
        self._began = time.monotonic()

    def read(self) -> NDArray[np.uint8] | None:
        due = self._began + self.given / float(self.rate)
        time.sleep(max(0.0, due - time.monotonic()))
        image = self._images[self.given % len(self._images)]
        self.given += 1
        return image

    def interrupt(self) -> None:
        """It never waits for long."""

    def close(self) -> None:
        """There is nothing to let go of."""


def test_the_tracker_takes_no_old_frame_of_a_camera_that_is_too_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNTIME_VARIABLE, "auto")
    images, boxes = zip(*SyntheticClip(640, 480, 300), strict=True)
    tracker = load("siamtrack-lite", autotune=True)
    racer = Racer(images, FAST)
    source = LatestFrames("racer", racer)
    newer, ages = [], []
    try:
        state = tracker.start(next(source).image, boxes[0][0])
        end = time.monotonic() + MINUTE
        while time.monotonic() < end:
            frame = next(source)
            newer.append(racer.given - 1 - frame.index)
            (result,) = tracker.step(frame.image, [state])
            state = result.state
            ages.append(time.monotonic() - frame.captured)
    finally:
        source.close()
    middle, late = np.percentile(ages, [50, 95]) * 1000
    print(f"\n{len(ages) / MINUTE:.1f} fps before a camera of {float(FAST):.0f} fps, {source.dropped} frames left out")
    print(f"capture to box: median {middle:.1f}, p95 {late:.1f} ms; at most {max(newer)} newer when a frame is taken")
    assert len(ages) < 0.9 * float(FAST) * MINUTE  # else the camera is not too fast, and this says nothing
    assert max(newer) <= BEHIND


@pytest.mark.parametrize("recording", [False, True], ids=["watched", "recorded"])
@pytest.mark.parametrize("targets", [1, 3])
def test_boxes_are_there_before_the_frame_after_next(
    targets: int, recording: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUNTIME_VARIABLE, "auto")  # as users have it
    clip = SyntheticClip(640, 480, int(SECONDS * RATE), targets=targets)
    source, viewer = Watched([image for image, _ in clip], RATE), Stopwatch()
    source.captured = []
    tracker = load("siamtrack-lite", autotune=True)
    with open_results(tmp_path / "out.mp4" if recording else None, None, source.info) as results, StopSignal() as stop:
        loop = LiveLoop(source, MultiTracker(tracker), viewer, results)
        summary = loop.run(Session(), clip.boxes[0], stop)
    delays = np.subtract(viewer.shown, source.captured)[5:]  # the first ones start the targets
    middle, late = np.percentile(delays, [50, 95]) * float(RATE)
    fps = summary.frames / summary.seconds
    print(f"\n{targets} targets: {fps:.1f} fps, {summary.dropped} dropped")
    print(f"capture to box: median {middle:.2f}, p95 {late:.2f} frame times")
    if targets == 1:
        assert late <= WANTED
