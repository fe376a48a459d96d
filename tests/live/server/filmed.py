"""A clip for the browser's camera: each frame says in a row of black and white blocks which one it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.io.synthetic import SyntheticClip

WIDTH, HEIGHT, BAND = 320, 240, 16
RATE = 20
FRAMES = 200
"""There, and as many back: the end leads to the beginning, so that it can be played for ever."""
BLOCK, BITS = 20, 9


class Film:
    """A rendered target under a band with the number of the frame."""

    def __init__(self) -> None:
        clip = SyntheticClip(WIDTH, HEIGHT, FRAMES)
        order = [*range(FRAMES), *reversed(range(FRAMES))]
        self.frames = [np.vstack([band(number), clip.render(index)]) for number, index in enumerate(order)]
        self.size = (WIDTH, HEIGHT + BAND)
        self.boxes = [Box(x, y + BAND, w, h) for (x, y, w, h) in (clip.boxes[index][0] for index in order)]

    def write(self, path: Path) -> None:
        """As raw video (YUV4MPEG2), the only kind that Chromium's fake camera plays beside MJPEG."""
        with path.open("wb") as file:
            file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT + BAND} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
            for frame in self.frames:
                file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes())


def band(number: int) -> NDArray[np.uint8]:
    image = np.zeros((BAND, WIDTH, 3), np.uint8)
    for bit in range(BITS):
        image[:, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    """The number that a frame's band says."""
    middles = image[BAND // 2 - 2 : BAND // 2 + 2]
    bits = [middles[:, bit * BLOCK + 6 : (bit + 1) * BLOCK - 6].mean() > 128 for bit in range(BITS)]
    return sum(int(bit) << place for place, bit in enumerate(bits))
