"""The clip of the documentation: what `clip.mp4` and the boxes in docstrings, docs/python-api.md and examples/ mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.io.synthetic import smooth_noise
from siamtrack.io.video.writer import VideoWriter

WIDTH, HEIGHT, FRAMES = 320, 240, 10
FIRST, SECOND = Box(120, 80, 64, 48), Box(20, 30, 40, 40)
"""Both targets in the first frame."""


def truth(first: Box, index: int) -> Box:
    """Where a target is in a frame: it moves by two pixels to the right and one down every time."""
    return first._replace(x=first.x + 2 * index, y=first.y + index)


def images() -> list[NDArray[np.uint8]]:
    """The frames, `(H, W, 3)` uint8 BGR: two textured rectangles that move over a blurred background."""
    rng = np.random.default_rng(5)
    background = smooth_noise(HEIGHT, WIDTH, rng, 16) // 2 + 40
    patches = {box: smooth_noise(int(box.height), int(box.width), rng, 4) for box in (FIRST, SECOND)}
    frames = []
    for index in range(FRAMES):
        frame = background.copy()
        for first, patch in patches.items():
            x, y, width, height = map(int, truth(first, index))
            frame[y : y + height, x : x + width] = patch
        frames.append(frame)
    return frames


def write_clip(folder: Path, name: str = "clip.mp4") -> Path:
    """The frames as a video of 30 frames per second."""
    with VideoWriter(folder / name) as video:
        for image in images():
            video.write(image)
    return folder / name
