"""Small rendered clips with exact boxes, and the outcome of a command."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box

WIDTH, HEIGHT, SIDE = 160, 120, 36
NTSC = Fraction(30000, 1001)


@dataclass(frozen=True)
class Clip:
    """Rendered source with the boxes of its object."""

    path: Path
    boxes: list[Box]
    """Box of the object in each frame."""

    @property
    def box(self) -> str:
        """The first box as it is typed."""
        return ",".join(f"{value:g}" for value in self.boxes[0])


@dataclass(frozen=True)
class Outcome:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


def texture(generator: np.random.Generator, height: int, width: int, cell: int) -> NDArray[np.uint8]:
    coarse = generator.integers(0, 256, (height // cell + 2, width // cell + 2, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def render(count: int) -> tuple[list[NDArray[np.uint8]], list[Box]]:
    """Return frames and boxes of a textured square that moves by 3 x 2 pixels a frame and turns at the border."""
    generator = np.random.default_rng(7)
    background = texture(generator, HEIGHT, WIDTH, 24) // 2 + 40
    patch = texture(generator, SIDE, SIDE, 6)
    frames, boxes = [], []
    for index in range(count):
        x = 10 + bounce(3 * index, WIDTH - SIDE - 20)
        y = 20 + bounce(2 * index, HEIGHT - SIDE - 30)
        frame = background.copy()
        frame[y : y + SIDE, x : x + SIDE] = patch
        frames.append(frame)
        boxes.append(Box(x, y, SIDE, SIDE))
    return frames, boxes


def bounce(distance: int, span: int) -> int:
    return span - abs(distance % (2 * span) - span)


def write_video(path: Path, frames: list[NDArray[np.uint8]], rate: Fraction = NTSC, flags: str = "+faststart") -> None:
    """Write H.264 as MP4, with the index first, so that a truncated file still opens."""
    with av.open(str(path), "w", options={"movflags": flags}) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "10", "preset": "veryfast", "g": "5", "bf": "0"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())


def read_video(path: Path) -> tuple[list[NDArray[np.uint8]], Fraction]:
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)], rate


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
