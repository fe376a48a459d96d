"""Box refinement: from the box maps of a network to the reported box, with width and height apart.

The scale search decides where to search in the next frame; it ties width and height. The predicted box refines the box
that is reported. The search follows it only slowly (`TrackingSettings.box_scale_lr`), so that a wrong prediction does
not lose a target.
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

RADIUS = 1
"""Cells around the peak that are averaged, in each direction."""
MAX_SIZE_CHANGE = 1.0
"""Maximum difference between the reported size and that of the scale search, in natural logarithms."""
MAX_CORRECTION = 0.3
"""Maximum difference of sizes, in natural logarithms, that the search is corrected by at once."""

Pair = tuple[float, float]


class BoxPrediction(NamedTuple):
    """Box of a target, as the head predicts it in a search crop."""

    center: Pair
    """Center `(x, y)` from the middle of the crop, in pixels of the crop."""
    log_size: Pair
    """Logarithm of width and height, relative to those in the exemplar crop."""
    quality: float
    """Expected overlap with the truth, in [0, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class BoxRefinement:
    """Shape of one target; a value."""

    kernel: Tensor
    """`(C, h, w)` features of the exemplar for the box head."""
    exemplar_size: Pair
    """Width and height of the target in its exemplar crop, in pixels."""
    bias: Pair
    """Bias of the predicted log size, measured in the first frame and subtracted afterwards. A user may mark a part of
    the object that the network sees; the difference stays."""
    log_size: Pair
    """Logarithm of width and height in pixels of the frame, smoothed over time."""
    box: Box
    """Reported box, in pixels, 0-based and continuous."""

    def growth(self, searched: Box) -> float:
        """Return by how much the target exceeds the size of the scale search, in natural logarithms.

        The magnitude is `MAX_CORRECTION` at most.
        """
        change = (self.log_size[0] + self.log_size[1] - math.log(searched.area)) / 2
        return min(max(change, -MAX_CORRECTION), MAX_CORRECTION)


def decode_box(maps: NDArray[np.float32], cell: Pair, stride: int) -> BoxPrediction:
    """Return the box at a cell: the mean over its neighborhood, weighted by the square of the expected overlap.

    Args:
        maps: `(5, R, R)`: offset x and y in pixels of the crop, logarithm of width and height, logit of the overlap.
        cell: column and row, fractions allowed; `(R - 1) / 2` is the middle of the crop.
        stride: pixels of the crop from one cell to the next.
    """
    size = maps.shape[-1]
    column, row = (min(max(round(value), 0), size - 1) for value in cell)
    rows = np.arange(max(row - RADIUS, 0), min(row + RADIUS + 1, size))
    columns = np.arange(max(column - RADIUS, 0), min(column + RADIUS + 1, size))
    window = maps[:, rows[:, None], columns[None, :]].astype(np.float64)
    overlap = 0.5 + 0.5 * np.tanh(window[4] / 2)
    weights = overlap**2 / max(float((overlap**2).sum()), 1e-12)
    middle = (size - 1) / 2
    x = ((columns[None, :] - middle) * stride + window[0]) * weights
    y = ((rows[:, None] - middle) * stride + window[1]) * weights
    return BoxPrediction(
        (float(x.sum()), float(y.sum())),
        (float((window[2] * weights).sum()), float((window[3] * weights).sum())),
        float(overlap.max()),
    )


def refine(
    target: BoxRefinement,
    prediction: BoxPrediction,
    searched: Box,
    crop_center: Pair,
    crop_scale: float,
    settings: TrackingSettings,
) -> BoxRefinement:
    """Return the shape of a target after a prediction.

    Args:
        target: shape before this frame.
        prediction: of this frame.
        searched: box of the scale search in this frame.
        crop_center: center `(x, y)` of the search crop in the frame, in pixels.
        crop_scale: pixels of the frame in a pixel of the search crop.
        settings: weights of a prediction.
    """
    before, predicted = np.array(target.log_size), _log_size(target, prediction, crop_scale)
    log_size = before + settings.box_size_lr * prediction.quality * (predicted - before)
    searched_size = np.log([searched.width, searched.height])
    change = np.clip(settings.box_size_weight * (log_size - searched_size), -MAX_SIZE_CHANGE, MAX_SIZE_CHANGE)
    width, height = (float(value) for value in np.exp(searched_size + change))
    weight = settings.box_center_weight * prediction.quality
    predicted_x, predicted_y = _center(prediction, crop_center, crop_scale)
    x, y = searched.center
    box = Box.from_center(x + weight * (predicted_x - x), y + weight * (predicted_y - y), width, height)
    return replace(target, log_size=(float(log_size[0]), float(log_size[1])), box=box)


def predicted_box(target: BoxRefinement, prediction: BoxPrediction, crop_center: Pair, crop_scale: float) -> Box:
    """Return the box of a prediction alone, in pixels of the frame; see `refine` for the arguments."""
    width, height = (float(value) for value in np.exp(_log_size(target, prediction, crop_scale)))
    return Box.from_center(*_center(prediction, crop_center, crop_scale), width, height)


def _log_size(target: BoxRefinement, prediction: BoxPrediction, crop_scale: float) -> NDArray[np.float64]:
    """Return `(2,)`, the logarithm of width and height in pixels of the frame."""
    size = np.log(np.array(target.exemplar_size) * crop_scale)
    log_size: NDArray[np.float64] = size + np.array(prediction.log_size) - np.array(target.bias)
    return log_size


def _center(prediction: BoxPrediction, crop_center: Pair, crop_scale: float) -> Pair:
    x, y = (crop_center[axis] + prediction.center[axis] * crop_scale for axis in (0, 1))
    return x, y
