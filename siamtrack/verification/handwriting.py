"""A branch for handwriting: oriented gradients of a patch that is set upright, and a linear layer."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.verification.networks import check_patches

DIRECTIONS = 8
"""Directions of gradients, evenly around the circle."""
_SHARPNESS = 3
"""Power of the cosine between a gradient and a direction."""
_EDGE, _POOL = 0.8, 0.8
"""Standard deviation in pixels of the Gaussian whose derivative finds edges, and of the one that gathers them."""
_REACH = 3
"""Pixels on each side of the middle of both."""
_SPREAD = (3 / 8, 1 / 2)
"""Standard deviation of upright strokes along x and y, in halves of the side."""
_FAINT = 1e-3
"""Weight of a pixel without ink, so that an empty patch has moments."""


class HandwritingBranch(nn.Module):
    """Oriented gradients (Dalal and Triggs 2005) of upright strokes, and a linear layer that is learnt.

    What is fixed keeps apart what few classes would not teach: where a stroke lies, how it slants, how bright it is.

    Args:
        channels: of a patch; their mean is looked at.
        size: side of a patch in pixels, an even number of 8 or more.
        dimension: D, components of the embedding.
        normalize: whether embeddings have unit length.

    Raises:
        UsageError: for another size.
    """

    edges: Tensor
    pool: Tensor

    def __init__(self, channels: int = 1, size: int = 16, dimension: int = 64, normalize: bool = True) -> None:
        super().__init__()
        if size < 8 or size % 2:
            raise UsageError(f"strokes on patches of {size} pixels are not seen: give an even number of 8 or more")
        self.channels = channels
        self.size = size
        self.dimension = dimension
        self.normalize = normalize
        self.register_buffer("edges", _edges())
        self.register_buffer("pool", _gaussian(_POOL)[None, None].repeat(DIRECTIONS, 1, 1, 1))
        features = DIRECTIONS * (size // 2) ** 2
        self.usual = nn.BatchNorm1d(features, eps=1e-2, affine=False)  # takes the mean away, and hardly scales
        self.embed = nn.Linear(features, dimension, bias=False)

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Draw a linear layer that keeps distances, as far as there are dimensions for it.

        Args:
            generator: source of randomness on the device of the weights; None takes PyTorch's default one.
        """
        self.usual.reset_parameters()
        nn.init.orthogonal_(self.embed.weight, generator=generator)

    def forward(self, patches: Tensor) -> Tensor:
        """Embed patches of bright strokes on a darker ground.

        Args:
            patches: `(B, channels, size, size)` float 0..255.

        Returns:
            `(B, D)`.

        Raises:
            UsageError: when the patches have another shape or are not floating point.
        """
        check_patches(patches, (self.channels, self.size, self.size))
        gray = upright(patches.mean(1, keepdim=True) / 255)
        embedding: Tensor = self.embed(self.usual(self.gradients(gray).flatten(1)))
        return F.normalize(embedding, dim=1) if self.normalize else embedding

    def gradients(self, gray: Tensor) -> Tensor:
        """Return how strong edges of each direction are, `(B, 1, S, S)` to `(B, DIRECTIONS, S / 2, S / 2)` of unit
        length.
        """
        along = F.conv2d(_padded(gray), self.edges)
        angles = torch.arange(DIRECTIONS, device=gray.device, dtype=gray.dtype) * (2 * math.pi / DIRECTIONS)
        towards = along[:, :1] * angles.cos()[:, None, None] + along[:, 1:] * angles.sin()[:, None, None]
        strength = along.square().sum(1, keepdim=True).clamp_min(1e-12).sqrt()
        shares = strength * (towards / strength).clamp_min(0) ** _SHARPNESS
        gathered = F.conv2d(_padded(shares), self.pool, stride=2, groups=DIRECTIONS)
        # The root keeps a few strong edges from outweighing all others (Arandjelovic and Zisserman 2012).
        rooted: Tensor = gathered.clamp_min(1e-8).sqrt()
        return rooted / rooted.square().sum((1, 2, 3), keepdim=True).sqrt()


def upright(gray: Tensor) -> Tensor:
    """Strokes moved into the middle, without slant, and half way to a common width and height.

    Moments of the brightness say where they are (LeCun et al. 1998, section III.A, where digits are deslanted).

    Args:
        gray: `(B, 1, S, S)` float, bright on a darker ground.

    Returns:
        `(B, 1, S, S)`.
    """
    above = gray - gray.amin((1, 2, 3), keepdim=True)  # what moves in from outside is ground
    ink = above[:, 0] + _FAINT
    ink = ink / ink.sum((1, 2), keepdim=True)
    side = gray.shape[-1]
    places = (torch.arange(side, device=gray.device, dtype=gray.dtype) + 0.5) * (2 / side) - 1
    y, x = places[:, None], places[None, :]

    def mean(values: Tensor) -> Tensor:
        return (ink * values).sum((1, 2))

    middle_x, middle_y = mean(x.expand_as(ink)), mean(y.expand_as(ink))
    off_x, off_y = x - middle_x[:, None, None], y - middle_y[:, None, None]
    high = mean(off_y**2).clamp_min(1e-3)
    slant = mean(off_x * off_y) / high
    wide = mean((off_x - slant[:, None, None] * off_y) ** 2).clamp_min(1e-3)
    scale_x = (wide.sqrt() / _SPREAD[0]).sqrt()
    scale_y = (high.sqrt() / _SPREAD[1]).sqrt()
    first = torch.stack([scale_x, slant * scale_y, middle_x], 1)
    second = torch.stack([torch.zeros_like(scale_y), scale_y, middle_y], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), list(gray.shape), align_corners=False)
    return F.grid_sample(above, grid, align_corners=False)


def _padded(images: Tensor) -> Tensor:
    return F.pad(images, (_REACH, _REACH, _REACH, _REACH), mode="replicate")


def _gaussian(sigma: float) -> Tensor:
    """Return a kernel `(2 _REACH + 1, 2 _REACH + 1)` whose sum is 1."""
    line = torch.exp(-0.5 * (torch.arange(-_REACH, _REACH + 1) / sigma) ** 2)
    return torch.outer(line, line) / line.sum() ** 2


def _edges() -> Tensor:
    """Kernels `(2, 1, 2 _REACH + 1, 2 _REACH + 1)` of the derivatives of a Gaussian along x and y."""
    step = torch.arange(-_REACH, _REACH + 1) / _EDGE**2
    smooth = _gaussian(_EDGE)
    return torch.stack([smooth * step[None, :], smooth * step[:, None]])[:, None]
