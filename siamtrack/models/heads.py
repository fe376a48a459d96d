"""Comparison of an exemplar with a search region."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.config import ComparisonName
from siamtrack.models.backbones import initialize_weights


def cross_correlation(kernels: Tensor, features: Tensor) -> Tensor:
    """Correlate every sample's features with that sample's own kernels.

    One batched matrix product compares every cell of a kernel with every cell of the features; products of the
    same displacement are then summed. A grouped convolution gives the same, more slowly on a CPU
    (tests/benchmarks/test_correlation_benchmark.py).

    Args:
        kernels: `(B, S, C, h, w)`, S kernels a sample.
        features: `(B, C, H, W)`.

    Returns:
        `(B, S, H - h + 1, W - w + 1)`.
    """
    products = torch.matmul(kernel_cells(kernels), features.flatten(2))
    # Products in half precision are summed in single precision.
    return add_cells(products.to(summable(features.dtype)), kernels, features)


def kernel_cells(kernels: Tensor) -> Tensor:
    """Return the cells of all kernels of a sample in one row: `(B, S, C, h, w)` to `(B, S * h * w, C)`."""
    batch, _, channels, _, _ = kernels.shape
    return kernels.permute(0, 1, 3, 4, 2).reshape(batch, -1, channels)


def add_cells(compared: Tensor, kernels: Tensor, features: Tensor) -> Tensor:
    """Add up what belongs to the same displacement of a kernel, from the comparison of single cells.

    Args:
        compared: `(B, S * h * w, H * W)`, every cell of `kernel_cells` with every cell of the features.
        kernels: `(B, S, C, h, w)`, for its shape.
        features: `(B, C, H, W)`, for its shape.

    Returns:
        `(B, S, H - h + 1, W - w + 1)`.
    """
    batch, count, _, h, w = kernels.shape
    height, width = features.shape[-2:]
    # Cell (i, j) of a kernel, at the displacement (y, x), meets the features at (y + i, x + j).
    rows = _sum_shifted(compared.reshape(batch, count, h, w, height * width), 1)
    maps = F.pad(_sum_shifted(rows, width), (0, w - 1))
    return maps.reshape(batch, count, height - h + 1, width)[..., : width - w + 1]


def summable(dtype: torch.dtype) -> torch.dtype:
    """Return the type to add many numbers of another type up in: at least single precision."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def _sum_shifted(x: Tensor, step: int) -> Tensor:
    """`(..., n, L)` to `(..., L - (n - 1) * step)`: the sum over i of row i, read from `i * step` on.

    Reading a flat array in rows that are longer by `step` shifts each of them by as much: nothing is copied.
    """
    *lead, count, length = x.shape
    flat, wrapped = x.flatten(-2), (count - 1) * (length + step)
    last = flat[..., wrapped:]
    return flat[..., :wrapped].reshape(*lead, count - 1, length + step)[..., : last.shape[-1]].sum(-2) + last


