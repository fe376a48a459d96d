"""Rendered clips whose boxes are exact: something to track where there is no video."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import cv2
import numpy as np

from siamtrack.boxes import Box, Image
from siamtrack.errors import UsageError
from siamtrack.io.compose import Pose, paste

MIN_CELL = 48
"""Pixels along the shorter side of the room that a target moves in; with less, nothing of it could be recognized."""
TARGET_SHARE = 0.25
"""Height of a target, relative to the shorter side of its room."""
ASPECT = 0.8
"""Width of a target, relative to its height."""
GROWTH = 0.15
"""Share of its size that a target gains and loses on its way."""
SPEED = 0.05
"""Greatest movement along an axis from frame to frame, relative to a target's height."""
PERIOD = 90
"""Frames from one size of a target to the same again, and from one place of the background to it."""
SWAY = 0.02
"""Reach of the background's motion to either side, relative to the shorter side of the frame."""


class SyntheticClip:
    """Textured targets that move and change their size slowly over a background that moves slower still.

    Iterating gives `(frame, boxes)`: `(H, W, 3)` uint8 BGR, and the box of each target in it. The frames are rendered
    as they are asked for, the same every time. Targets stay inside the frame and never cover each other.

    Args:
        width: width of the frames in pixels.
        height: height of the frames in pixels.
        frames: how many frames there are.
        targets: how many targets there are.
        seed: of the textures and of where each target begins.

    Raises:
        UsageError: when there is no frame, no target, or no room for them.
    """

    def __init__(self, width: int, height: int, frames: int, targets: int = 1, seed: int = 0) -> None:
        if frames < 1 or targets < 1:
            raise UsageError(f"a clip of {frames} frames and {targets} targets shows nothing: give 1 or more of each")
        if min(width, height) < MIN_CELL:
            raise UsageError(f"frames of {width}x{height} are too small to track in: give {MIN_CELL} pixels a side")
        columns = min(targets, math.ceil(math.sqrt(targets * width / height)))
        rows = math.ceil(targets / columns)
        room = width / columns, height / rows
        if min(room) < MIN_CELL:
            raise UsageError(
                f"frames of {width}x{height} have no room for {targets} targets: give each {MIN_CELL} pixels a side"
            )
        rng = np.random.default_rng(seed)
        self.width, self.height = width, height
        self._tall = TARGET_SHARE * min(room)
        self._margin = math.ceil(SWAY * min(width, height)) + 1
        self._background = _colored(height + 2 * self._margin, width + 2 * self._margin, rng)
        # As large as the target gets, so that it is never blurred.
        tall = math.ceil(self._tall * (1 + GROWTH))
        self._patches = [_opaque(_colored(tall, math.ceil(tall * ASPECT), rng)) for _ in range(targets)]
        self._poses = [
            self._path(frames, ((target % columns + 0.5) * room[0], (target // columns + 0.5) * room[1]), room, rng)
            for target in range(targets)
        ]
        self.boxes: list[list[Box]] = [
            [_box(patch, path[index]) for patch, path in zip(self._patches, self._poses, strict=True)]
            for index in range(frames)
        ]
        """The box of each target in each frame."""

    def _path(
        self, frames: int, middle: tuple[float, float], room: tuple[float, float], rng: np.random.Generator
    ) -> list[Pose]:
        """Return a target's way through its room: a Lissajous figure, on which it grows and shrinks."""
        reach = [(side - self._tall * (1 + GROWTH)) / 2 - 2 for side in room]
        steps = [SPEED * self._tall / each for each in reach]
        begins = rng.uniform(0, 2 * math.pi, 3)
        shape = math.sqrt(ASPECT)  # the geometric mean of both sides, relative to the height
        return [
            Pose(
                center=(
                    middle[0] + reach[0] * math.sin(begins[0] + steps[0] * index),
                    middle[1] + reach[1] * math.sin(begins[1] + steps[1] * index),
                ),
                size=shape * self._tall * (1 + GROWTH * math.sin(begins[2] + 2 * math.pi * index / PERIOD)),
            )
            for index in range(frames)
        ]

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[tuple[Image, list[Box]]]:
        for index, boxes in enumerate(self.boxes):
            yield self.render(index), list(boxes)

    def render(self, index: int) -> Image:
        """Return one frame, `(H, W, 3)` uint8 BGR; `index` counts from 0."""
        frame = self.background(index)
        for patch, path in zip(self._patches, self._poses, strict=True):
            frame, _ = paste(frame, patch, path[index])  # its own box is in whole pixels
        return frame

    def background(self, index: int) -> Image:
        """Return the same frame without the targets."""
        turn = 2 * math.pi * index / PERIOD
        radius = self._margin - 1
        left, top = self._margin + radius * math.sin(turn), self._margin + radius * math.cos(turn)
        shift = np.array([[1, 0, -left], [0, 1, -top]])
        return np.asarray(cv2.warpAffine(self._background, shift, (self.width, self.height)), np.uint8)


def parse_size(text: str) -> tuple[int, int]:
    """Read the size of a frame typed as `WxH`.

    Raises:
        UsageError: when it is not two whole numbers.
    """
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text.strip().lower())
    if match is None:
        raise UsageError(f"size '{text}' is not WxH, two whole numbers of pixels below 10000 (for example 640x480)")
    return int(match[1]), int(match[2])


def smooth_noise(height: int, width: int, rng: np.random.Generator, sigma: float) -> Image:
    """Colored blobs over the whole range of gray levels, `(H, W, 3)` uint8; `sigma` is their size in pixels."""
    noise = rng.normal(size=(height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
    blobs: Image = np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    return blobs


def _colored(height: int, width: int, rng: np.random.Generator) -> Image:
    """Broad and fine blobs together, as pictures have both."""
    broad = smooth_noise(height, width, rng, min(height, width) / 12)
    fine = smooth_noise(height, width, rng, 2.0)
    return np.asarray(cv2.addWeighted(broad, 0.85, fine, 0.15, 0), np.uint8)


def _opaque(image: Image) -> Image:
    return np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])


def _box(patch: Image, pose: Pose) -> Box:
    """Return the box of an opaque patch that is pasted upright."""
    height, width = patch.shape[:2]
    scale = pose.size / math.sqrt(height * width)
    return Box.from_center(*pose.center, width * scale, height * scale)
