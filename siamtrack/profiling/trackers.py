"""Trackers as they are measured: models of siamtrack and trackers of OpenCV."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.evaluation.peers import Peer
from siamtrack.io.results import Row
from siamtrack.profiling.figures import Sample
from siamtrack.tracking.status import Status

if TYPE_CHECKING:
    from siamtrack.tracking.state import TargetState
    from siamtrack.tracking.tracker import Tracker

Image = NDArray[np.uint8]


class Follower(Protocol):
    """A tracker as it is measured."""

    @property
    def name(self) -> str:
        """How the report calls it."""

    def start(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets, in a frame `(H, W, 3)` uint8 BGR."""

    def step(self, frame: Image) -> tuple[Sample, list[Row]]:
        """Find the targets in the next frame: what it took, and what to draw."""


class ModelFollower:
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
        self._states: list[TargetState] = []

    def start(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets."""
        torch.set_num_threads(self.threads)
        self._states = [self.tracker.start(frame, box) for box in boxes]

    def step(self, frame: Image) -> tuple[Sample, list[Row]]:
        """Find the targets in the next frame."""
        before, seen = dict(self.tracker.stage_seconds), dict(self.tracker.crops_seen)
        began = time.perf_counter()
        results = self.tracker.step(frame, self._states)
        seconds = time.perf_counter() - began
        self._states = [result.state for result in results]
        stages = {stage: total - before.get(stage, 0.0) for stage, total in self.tracker.stage_seconds.items()}
        stages["rest"] = max(seconds - sum(stages.values()), 0.0)
        rows = [Row(0, 0.0, target, each.box, each.score, each.status) for target, each in enumerate(results, 1)]
        crops = ((side, count - seen.get(side, 0)) for side, count in sorted(self.tracker.crops_seen.items()))
        return Sample(stages, seconds, tuple((side, count) for side, count in crops if count)), rows


class PeerFollower:
    """A tracker of OpenCV, which is one stage.

    Args:
        peer: the tracker.
    """

    def __init__(self, peer: Peer) -> None:
        self.name = peer.name
        self._peer = peer

    def start(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets."""
        self._peer.start(frame, boxes)

    def step(self, frame: Image) -> tuple[Sample, list[Row]]:
        """Find the targets in the next frame."""
        began = time.perf_counter()
        boxes = self._peer.step(frame)
        seconds = time.perf_counter() - began
        rows = [
            Row(0, 0.0, target, box, None, Status.LOST if box is None else Status.TRACKED)
            for target, box in enumerate(boxes, 1)
        ]
        return Sample({"track": seconds}, seconds), rows