class CorrelationHead(nn.Module):
    """Cross-correlation with a learnt positive scale and a bias (Bertinetto et al. 2016, equation 2).

    Args:
        scale: factor that the correlation starts with.
        bias: what is added to it at the start.
    """

    comparison: ComparisonName = "dot"
    """Name of the comparison."""

    def __init__(self, scale: float, bias: float = 0.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = nn.Parameter(torch.tensor(bias))

    def compare(self, kernels: Tensor, features: Tensor) -> Tensor:
        """Return the similarity without scale and bias.

        Args:
            kernels: `(B, S, C, h, w)`, S kernels a sample.
            features: `(B, C, H, W)`.

        Returns:
            `(B, S, H - h + 1, W - w + 1)`.
        """
        return cross_correlation(kernels, features)

    def respond(self, compared: Tensor) -> Tensor:
        """Return the logits of the output of `compare`."""
        return self.log_scale.exp() * compared + self.bias

    def correlate(self, kernels: Tensor, features: Tensor) -> Tensor:
        """Return the scaled similarity without the bias, of the same shapes as `compare`."""
        return self.log_scale.exp() * self.compare(kernels, features)

    def cross(self, kernels: Tensor, features: Tensor) -> Tensor:
        """Return the logits of every kernel in every sample.

        Args:
            kernels: `(K, C, h, w)`.
            features: `(B, C, H, W)`.

        Returns:
            `(K, B, H - h + 1, W - w + 1)`.
        """
        return (self.log_scale.exp() * F.conv2d(features, kernels) + self.bias).transpose(0, 1)

    def forward(self, kernels: Tensor, features: Tensor) -> Tensor:
        """Return logits of the same shapes as `compare`."""
        return self.respond(self.compare(kernels, features))


class BoxMaps(NamedTuple):
    """Outputs of a `BoxHead` at every cell of the response map."""

    offsets: Tensor
    """`(B, 2, R, R)` from the cell to the center of the target, x and y, in pixels of the search crop."""
    log_sizes: Tensor
    """`(B, 2, R, R)` logarithm of the target's width and height, relative to its size in the exemplar crop."""
    quality: Tensor
    """`(B, R, R)` logit of the overlap with the truth that a box read here is expected to have."""

    def stacked(self) -> Tensor:
        """Return all of them as `(B, 5, R, R)`: offset x and y, logarithm of width and height, logit of the overlap."""
        return torch.cat([self.offsets, self.log_sizes, self.quality[:, None]], dim=1)


class BoxHead(nn.Module):
    """Predictor of the target's box at every cell, from the depthwise correlation with the exemplar and local features.

    Depthwise correlation as in SiamRPN++ (Li et al. 2019, section 3.4); the overlap is predicted as in IoU-Net (Jiang
    et al. 2018). Sizes are relative to the exemplar's own box, whose shape is an input: an untrained
    head predicts an unchanged size.

    Args:
        level_channels: channels of the feature levels that are compared.
        width: channels of the correlation.
        tower: channels of the layers that read it.
        depth: number of these layers.
    """

    SPREAD = 16.0
    """Pixels of the search crop that an output of 1 moves the center by."""
    LIMIT = 2.0
    """Greatest change of a size, in natural logarithms."""

    def __init__(self, level_channels: Sequence[int], width: int = 96, tower: int = 128, depth: int = 3) -> None:
        super().__init__()
        channels = sum(level_channels)
        self.exemplar = nn.Conv2d(channels, width, 1)
        self.search = nn.Conv2d(channels, width, 1)
        self.mix = nn.Sequential(nn.Conv2d(2 * width + 2, tower, 1, bias=False), nn.BatchNorm2d(tower), nn.ReLU())
        layers: list[nn.Module] = []
        for _ in range(depth):
            depthwise = nn.Conv2d(tower, tower, 5, padding=2, groups=tower, bias=False)
            pointwise = nn.Conv2d(tower, tower, 1, bias=False)
            layers += [depthwise, nn.BatchNorm2d(tower), nn.ReLU(), pointwise, nn.BatchNorm2d(tower), nn.ReLU()]
        self.tower = nn.Sequential(*layers)
        self.read = nn.Conv2d(tower, 5, 1)

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights anew, in place; the outputs start at 0: the exemplar's size, at the cell.

        Args:
            generator: source of randomness on the device of the weights; None takes PyTorch's default one.
        """
        initialize_weights(self, generator)
        nn.init.zeros_(self.read.weight)

    def kernel(self, levels: Sequence[Tensor], margin: int) -> Tensor:
        """Return the kernel of an exemplar.

        Args:
            levels: of the exemplar crop, `(B, C, h, w)` each; the first has the finest grid.
            margin: cells of the finest grid to cut from each side.

        Returns:
            `(B, width, h - 2 margin, w - 2 margin)`.
        """
        compared: Tensor = self.exemplar(_stack(levels))
        return compared[..., margin : compared.shape[-2] - margin, margin : compared.shape[-1] - margin]

    def forward(self, kernels: Tensor, levels: Sequence[Tensor], sizes: Tensor) -> BoxMaps:
        """Read boxes at every cell.

        Args:
            kernels: `(B, width, h, w)` from `kernel`, h and w even.
            levels: of the search crops, `(B, C, H, W)` each.
            sizes: `(B, 2)` width and height of the target in its exemplar crop, in sides of the kernel.

        Returns:
            Maps of `(H - h + 1, W - w + 1)` cells.
        """
        features = self.search(_stack(levels))
        # Plain numbers are constants in a traced graph: of the kernel, whose size never changes, not of the crop.
        batch, width, h, w = map(int, kernels.shape)
        grouped = features.reshape(1, batch * width, *features.shape[-2:])
        compared = F.conv2d(grouped, kernels.reshape(batch * width, 1, h, w), groups=batch * width)
        compared = compared.reshape(batch, width, *compared.shape[-2:]) * (4 / (h * w))
        # The middle of an even kernel lies between cells: the mean of the four around it stands for what is there.
        there = F.avg_pool2d(features, 2, 1)[..., _inner(h // 2 - 1), _inner(w // 2 - 1)]
        shape = sizes.log()[:, :, None, None].expand_as(compared[:, :2])
        out = self.read(self.tower(self.mix(torch.cat([compared, there, shape], dim=1))))
        return BoxMaps(self.SPREAD * out[:, :2], out[:, 2:4].clamp(-self.LIMIT, self.LIMIT), out[:, 4])


def _inner(margin: int) -> slice:
    """Return all but so many at both ends."""
    return slice(margin, -margin or None)


def _stack(levels: Sequence[Tensor]) -> Tensor:
    """Return all levels on the finest grid, each cell of each brought to a mean square of 1: `(B, sum of C, H, W)`."""
    size = levels[0].shape[-2:]
    scaled = [level * torch.rsqrt(level.square().mean(1, keepdim=True) + 1e-6) for level in levels]
    finest, *others = scaled
    raised = [F.interpolate(level, size=size, mode="bilinear", align_corners=False) for level in others]
    return torch.cat([finest, *raised], dim=1)
