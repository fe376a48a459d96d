"""The loop of siamfc-pytorch in words of our own: whole-pixel padded crops, three upsampled maps, NumPy throughout.

It is slow and plain on purpose and shares nothing with the package but the network, so that a path that follows it is
the path of the published tracker. Boxes are 0-based and continuous, as everywhere here.
"""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.models.network import TrackingNetwork

STEP, PENALTY, DAMPING, INFLUENCE, UPSAMPLE = 1.0375, 0.9745, 0.59, 0.176, 16


def padded_crop(image: NDArray[np.uint8], center: NDArray[np.float64], side: float, size: int) -> NDArray[np.uint8]:
    """Cut whole pixels out of a padded copy of the whole frame, then resize.

    `image` is RGB, `center` is (y, x) where pixel 0's center is 0.
    """
    whole = round(side)
    first = [round(float(c) - (whole - 1) / 2) for c in center]
    over = max(0, -min(first), first[0] + whole - image.shape[0], first[1] + whole - image.shape[1])
    padded = cv2.copyMakeBorder(image, over, over, over, over, cv2.BORDER_CONSTANT, value=padded_crop.color)
    y, x = first[0] + over, first[1] + over
    return cv2.resize(padded[y : y + whole, x : x + whole], (size, size), interpolation=cv2.INTER_LINEAR)


def follow(network: TrackingNetwork, frames: Iterable[NDArray[np.uint8]], box: Box) -> Iterator[Box]:
    """The boxes of all frames, `(H, W, 3)` uint8 BGR; the first is the given one."""
    network = network.eval()
    x, y, width, height = box
    center = np.array([y + (height - 1) / 2, x + (width - 1) / 2])
    size = np.array([height, width], np.float64)
    context = size.sum() / 2
    z_side = float(np.sqrt(np.prod(size + context)))
    x_side = z_side * network.search_size / network.exemplar_size
    grid = UPSAMPLE * network.response_size
    window = np.outer(np.hanning(grid), np.hanning(grid))
    window /= window.sum()
    factors = STEP ** np.linspace(-1, 1, 3)

    def embed(function, crops):
        with torch.no_grad():
            return function(torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float())

    kernel = None
    for bgr in frames:
        image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        if kernel is None:
            padded_crop.color = np.mean(image, axis=(0, 1)).tolist()
            kernel = embed(network.embed_exemplar, [padded_crop(image, center, z_side, network.exemplar_size)])
            yield box
            continue
        crops = [padded_crop(image, center, x_side * factor, network.search_size) for factor in factors]
        features = torch.cat([embed(network.embed_search, [crop]) for crop in crops])
        with torch.no_grad():
            maps = network.head.correlate(kernel[None].expand(3, -1, -1, -1, -1), features)[:, 0].numpy()
        responses = np.stack([cv2.resize(m, (grid, grid), interpolation=cv2.INTER_CUBIC) for m in maps])
        responses[[0, 2]] *= PENALTY
        scale = int(np.argmax(responses.max(axis=(1, 2))))
        response = responses[scale] - responses[scale].min()
        response = (1 - INFLUENCE) * response / (response.sum() + 1e-16) + INFLUENCE * window
        place = np.array(np.unravel_index(response.argmax(), response.shape))
        in_crop = (place - (grid - 1) / 2) * network.stride / UPSAMPLE
        center = center + in_crop * x_side * factors[scale] / network.search_size
        change = 1 - DAMPING + DAMPING * factors[scale]
        size, z_side, x_side = size * change, z_side * change, x_side * change
        yield Box.from_center(center[1] + 0.5, center[0] + 0.5, size[1], size[0])


padded_crop.color = [0.0, 0.0, 0.0]
