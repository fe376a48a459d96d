"""Cross-correlation on the CPU as a tracker needs it frame by frame: one matrix product, and a loop that adds up."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.compiling import CACHE
from siamtrack.models.heads import kernel_cells


def correlate(kernels: Tensor, features: Tensor) -> Tensor:
    """What `siamtrack.models.heads.cross_correlation` gives, faster: multiplied in the type of the features.

    Args:
        kernels: `(B, S, C, h, w)`; with channels last they need not be copied.
        features: `(B, C, H, W)` of the same type.

    Returns:
        `(B, S, H - h + 1, W - w + 1)` float32.
    """
    batch, count, _, h, w = kernels.shape
    height, width = features.shape[-2:]
    # Every cell of a kernel with every cell of the features.
    products = torch.matmul(kernel_cells(kernels), features.flatten(2)).float()
    maps = np.zeros((batch * count, height - h + 1, width - w + 1), np.float32)
    _add_displaced(products.reshape(batch * count, h, w, height, width).numpy(), maps)
    return torch.from_numpy(maps.reshape(batch, count, *maps.shape[1:]))


@njit(cache=CACHE)
def _add_displaced(products: NDArray[np.float32], maps: NDArray[np.float32]) -> None:
    """Add up what belongs to the same displacement: `(N, h, w, H, W)` to `(N, H - h + 1, W - w + 1)`."""
    count, h, w = products.shape[:3]
    rows, columns = maps.shape[1:]
    for n in range(count):
        for i in range(h):
            for j in range(w):
                for y in range(rows):
                    for x in range(columns):
                        maps[n, y, x] += products[n, i, j, y + i, x + j]


def compile_correlation() -> None:
    """Compile, or load from numba's cache, before the first frame."""
    _add_displaced(np.zeros((1, 1, 1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32))
