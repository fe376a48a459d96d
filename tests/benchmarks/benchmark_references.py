"""What is measured against: SiamFC as it is published, one frame at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import reference_loop
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.models.siamese import SiameseNetwork


class PlainSiamFC:
    """Eager float32 PyTorch, three separate crops, OpenCV's upsampling, NumPy's argmax (tests/tracking)."""

    def __init__(self, network: SiameseNetwork) -> None:
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
