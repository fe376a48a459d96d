"""Convolutions by minimal filtering: between a half and a sixth of the multiplications, on the CPU.

Winograd's algorithm for convolutional networks (Lavin and Gray 2016, arXiv:1509.09308, section 4): the image is cut in
overlapping tiles, tiles and kernels are transformed, in between each point of the transform is a matrix product over
the channels, and the products are transformed back. Where only one axis is transformed, the products are convolutions
along the other one. The transforms are those of Toom and Cook (Blahut 2010, chapter 5).
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

TILES: MappingProxyType[tuple[torch.dtype, int], tuple[int, int]] = MappingProxyType(
    {
        (torch.float32, 3): (4, 4),
        (torch.float32, 5): (4, 4),
        (torch.bfloat16, 3): (2, 2),
        (torch.bfloat16, 5): (1, 4),
    }
)
"""Outputs along the height and the width of a tile, by precision and taps; along a side of 1 the taps stay as they are.

Larger tiles save more products and multiply rounding errors. In bfloat16, the transform of 2 outputs by 3 taps just
adds: on AlexNet's features the outputs are 0.4 to 0.6 % of their spread off, where those of the plain convolution are
0.25 to 0.27 %; with 4 outputs by 5 taps along one axis they are 0.8 %. Along both axes it would be several per cent."""
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
"""Points of the polynomials, in this order, besides infinity: small numbers with small reciprocals."""
LEAST_CHANNELS = 32
"""Fewest channels of a group, on either side; with fewer, the transforms cost more than the products save."""


class Filtering(NamedTuple):
    """The matrices of `F(m, r)`: `m` outputs of a filter of `r` taps, from `n = m + r - 1` inputs.

    The outputs are `output @ ((kernel @ taps) * (input @ inputs))`.
    """

    output: NDArray[np.float64]
    """`(m, n)`."""
    kernel: NDArray[np.float64]
    """`(n, r)`."""
    input: NDArray[np.float64]
    """`(n, n)`."""


def minimal_filtering(outputs: int, taps: int) -> Filtering:
    """Return the matrices for a number of outputs and taps, of which there are no more than `POINTS` allow.

    A product of two polynomials of `m` and `r` coefficients is known from its values at `n` points; correlating is the
    transpose of that product.
    """
    count = outputs + taps - 1
    points = np.array(POINTS[: count - 1])

    def values(coefficients: int) -> NDArray[np.float64]:
        at_infinity = np.eye(1, coefficients, coefficients - 1)
        return np.vstack([np.vander(points, coefficients, increasing=True), at_infinity])

    return Filtering(values(outputs).T, values(taps), np.linalg.inv(values(count)).T.astype(np.float64))


def suits_winograd(conv: nn.Conv2d) -> bool:
    """Return whether a convolution is one that is faster by minimal filtering: `TILES`, stride 1, many channels."""
    height, width = conv.kernel_size
    channels = min(conv.in_channels, conv.out_channels) // conv.groups
    return (
        type(conv) is nn.Conv2d  # one that pads otherwise is another
        and height == width
        and (conv.weight.dtype, height) in TILES
        and conv.stride == (1, 1)
        and conv.dilation == (1, 1)
        and not isinstance(conv.padding, str)
        and conv.padding_mode == "zeros"
        and channels >= LEAST_CHANNELS
    )


def _filterings(conv: nn.Conv2d) -> tuple[Filtering, Filtering]:
    """Down and along the image; that of an axis that is not transformed is `F(1, 1)`, which changes nothing."""
    taps = conv.kernel_size[0]
    down, along = (minimal_filtering(size, taps if size > 1 else 1) for size in TILES[conv.weight.dtype, taps])
    return down, along


def winograd_products(conv: nn.Conv2d) -> nn.Conv2d:
    """Return the products between the transforms, as a convolution: a group for every point and group of `conv`.

    Its channels are those of `conv` at the first point, at the second, and so on; its kernel is one cell, or what is
    left along an axis that is not transformed. The bias stands at the point (1, 1), which all outputs of a tile take as
    it is.
    """
    filterings = _filterings(conv)
    down, along = (torch.from_numpy(filtering.kernel) for filtering in filterings)
    taps = conv.kernel_size[0]
    kept = taps // down.shape[1], taps // along.shape[1]
    weight = conv.weight.detach().double()
    weight = weight.reshape(*weight.shape[:2], down.shape[1], kept[0], along.shape[1], kept[1])
    # (n, r) x (K, C / g, r, kept, r, kept) x (r, n) -> (n, n, K, C / g, kept, kept)
    weight = torch.einsum("ai,kcixjy,bj->abkcxy", down, weight, along)
    points = len(down) * len(along)
    products = nn.Conv2d(points * conv.in_channels, points * conv.out_channels, kept, groups=points * conv.groups)
    products.weight = nn.Parameter(weight.reshape(products.weight.shape).to(conv.weight), requires_grad=False)
    bias = torch.zeros(len(down), len(along), conv.out_channels).to(conv.weight)
    if conv.bias is not None:
        bias[*(_point_of_one(filtering) for filtering in filterings)] = conv.bias.detach()
    products.bias = nn.Parameter(bias.flatten(), requires_grad=False)
    return products


def _point_of_one(filtering: Filtering) -> int:
    """Which product is at the point 1; a single one is at every point."""
    count = filtering.output.shape[1]
    return POINTS.index(1.0) if count > 1 else 0


def take_geometry(made: nn.Conv2d, conv: nn.Conv2d) -> None:
    """Have a convolution that is made of another say of itself what that one does."""
    for name in ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"):
        setattr(made, name, getattr(conv, name))
    made.weight, made.bias = conv.weight, conv.bias


class WinogradConv2d(nn.Conv2d):
    """A convolution of stride 1 and the activation after it, without gradients.

    Args:
        conv: gives weights, geometry and padding; see `suits_winograd`.
        products: runs `winograd_products(conv)`.
        activation: what follows.
    """

    def __init__(self, conv: nn.Conv2d, products: nn.Module, activation: Callable[[Tensor], Tensor]) -> None:
        nn.Module.__init__(self)
        take_geometry(self, conv)
        # In a tuple it is no module of the network's own, whose geometry would count.
        self._products, self._activation = (products,), activation
        self._padding = [int(side) for side in conv.padding]
        down, along = _filterings(conv)
        self._taps = conv.kernel_size[0]
        self._tile = len(down.output), len(along.output)
        self._side = len(down.input), len(along.input)
        for name, *matrices in (
            ("_to_points", down.input, along.input),
            ("_from_points", down.output, along.output),
        ):
            # Along both axes of a tile at once.
            both = torch.from_numpy(np.kron(*matrices)).to(conv.weight)
            self.register_buffer(name, both, persistent=False)
        self._to_points: Tensor
        self._from_points: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `(B, C, H, W)` and apply the activation."""
        (above, beside), (tall, wide) = self._padding, self._tile
        height, width = (
            size + 2 * padding - self._taps + 1 for size, padding in zip(input.shape[-2:], self._padding, strict=True)
        )
        rows, columns = -(-height // tall), -(-width // wide)
        # Zeros up to whole tiles.
        below, behind = rows * tall - height + above, columns * wide - width + beside
        cells = F.pad(input.permute(0, 2, 3, 1), (0, 0, beside, behind, above, below)).contiguous()
        whole = input.new_empty(len(input), rows, tall, columns, wide, self.out_channels)
        # One sample at a time: what lies between the transforms is several times as large as the input.
        for sample, place in zip(cells, whole, strict=True):
            place.copy_(self._convolve(sample).transpose(1, 2))
        found = whole.view(len(input), rows * tall, columns * wide, self.out_channels)[:, :height, :width]
        return self._activation(found.permute(0, 3, 1, 2))

    def _convolve(self, cells: Tensor) -> Tensor:
        """`(H, W, C)` with zeros around it to tiles of outputs, `(rows, columns, tall, wide, K)`."""
        (tall, wide), (high, broad), channels = self._tile, self._side, cells.shape[-1]
        rows, columns = (cells.shape[0] - high) // tall + 1, (cells.shape[1] - broad) // wide + 1
        down, right, along = cells.stride()
        tiles = cells.as_strided(
            (rows, columns, high, broad, channels),
            (tall * down, wide * right, down, right, along),
            cells.storage_offset(),
        )
        points = torch.matmul(self._to_points, tiles.reshape(rows * columns, high * broad, channels))
        # A pixel for each tile, with the points of the transform as channels.
        (product,) = self._products
        products = product(points.reshape(1, rows, columns, -1).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        rows, columns = products.shape[1:3]  # fewer, if taps were left
        products = products.reshape(rows * columns, high * broad, self.out_channels)
        return torch.matmul(self._from_points, products).reshape(rows, columns, tall, wide, self.out_channels)
