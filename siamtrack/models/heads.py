"""Comparison of an exemplar with a search region."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cross_correlation(kernels: Tensor, features: Tensor) -> Tensor:
    """Correlate every sample's features with that sample's own kernels, in one grouped convolution.

    Args:
        kernels: `(B, S, C, h, w)`, S kernels a sample.
        features: `(B, C, H, W)`.

    Returns:
        `(B, S, H - h + 1, W - w + 1)`.
    """
    batch, count, channels, *size = kernels.shape
    maps = F.conv2d(
        features.reshape(1, batch * channels, *features.shape[-2:]),
        kernels.reshape(batch * count, channels, *size),
        groups=batch,
    )
    return maps.reshape(batch, count, *maps.shape[-2:])


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
