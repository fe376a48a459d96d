"""Measurement of one tracker: the time of every stage of every frame, one stage after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

from siamtrack.boxes import Box, Image
from siamtrack.errors import SourceError
from siamtrack.evaluation.peers import Peer
from siamtrack.io.draw import draw_targets
from siamtrack.io.frames import Frame, Source
from siamtrack.io.results import Row
from siamtrack.io.sources import open_source
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.system.stage_clock import StageClock
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.loop import FrameTracker, track
from siamtrack.tracking.multi import MultiTracker

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

WARM_UP = 15
"""Frames after the first one that are not measured: memory is reserved, code is compiled, and x264 only collects the
first dozen before it begins to encode."""


class FrameTimes(NamedTuple):
    """Times of one frame."""

    stages: dict[str, float]
    """Seconds of each stage, in the order in which they run."""
    tracking: float
    """Seconds of the tracker alone."""
    crops: tuple[tuple[int, int], ...] = ()
    """Side in pixels and number of the search crops of the network, in ascending order of the side."""


class MeasuredTracker(FrameTracker[tuple[FrameTimes, list[Row]]], Protocol):
    """Tracker of several targets. Its `update` returns its times and the rows to draw."""

    @property
    def name(self) -> str:
        """Name in the report."""

    def init(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets in a frame, `(H, W, 3)` uint8 BGR."""


class MeasuredModel:
    """Model of siamtrack. Its stages are those of the tracker's clock, and the rest of an update.

    Args:
        name: name in the report.
        tracker: tracker with the model.
    """

    def __init__(self, name: str, tracker: Tracker) -> None:
        self.name = name
        self.tracker = tracker
        self.threads = tracker.backend.threads or torch.get_num_threads()
        self._targets = MultiTracker(tracker)

    def init(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets."""
        self._targets = MultiTracker(self.tracker)
        for box in boxes:
            self._targets.add(frame, box)

    def update(self, frame: Image) -> tuple[FrameTimes, list[Row]]:
        """Find the targets in the next frame."""
        stages_before, crops_before = dict(self.tracker.stage_seconds), dict(self.tracker.crops_seen)
        start = time.perf_counter()
        results = self._targets.update(frame)
        seconds = time.perf_counter() - start
        stages = {stage: total - stages_before.get(stage, 0.0) for stage, total in self.tracker.stage_seconds.items()}
        stages["rest"] = max(seconds - sum(stages.values()), 0.0)
        rows = [Row(0, 0.0, target, each.box, each.score, each.status) for target, each in results.items()]
        crops = ((side, count - crops_before.get(side, 0)) for side, count in sorted(self.tracker.crops_seen.items()))
        return FrameTimes(stages, seconds, tuple((side, count) for side, count in crops if count)), rows


class MeasuredPeer:
    """Tracker of OpenCV, one object for each target. It has one stage.

    Args:
        name: see `Peer`.

    Raises:
        UsageError: see `Peer`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        Peer(name)  # raises the error of an unavailable tracker before anything slow happens
        self._peers: list[Peer] = []

    def init(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets."""
        self._peers = [Peer(self.name) for _ in boxes]
        for peer, box in zip(self._peers, boxes, strict=True):
            peer.init(frame, box)

    def update(self, frame: Image) -> tuple[FrameTimes, list[Row]]:
        """Find the targets in the next frame."""
        start = time.perf_counter()
        boxes = [peer.update(frame) for peer in self._peers]
        seconds = time.perf_counter() - start
        rows = [
            Row(0, 0.0, target, box, None, Status.LOST if box is None else Status.TRACKED)
            for target, box in enumerate(boxes, 1)
        ]
        return FrameTimes({"track": seconds}, seconds), rows


def measure(
    tracker: MeasuredTracker, source: str, boxes: Sequence[Box], frames: int, video: Path, count: Callable[[], None]
) -> list[FrameTimes]:
    """Track targets through a source, draw and encode the results, and measure all of it.

    Args:
        tracker: the tracker to measure.
        source: see `open_source`.
        boxes: targets in the first frame of the source.
        frames: maximum number of frames to measure.
        video: file of the drawn frames; it is overwritten.
        count: called after every frame.

    Returns:
        The times of every frame after the first one and `WARM_UP` more. Frames that cannot be decoded are left out.

    Raises:
        SourceError: when the source cannot be read, or has no frame left to measure.
    """
    measured: list[FrameTimes] = []
    with open_source(source, threads=1) as opened:
        info = opened.info
        first = next(opened).image
        if first is None:
            raise SourceError(f"the first frame of '{source}' cannot be decoded: give another source")
        tracker.init(first, boxes)
        with VideoEncoder(video, info.width, info.height, info.rate, threads=1) as encoder:
            encoder.write(first)
            clock = StageClock()
            for frame, found in track(_decoded(opened, clock), tracker):
                tracked, decode = time.perf_counter(), clock.seconds.pop("decode")
                if frame.image is None or found is None:
                    continue
                times, rows = found
                picture = draw_targets(frame.image, rows, 1 / max(times.tracking, 1e-9))
                drawn = time.perf_counter()
                encoder.write(picture)
                encode = time.perf_counter() - drawn
                stages = {"decode": decode, **times.stages, "draw": drawn - tracked, "encode": encode}
                measured.append(times._replace(stages=stages))
                count()
                if len(measured) == WARM_UP + frames:
                    break
    if len(measured) <= WARM_UP:
        raise SourceError(
            f"'{source}' has {1 + len(measured)} frames that can be decoded: "
            f"one sets the targets and {WARM_UP} warm up, give a source of {WARM_UP + 2} or more"
        )
    return measured[WARM_UP:]


def _decoded(source: Source, clock: StageClock) -> Iterator[Frame]:
    """Yield the frames of a source, and count the time of each of them as `decode`."""
    while True:
        with clock.measure("decode"):
            frame = next(source, None)
        if frame is None:
            return
        yield frame
