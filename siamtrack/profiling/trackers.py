"""Trackers as they are measured: models of siamtrack and trackers of OpenCV."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch

from siamtrack.boxes import Box, Image
from siamtrack.evaluation.peers import Peer
from siamtrack.io.results import Row
from siamtrack.profiling.figures import Sample
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.loop import FrameTracker
from siamtrack.tracking.multi import MultiTracker

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker


class MeasuredTracker(FrameTracker[tuple[Sample, list[Row]]], Protocol):
    """Tracker of several targets whose `update` returns the times that it took, and the rows to draw."""

    @property
    def name(self) -> str:
        """Name in the report."""

    def init(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets, in a frame `(H, W, 3)` uint8 BGR."""


class MeasuredModel:
    """A siamtrack model. Its stages are whatever the tracker's clock tells apart, and the rest of a step.

    Args:
        name: how the report calls it.
        tracker: the model.
    """

    def __init__(self, name: str, tracker: Tracker) -> None:
        self.name = name
        self.tracker = tracker
        # Loading decides it for the whole process; the next model may need another number.
        self.threads = torch.get_num_threads()
        self._targets = MultiTracker(tracker)

    def init(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets."""
        torch.set_num_threads(self.threads)
        self._targets = MultiTracker(self.tracker)
        for box in boxes:
            self._targets.add(frame, box)

    def update(self, frame: Image) -> tuple[Sample, list[Row]]:
        """Find the targets in the next frame."""
        before, seen = dict(self.tracker.stage_seconds), dict(self.tracker.crops_seen)
        began = time.perf_counter()
        results = self._targets.update(frame)
        seconds = time.perf_counter() - began
        stages = {stage: total - before.get(stage, 0.0) for stage, total in self.tracker.stage_seconds.items()}
        stages["rest"] = max(seconds - sum(stages.values()), 0.0)
        rows = [Row(0, 0.0, target, each.box, each.score, each.status) for target, each in results.items()]
        crops = ((side, count - seen.get(side, 0)) for side, count in sorted(self.tracker.crops_seen.items()))
        return Sample(stages, seconds, tuple((side, count) for side, count in crops if count)), rows


class MeasuredPeer:
    """A tracker of OpenCV, one object for each target. It is one stage.

    Args:
        name: see `Peer`.

    Raises:
        UsageError: see `Peer`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        Peer(name)  # a tracker that is not available is an error here, before anything slow happens
        self._peers: list[Peer] = []

    def init(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets."""
        self._peers = [Peer(self.name) for _ in boxes]
        for peer, box in zip(self._peers, boxes, strict=True):
            peer.init(frame, box)

    def update(self, frame: Image) -> tuple[Sample, list[Row]]:
        """Find the targets in the next frame."""
        began = time.perf_counter()
        boxes = [peer.update(frame) for peer in self._peers]
        seconds = time.perf_counter() - began
        rows = [
            Row(0, 0.0, target, box, None, Status.LOST if box is None else Status.TRACKED)
            for target, box in enumerate(boxes, 1)
        ]
        return Sample({"track": seconds}, seconds), rows
