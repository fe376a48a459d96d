"""Comparison of an exemplar with a search region."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cross_correlation(kernels: Tensor, features: Tensor) -> Tensor:
    """Correlate every sample's features with that sample's own kernels.

    One batched matrix product compares every cell of a kernel with every cell of the features; folding adds up what
    belongs to the same displacement. A grouped convolution gives the same, more slowly on a CPU
    (tests/benchmarks/test_correlation_benchmark.py).

    Args:
        kernels: `(B, S, C, h, w)`, S kernels a sample.
        features: `(B, C, H, W)`.

    Returns:
        `(B, S, H - h + 1, W - w + 1)`.
    """
    batch, count, channels, h, w = kernels.shape
    height, width = features.shape[-2:]
    # Folding adds cell (i, j) of a block to what lies (i, j) further on; flipped, to what lies that much before.
    cells = kernels.flip(3, 4).permute(0, 1, 3, 4, 2).reshape(batch, count * h * w, channels)
    products = torch.matmul(cells, features.reshape(batch, channels, height * width))
    blocks = products.reshape(batch * count, h * w, height * width)
    maps = F.fold(blocks, (height + h - 1, width + w - 1), (h, w))
    return maps[:, 0, h - 1 : height, w - 1 : width].reshape(batch, count, height - h + 1, width - w + 1)


class CorrelationHead(nn.Module):
    """Cross-correlation with a learnt positive scale and a bias (Bertinetto et al. 2016, equation 2).

    Args:
        scale: factor that the correlation starts with.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = nn.Parameter(torch.tensor(0.0))

    def correlate(self, kernels: Tensor, features: Tensor) -> Tensor:
        """Scaled correlation without the bias: `(B, S, C, h, w)` and `(B, C, H, W)` to `(B, S, H - h + 1, ...)`."""
        return self.log_scale.exp() * cross_correlation(kernels, features)

    def cross(self, kernels: Tensor, features: Tensor) -> Tensor:
        """Logits of every kernel in every sample: `(K, C, h, w)` and `(B, C, H, W)` to `(K, B, H - h + 1, ...)`."""
        return (self.log_scale.exp() * F.conv2d(features, kernels) + self.bias).transpose(0, 1)

    def forward(self, kernels: Tensor, features: Tensor) -> Tensor:
        """Logits of the same shapes as `correlate`."""
        return self.correlate(kernels, features) + self.bias
