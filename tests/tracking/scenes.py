"""Rendered sequences with exact ground truth, and a network without weights that can track them."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from siamtrack.boxes import Box
from siamtrack.io.synthetic import smooth_noise
from siamtrack.models.backbones import Backbone


class PixelBackbone(Backbone):
    """Embeds 4 x 4 pixels as these pixels, normalized: it has no weights and matches a rendered target."""

    exemplar_size = 64
    search_size = 128
    exemplar_margin = 4
    out_channels = 48
    response_scale = 12 / 64  # 12 times the mean cosine of the 8 x 8 cells that are left of the exemplar

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(4, 4)  # stands for the grid; the pixels themselves are kept

    def spatial_layers(self) -> Iterator[nn.Module]:
        yield self.pool

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(F.pixel_unshuffle(images / 128 - 1, 4), dim=1)


def texture(height: int, width: int, seed: int, sigma: float = 4.0) -> NDArray[np.uint8]:
    """Colored blobs over the whole range of gray levels, `(H, W, 3)` uint8."""
    return smooth_noise(height, width, np.random.default_rng(seed), sigma)


@dataclass(frozen=True)
class Sequence:
    """Rendered frames, `(H, W, 3)` uint8 BGR, and the exact box of each target in each frame."""

    frames: list[NDArray[np.uint8]]
    boxes: list[list[Box]]


def render(tracks: list[list[Box]], height: int = 240, width: int = 320) -> Sequence:
    """Paste one textured patch a track over a textured background; boxes may hang over the border."""
    background = texture(height, width, 100)
    patches = [texture(128, 128, seed, 10.0) for seed in range(len(tracks))]
    frames = []
    for boxes in zip(*tracks, strict=True):
        frame = background.copy()
        for patch, box in zip(patches, boxes, strict=True):
            # From the patch to the frame, continuous coordinates; OpenCV puts the center of pixel 0 at 0.
            sx, sy = box.width / 128, box.height / 128
            matrix = np.array([[sx, 0, box.x + sx / 2 - 0.5], [0, sy, box.y + sy / 2 - 0.5]])
            cv2.warpAffine(patch, matrix, (width, height), dst=frame, borderMode=cv2.BORDER_TRANSPARENT)
        frames.append(frame)
    return Sequence(frames, tracks)


def growing_track(length: int, growth: float = 1.004, offset: tuple[float, float] = (0.0, 0.0)) -> list[Box]:
    """A target of 40 x 48 pixels on a curve, that grows by a factor a frame."""
    boxes = []
    for i in range(length):
        cx, cy = 90 + 2.5 * i + offset[0], 110 + 20 * np.sin(i / 6) + offset[1]
        boxes.append(Box.from_center(float(cx), float(cy), 40 * growth**i, 48 * growth**i))
    return boxes
