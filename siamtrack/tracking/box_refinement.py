"""From the box maps of a network to the box that is reported: width and height apart, which the scale search ties.

The scale search decides where to look in the next frame. What is read here refines the box that is reported; the search
follows it slowly (`TrackingSettings.box_scale_lr`), so that a bad reading does not lose a target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.boxes import Box
from siamtrack.config import TrackingSettings

REACH = 1
"""Cells around the peak that are averaged, in each direction."""
LIMIT = 1.0
"""Greatest difference of the reported size from that of the scale search, in natural logarithms."""

MISS = 0.3
"""Greatest difference of sizes, in natural logarithms, that the search is corrected by at once."""

Pair = tuple[float, float]


class BoxPrediction(NamedTuple):
    """The target's box as it is read in a search crop."""

    center: Pair
    """Center `(x, y)` from the middle of the crop, in pixels of the crop."""
    log_size: Pair
    """Logarithm of width and height, relative to those in the exemplar crop."""
    quality: float
    """Expected overlap with the truth, in [0, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxRefinement:
    """What is known about the shape of one target; a value, as the state that holds it."""

    kernel: Tensor
    """`(C, h, w)` what the target's exemplar is compared by when boxes are read."""
    exemplar_size: Pair
    """Width and height of the target in its exemplar crop, in pixels."""
    bias: Pair
    """What the logarithms of a size read in the first frame exceed the truth by. A network reads the extent of what it
    takes the target for, a user may have marked a part of it; the difference stays."""
    log_size: Pair
    """Logarithm of width and height in pixels of the frame, smoothed over time."""
    box: Box
    """What is reported, in pixels, 0-based and continuous."""

    def growth(self, found: Box) -> float:
        """By how much the target exceeds the scale search's size, in natural logarithms, at most `MISS` either way."""
        change = (self.log_size[0] + self.log_size[1] - math.log(found.area)) / 2
        return min(max(change, -MISS), MISS)


def decode_box(maps: NDArray[np.float32], cell: Pair, stride: int) -> BoxPrediction:
    """Read the box around a cell: the mean of its neighborhood, weighted by the square of the expected overlap.

    Args:
        maps: `(5, R, R)`: offset x and y in pixels of the crop, logarithm of width and height, logit of the overlap.
        cell: column and row, fractions allowed; `(R - 1) / 2` is the middle of the crop.
        stride: pixels of the crop from one cell to the next.
    """
    size = maps.shape[-1]
    column, row = (min(max(round(value), 0), size - 1) for value in cell)
    rows = np.arange(max(row - REACH, 0), min(row + REACH + 1, size))
    columns = np.arange(max(column - REACH, 0), min(column + REACH + 1, size))
    near = maps[:, rows[:, None], columns[None, :]].astype(np.float64)
    overlap = 0.5 + 0.5 * np.tanh(near[4] / 2)
    weights = overlap**2 / max(float((overlap**2).sum()), 1e-12)
    middle = (size - 1) / 2
    x = ((columns[None, :] - middle) * stride + near[0]) * weights
    y = ((rows[:, None] - middle) * stride + near[1]) * weights
    return BoxPrediction(
        (float(x.sum()), float(y.sum())),
        (float((near[2] * weights).sum()), float((near[3] * weights).sum())),
        float(overlap.max()),
    )


def refine(
    known: BoxRefinement,
    reading: BoxPrediction,
    found: Box,
    crop_center: Pair,
    crop_scale: float,
    settings: TrackingSettings,
) -> BoxRefinement:
    """Take a reading into account.

    Args:
        known: until now.
        reading: of this frame.
        found: box of the scale search in this frame.
        crop_center: center `(x, y)` of the search crop in the frame, in pixels.
        crop_scale: pixels of the frame in a pixel of the search crop.
        settings: how much to trust a reading.
    """
    sizes = _log_size(known, reading, crop_scale)
    log_size = np.array(known.log_size) + settings.box_size_lr * reading.quality * (sizes - np.array(known.log_size))
    searched = np.log([found.width, found.height])
    change = np.clip(settings.box_size_weight * (log_size - searched), -LIMIT, LIMIT)
    width, height = (float(value) for value in np.exp(searched + change))
    share = settings.box_center_weight * reading.quality
    read_x, read_y = _center(reading, crop_center, crop_scale)
    x, y = found.center
    box = Box.from_center(x + share * (read_x - x), y + share * (read_y - y), width, height)
    return replace(known, log_size=(float(log_size[0]), float(log_size[1])), box=box)


def predicted_box(known: BoxRefinement, reading: BoxPrediction, crop_center: Pair, crop_scale: float) -> Box:
    """The box that a reading alone gives, in pixels of the frame; arguments as of `refine`."""
    width, height = (float(value) for value in np.exp(_log_size(known, reading, crop_scale)))
    return Box.from_center(*_center(reading, crop_center, crop_scale), width, height)


def _log_size(known: BoxRefinement, reading: BoxPrediction, crop_scale: float) -> NDArray[np.float64]:
    """`(2,)` logarithm of width and height in pixels of the frame."""
    size = np.log(np.array(known.exemplar_size) * crop_scale)
    log_size: NDArray[np.float64] = size + np.array(reading.log_size) - np.array(known.bias)
    return log_size


def _center(reading: BoxPrediction, crop_center: Pair, crop_scale: float) -> Pair:
    x, y = (crop_center[axis] + reading.center[axis] * crop_scale for axis in (0, 1))
    return x, y
