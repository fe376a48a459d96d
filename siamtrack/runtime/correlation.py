"""Cross-correlation on the CPU as a tracker needs it frame by frame: a few kernels with the features of one crop.

A matrix product of all cells computes displacements that nobody asks for; a convolution wants more kernels than there
are. Here blocks of four kernels and three neighboring displacements are added up in the processor's registers.
"""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.models.heads import cross_correlation
from siamtrack.system.numba_cache import CACHE


def correlate(kernels: Tensor, features: Tensor) -> Tensor:
    """Correlate as `siamtrack.models.heads.cross_correlation` does, faster; several kernels are multiplied in float32.

    Args:
        kernels: `(B, S, C, h, w)`; with channels last they need not be copied.
        features: `(B, C, H, W)`, likewise.

    Returns:
        `(B, S, H - h + 1, W - w + 1)` float32.
    """
    batch, count, _, h, w = kernels.shape
    if count == 1:  # three quarters of every block would be for nothing
        return cross_correlation(kernels.to(features.dtype), features).float()
    height, width = features.shape[-2:]
    lines = kernels.permute(0, 1, 3, 4, 2).float().reshape(batch, count, h, -1).contiguous()
    rows = features.permute(0, 2, 3, 1).float().reshape(batch, height, -1).contiguous()
    maps = np.empty((batch, count, height - h + 1, width - w + 1), np.float32)
    _correlate(lines.numpy(), rows.numpy(), maps)
    return torch.from_numpy(maps)


# Sums may be added up in any order, as vector instructions do.
@njit(cache=CACHE, fastmath={"reassoc", "contract", "nsz"})
def _correlate(lines: NDArray[np.float32], rows: NDArray[np.float32], maps: NDArray[np.float32]) -> None:
    """Kernels `(B, S, h, w * C)` and features `(B, H, W * C)` into `(B, S, R, R')`."""
    batch, count, height, columns = maps.shape
    h, length = lines.shape[2:]
    # `w * C` less one step of `C` for each displacement but the first is what is left of a row.
    channels = (rows.shape[2] - length) // max(columns - 1, 1)
    zero = np.float32(0)
    for n in range(batch):
        for s in range(0, count, 4):
            # Blocks that hang over the end compute the last one again.
            s1, s2, s3 = min(s + 1, count - 1), min(s + 2, count - 1), min(s + 3, count - 1)
            for y in range(height):
                for x in range(0, columns, 3):
                    x1, x2 = min(x + 1, columns - 1), min(x + 2, columns - 1)
                    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = zero
                    for i in range(h):
                        k0, k1, k2, k3 = lines[n, s, i], lines[n, s1, i], lines[n, s2, i], lines[n, s3, i]
                        row = rows[n, y + i]
                        fa = row[x * channels : x * channels + length]
                        fb = row[x1 * channels : x1 * channels + length]
                        fc = row[x2 * channels : x2 * channels + length]
                        for t in range(length):
                            a0 += k0[t] * fa[t]
                            b0 += k0[t] * fb[t]
                            c0 += k0[t] * fc[t]
                            a1 += k1[t] * fa[t]
                            b1 += k1[t] * fb[t]
                            c1 += k1[t] * fc[t]
                            a2 += k2[t] * fa[t]
                            b2 += k2[t] * fb[t]
                            c2 += k2[t] * fc[t]
                            a3 += k3[t] * fa[t]
                            b3 += k3[t] * fb[t]
                            c3 += k3[t] * fc[t]
                    maps[n, s, y, x], maps[n, s, y, x1], maps[n, s, y, x2] = a0, b0, c0
                    maps[n, s1, y, x], maps[n, s1, y, x1], maps[n, s1, y, x2] = a1, b1, c1
                    maps[n, s2, y, x], maps[n, s2, y, x1], maps[n, s2, y, x2] = a2, b2, c2
                    maps[n, s3, y, x], maps[n, s3, y, x1], maps[n, s3, y, x2] = a3, b3, c3


def compile_correlation() -> None:
    """Compile, or load from numba's cache, before the first frame."""
    blank = np.zeros((1, 1, 1, 1), np.float32)
    _correlate(blank, blank[0], blank.copy())
