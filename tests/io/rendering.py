"""Frames that say which they are, and files that are damaged on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from siamtrack.io.frames import Frame
from siamtrack.io.sources import open_source

WIDTH, HEIGHT = 96, 64


def numbered(index: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A textured gray frame with a mark that says its index (0 to 60) and a red top left corner."""
    rng = np.random.default_rng(index)
    image = np.repeat(rng.integers(90, 150, (height, width, 1), np.uint8), 3, axis=2)
    image[height // 2 :, width // 2 :] = 10 + 4 * index
    image[: height // 4, : width // 4] = (0, 0, 200)
    return image


def to_frame(image: NDArray[np.uint8], pixels: str = "yuv420p") -> av.VideoFrame:
    """A BGR image as BT.601 video, rounded exactly; FFmpeg's own rounding loses up to four levels."""
    exact = Interpolation.BILINEAR | Interpolation.ACCURATE_RND
    return av.VideoFrame.from_ndarray(image, "bgr24").reformat(format=pixels, interpolation=exact)


def index_of(image: NDArray[np.uint8]) -> int:
    """The index that a frame of `numbered` carries."""
    height, width = image.shape[:2]
    mark = image[height * 5 // 8 : height * 7 // 8, width * 5 // 8 : width * 7 // 8]
    return round((float(mark.mean()) - 10) / 4)


Render = Callable[..., Path]


def packets(path: Path) -> list[tuple[int, int]]:
    """Position and size in bytes of every video packet, in order of the file."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def damage(path: Path, packet: int) -> int:
    """Overwrite one packet with noise; returns the index, in order of display, of the frame it held."""
    with av.open(str(path)) as container:
        found = [item for item in container.demux(video=0) if item.size]
        position, size, pts = found[packet].pos, found[packet].size, found[packet].pts
        order = sorted(item.pts for item in found).index(pts)
    content = bytearray(path.read_bytes())
    content[position : position + size] = np.random.default_rng(0).integers(0, 256, size, np.uint8).tobytes()
    path.write_bytes(content)
    return order


def read(path: str | Path, start: int = 0, end: int | None = None) -> tuple[list[Frame], list[str]]:
    with open_source(path, start, end) as source:
        return list(source), source.warnings


def shown(frames: list[Frame]) -> list[int | None]:
    """The indices that the pictures carry."""
    return [None if frame.image is None else index_of(frame.image) for frame in frames]
