"""Convolutions by minimal filtering: between a half and a sixth of the multiplications, on the CPU.

Winograd's algorithm for convolutional networks (Lavin and Gray 2016, arXiv:1509.09308, section 4): the image is cut in
overlapping tiles, tiles and kernels are transformed, in between each point of the transform is a matrix product over
the channels, and the products are transformed back. The transforms are those of Toom and Cook (Blahut 2010, chapter 5).
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

TILES: MappingProxyType[tuple[torch.dtype, int], int] = MappingProxyType(
    {(torch.float32, 3): 4, (torch.float32, 5): 4, (torch.bfloat16, 3): 2}
)
"""Outputs along a side of a tile, by precision and taps. Larger tiles save more products and multiply rounding errors.

In bfloat16 only the transform of 2 outputs by 3 taps, which just adds, keeps them small: 0.5 % of the spread of the
outputs, where the plain convolution has 0.35 %."""
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
"""Where the polynomials are evaluated, in this order, and at infinity: small numbers with small reciprocals."""
LEAST_CHANNELS = 32
"""In a group, on either side; with fewer, the transforms cost more than the products save."""


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
    """The matrices for a number of outputs and taps, of which there are no more than `POINTS` allow.

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
    """Whether a convolution is one that is faster by minimal filtering: `TILES`, stride 1, many channels."""
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


def _filtering(conv: nn.Conv2d) -> Filtering:
    taps = conv.kernel_size[0]
    return minimal_filtering(TILES[conv.weight.dtype, taps], taps)


def winograd_products(conv: nn.Conv2d) -> nn.Conv2d:
    """The products between the transforms, as a 1x1 convolution: a group for every point and group of `conv`.

    Its channels are those of `conv` at the first point, at the second, and so on. The bias stands at the point (1, 1),
    which all outputs of a tile take as it is.
    """
    matrix = torch.from_numpy(_filtering(conv).kernel)
    # (n, r) x (K, C / g, r, r) x (r, n) -> (n, n, K, C / g)
    weight = torch.einsum("ai,kcij,bj->abkc", matrix, conv.weight.detach().double(), matrix)
    points = len(matrix) ** 2
    products = nn.Conv2d(points * conv.in_channels, points * conv.out_channels, 1, groups=points * conv.groups)
    products.weight = nn.Parameter(weight.reshape(products.weight.shape).to(conv.weight), requires_grad=False)
    bias = torch.zeros(points, conv.out_channels).to(conv.weight)
    if conv.bias is not None:
        one = POINTS.index(1.0)
        bias[one * len(matrix) + one] = conv.bias.detach()
    products.bias = nn.Parameter(bias.flatten(), requires_grad=False)
    return products


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
        matrices = _filtering(conv)
        self._taps = conv.kernel_size[0]
        self._tile, self._side = matrices.output.shape
        for name, matrix in (("_to_points", matrices.input), ("_from_points", matrices.output)):
            # Along both axes of a tile at once.
            both = torch.from_numpy(np.kron(matrix, matrix)).to(conv.weight)
            self.register_buffer(name, both, persistent=False)
        self._to_points: Tensor
        self._from_points: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `(B, C, H, W)` and apply the activation."""
        tile, (above, beside) = self._tile, self._padding
        height, width = (
            size + 2 * padding - self._taps + 1 for size, padding in zip(input.shape[-2:], self._padding, strict=True)
        )
        rows, columns = -(-height // tile), -(-width // tile)
        # Zeros up to whole tiles.
        below, behind = rows * tile - height + above, columns * tile - width + beside
        cells = F.pad(input.permute(0, 2, 3, 1), (0, 0, beside, behind, above, below)).contiguous()
        whole = input.new_empty(len(input), rows, tile, columns, tile, self.out_channels)
        # One sample at a time: what lies between the transforms is several times as large as the input.
        for sample, place in zip(cells, whole, strict=True):
            place.copy_(self._convolve(sample, rows, columns).transpose(1, 2))
        found = whole.view(len(input), rows * tile, columns * tile, self.out_channels)[:, :height, :width]
        return self._activation(found.permute(0, 3, 1, 2))

    def _convolve(self, cells: Tensor, rows: int, columns: int) -> Tensor:
        """`(H, W, C)` with zeros around it to tiles of outputs, `(rows, columns, m, m, K)`."""
        tile, side, channels = self._tile, self._side, cells.shape[-1]
        down, right, along = cells.stride()
        tiles = cells.as_strided(
            (rows, columns, side, side, channels),
            (tile * down, tile * right, down, right, along),
            cells.storage_offset(),
        )
        points = torch.matmul(self._to_points, tiles.reshape(rows * columns, side * side, channels))
        # A column of pixels, one for each tile, with the points of the transform as channels.
        (product,) = self._products
        products = product(points.reshape(1, 1, rows * columns, -1).permute(0, 3, 1, 2))
        products = products.permute(0, 2, 3, 1).reshape(rows * columns, side * side, self.out_channels)
        return torch.matmul(self._from_points, products).reshape(rows, columns, tile, tile, self.out_channels)
