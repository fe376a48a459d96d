"""What is measured against: SiamFC as it is published, tracking one frame at a time and training in eager float32."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import reference_loop
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from siamtrack.boxes import Box
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import create_network


class PlainSiamFC:
    """Eager float32 PyTorch, three separate crops, OpenCV's upsampling, NumPy's argmax (tests/tracking)."""

    def __init__(self, network: TrackingNetwork) -> None:
        self._network = network
        self._frame: NDArray[np.uint8]
        self._path: Iterator[Box]

    def init(self, frame: NDArray[np.uint8], box: Box) -> None:
        self._frame = frame
        self._path = reference_loop.follow(self._network, self._frames(), box)
        next(self._path)

    def update(self, frame: NDArray[np.uint8]) -> Box:
        self._frame = frame
        return next(self._path)

    def _frames(self) -> Iterator[NDArray[np.uint8]]:
        while True:
            yield self._frame


def plain_training_speed(batch: int, steps: int) -> float:
    """Pairs a second of a loop as one writes it first: eager, float32, contiguous; crops of 127 and 239 pixels."""
    step = plain_training_step(batch)
    step()  # the first one only warms up
    began = time.perf_counter()
    for _ in range(steps):
        step()
    return batch * steps / (time.perf_counter() - began)


def plain_training_flops() -> float:
    """Additions and multiplications of such a step, forwards and backwards, a pair."""
    step = plain_training_step(1)
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops())


def plain_training_step(batch: int) -> Callable[[], None]:
    """One step of such a loop."""
    network = create_network("alexnet_v1", torch.Generator().manual_seed(0)).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-5, momentum=0.9)
    exemplars, searches = (255 * torch.rand(batch, 3, side, side) for side in (127, 239))

    def step() -> None:
        logits = network(exemplars, searches)
        loss = F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
