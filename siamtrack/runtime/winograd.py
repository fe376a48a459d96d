"""Convolutions by minimal filtering on the CPU: between a half and a sixth of the multiplications.

Winograd's algorithm for convolutional networks (Lavin and Gray 2016, arXiv:1509.09308, section 4) cuts the image in
overlapping tiles and transforms tiles and kernels. Each point of the transform is then a matrix product over the
channels, and the products are transformed back. If only one axis is transformed, the products are convolutions along
the other one. The transforms are those of Toom and Cook (Blahut 2010, chapter 5).

`WinogradConv2d` is for inference. `TrainableWinogradConv2d` has gradients: the outputs are linear in the image and in
the kernel, so the gradients of both use the transposed transforms and as few products.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TILES: MappingProxyType[tuple[torch.dtype, int], tuple[int, int]] = MappingProxyType(
    {
        (torch.float32, 3): (4, 4),
        (torch.float32, 5): (4, 4),
        (torch.bfloat16, 3): (2, 2),
        (torch.bfloat16, 5): (1, 4),
    }
)
"""Height and width of a tile of outputs, by precision and taps. An axis with a side of 1 is not transformed.

Larger tiles save more products and multiply rounding errors. In bfloat16, the transform of 2 outputs by 3 taps only
adds: on AlexNet's features the outputs are 0.4 to 0.6 % of their spread off, and those of the plain convolution 0.25 to
0.27 %. With 4 outputs by 5 taps along one axis they are 0.8 % off. Along both axes it would be several per cent."""
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
"""Points at which the polynomials are evaluated, in this order, and then at infinity. They are small numbers with small
reciprocals."""
MIN_CHANNELS = 32
"""Minimum input and output channels of a group. With fewer, the transforms cost more than the products save."""
CHUNK_ELEMENTS = 4 << 20
"""Approximate maximum number of transformed elements of the samples that are trained together, so that they stay in the
cache. The transformed inputs are kept until the backward pass."""


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
    """Return the matrices for a number of outputs and taps; together they are at most two more than `POINTS`.

    A product of two polynomials of `m` and `r` coefficients is determined by its values at `n` points. A correlation is
    the transpose of that product.
    """
    count = outputs + taps - 1
    points = np.array(POINTS[: count - 1])

    def values(coefficients: int) -> NDArray[np.float64]:
        at_infinity = np.eye(1, coefficients, coefficients - 1)
        return np.vstack([np.vander(points, coefficients, increasing=True), at_infinity])

    return Filtering(values(outputs).T, values(taps), np.linalg.inv(values(count)).T.astype(np.float64))


def can_use_winograd(conv: nn.Conv2d) -> bool:
    """Return whether minimal filtering makes a convolution faster: `TILES`, stride 1, many channels."""
    height, width = conv.kernel_size
    channels = min(conv.in_channels, conv.out_channels) // conv.groups
    return (
        type(conv) is nn.Conv2d  # a subclass may pad in another way
        and height == width
        and (conv.weight.dtype, height) in TILES
        and conv.stride == (1, 1)
        and conv.dilation == (1, 1)
        and not isinstance(conv.padding, str)
        and conv.padding_mode == "zeros"
        and channels >= MIN_CHANNELS
    )


def copy_geometry(target: nn.Conv2d, conv: nn.Conv2d) -> None:
    """Give a convolution the sizes and the parameters of another one."""
    for name in ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"):
        setattr(target, name, getattr(conv, name))
    target.weight, target.bias = conv.weight, conv.bias


def _filterings(conv: nn.Conv2d) -> tuple[Filtering, Filtering]:
    """Return the filterings down and along the image; an axis that is not transformed has `F(1, 1)`, the identity."""
    taps = conv.kernel_size[0]
    down, along = (minimal_filtering(size, taps if size > 1 else 1) for size in TILES[conv.weight.dtype, taps])
    return down, along


class Transforms(NamedTuple):
    """Tiles of a convolution, and its transforms as matrices that are applied to all `P` cells of a tile at once."""

    taps: int
    groups: int
    padding: tuple[int, int]
    tile: tuple[int, int]
    """Height and width of a tile of outputs."""
    side: tuple[int, int]
    """Height and width of a tile of inputs."""
    inputs: Tensor
    """`(P, P)` from the cells of a tile of inputs to the points."""
    kernels: Tensor
    """`(P, taps * taps)` from a kernel to the points, where both axes are transformed."""
    outputs: Tensor
    """`(tile, P)` from the points to the cells of a tile of outputs."""

    @classmethod
    def of(cls, conv: nn.Conv2d) -> Self:
        """Return the transforms of a convolution, see `can_use_winograd`, in the type of its weights."""
        down, along = _filterings(conv)

        def both_axes(one: NDArray[np.float64], other: NDArray[np.float64]) -> Tensor:
            return torch.from_numpy(np.kron(one, other)).to(conv.weight)

        return cls(
            conv.kernel_size[0],
            conv.groups,
            (int(conv.padding[0]), int(conv.padding[1])),
            (len(down.output), len(along.output)),
            (len(down.input), len(along.input)),
            both_axes(down.input, along.input),
            both_axes(down.kernel, along.kernel),
            both_axes(down.output, along.output),
        )

    def output_size(self, images: torch.Size) -> tuple[int, int]:
        """Return height and width of the outputs for images `(B, C, H, W)`."""
        (above, beside), (height, width) = self.padding, images[2:]
        return height + 2 * above - self.taps + 1, width + 2 * beside - self.taps + 1

    def grid(self, images: torch.Size) -> tuple[int, int]:
        """Return rows and columns of tiles that cover the outputs for images `(B, C, H, W)`."""
        (height, width), (tall, wide) = self.output_size(images), self.tile
        return -(-height // tall), -(-width // wide)

    def pad(self, images: Tensor) -> Tensor:
        """Return images `(B, C, H, W)` as `(B, H', W', C)`, contiguous, with zeros around them up to whole tiles."""
        (above, beside), (rows, columns), (tall, wide) = self.padding, self.grid(images.shape), self.tile
        below = rows * tall + self.taps - 1 - above - images.shape[2]
        behind = columns * wide + self.taps - 1 - beside - images.shape[3]
        return F.pad(images.permute(0, 2, 3, 1), (0, 0, beside, behind, above, below)).contiguous()

    def cut(self, cells: Tensor) -> Tensor:
        """Return the overlapping tiles of `(B, H', W', C)`: a view, `(B, rows, columns, high, broad, C)`."""
        (tall, wide), (high, broad) = self.tile, self.side
        return cells.unfold(1, high, tall).unfold(2, broad, wide).permute(0, 1, 2, 4, 5, 3)


def winograd_products(conv: nn.Conv2d) -> nn.Conv2d:
    """Return the products between the transforms as a convolution: one group for every point and group of `conv`.

    Its channels are those of `conv` at the first point, at the second, and so on. Its kernel is one cell, or the taps
    along an axis that is not transformed. The bias is at the point (1, 1), which every output of a tile takes with
    weight 1.
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
        # An axis that is not transformed has a single point.
        bias[*(POINTS.index(1.0) if len(kernel) > 1 else 0 for kernel in (down, along))] = conv.bias.detach()
    products.bias = nn.Parameter(bias.flatten(), requires_grad=False)
    return products


class WinogradConv2d(nn.Conv2d):
    """Convolution of stride 1 and its activation by minimal filtering, without gradients.

    Args:
        conv: gives weights, geometry and padding; see `can_use_winograd`.
        products: runs `winograd_products(conv)`.
        activation: follows the convolution.
    """

    def __init__(self, conv: nn.Conv2d, products: nn.Module, activation: Callable[[Tensor], Tensor]) -> None:
        nn.Module.__init__(self)
        copy_geometry(self, conv)
        # In a tuple it is not a module of the network, whose geometry would count.
        self._products, self._activation = (products,), activation
        self._transforms = Transforms.of(conv)
        self.register_buffer("_to_points", self._transforms.inputs, persistent=False)
        self.register_buffer("_from_points", self._transforms.outputs, persistent=False)
        self._to_points: Tensor
        self._from_points: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `(B, C, H, W)` and apply the activation."""
        (height, width), (rows, columns) = self._transforms.output_size(input.shape), self._transforms.grid(input.shape)
        tall, wide = self._transforms.tile
        whole = input.new_empty(len(input), rows, tall, columns, wide, self.out_channels)
        # One sample at a time: the transformed tiles are several times as large as the input.
        for sample, place in zip(torch.split(self._transforms.pad(input), 1), whole, strict=True):
            place.copy_(self._convolve(sample).transpose(1, 2))
        outputs = whole.view(len(input), rows * tall, columns * wide, self.out_channels)[:, :height, :width]
        return self._activation(outputs.permute(0, 3, 1, 2))

    def _convolve(self, cells: Tensor) -> Tensor:
        """Return the tiles of outputs `(rows, columns, tall, wide, K)` of a padded sample `(1, H', W', C)`."""
        tiles = self._transforms.cut(cells)
        rows, columns = tiles.shape[1:3]
        points = torch.matmul(self._to_points, tiles.reshape(rows * columns, -1, self.in_channels))
        # One pixel for each tile, with the points of the transform as channels.
        (product,) = self._products
        products = product(points.reshape(1, rows, columns, -1).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        rows, columns = products.shape[1:3]  # fewer if an axis is not transformed
        products = products.reshape(rows * columns, -1, self.out_channels)
        outputs = torch.matmul(self._from_points, products)
        return outputs.reshape(rows, columns, *self._transforms.tile, self.out_channels)


def use_winograd_in_training(network: nn.Module) -> None:
    """Replace, in place, the convolutions of a network that minimal filtering makes faster; the parameters stay.

    They compute in float32, also inside `torch.autocast`.

    Args:
        network: in float32, on a CPU.
    """
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and can_use_winograd(child):
                setattr(module, name, TrainableWinogradConv2d(child))


class TrainableWinogradConv2d(nn.Conv2d):
    """Convolution of stride 1 by minimal filtering, with gradients and with the parameters of another one.

    Args:
        conv: in float32; see `can_use_winograd`.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        nn.Module.__init__(self)
        copy_geometry(self, conv)
        self._transforms = Transforms.of(conv)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `(B, C, H, W)`, in float32, to channels last."""
        if input.ndim != 4 or min(self._transforms.output_size(input.shape)) < 1:
            # PyTorch handles it, or raises its own error.
            return F.conv2d(input, self.weight, self.bias, padding=self._transforms.padding, groups=self.groups)
        with torch.autocast(input.device.type, enabled=False):
            outputs: Tensor = _Convolution.apply(input.float(), self.weight, self._transforms)  # type: ignore[no-untyped-call]
            outputs = outputs if self.bias is None else outputs + self.bias
            return outputs.permute(0, 3, 1, 2)


class _Convolution(torch.autograd.Function):
    """`(B, C, H, W)` and `(K, C / g, taps, taps)` to their correlation `(B, H', W', K)`, some samples at a time."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, transforms: Transforms) -> Tensor:
        kernels = _kernels_at_points(transforms, weight)
        outputs = images.new_empty(len(images), *transforms.output_size(images.shape), len(weight))
        saved = []
        for chunk in _chunks(images.shape, weight.shape, transforms):
            points = _inputs_at_points(transforms, images[chunk])
            _outputs_of_points(transforms, torch.bmm(points, kernels.transpose(1, 2)), outputs[chunk])
            if ctx.needs_input_grad[1]:
                saved.append(points)
        ctx.save_for_backward(kernels, *saved)
        ctx.transforms, ctx.shapes = transforms, (images.shape, weight.shape)
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        kernels, *saved = ctx.saved_tensors
        transforms: Transforms = ctx.transforms
        images, weight = ctx.shapes
        needs_images, needs_weight = ctx.needs_input_grad[:2]
        grid = transforms.grid(images)
        # One tile more along each axis, for the overlap of the last one.
        sides = [(count + 1) * tile for count, tile in zip(grid, transforms.tile, strict=True)]
        of_images = gradient.new_zeros(images[0], *sides, images[1]) if needs_images else None
        of_kernels = torch.zeros_like(kernels)
        for index, chunk in enumerate(_chunks(images, weight, transforms)):
            products = _gradient_of_outputs(transforms, gradient[chunk], grid)
            if needs_weight:
                of_kernels.baddbmm_(products.transpose(1, 2), saved[index])
            if of_images is not None:
                _add_gradient_of_inputs(transforms, torch.bmm(products, kernels), of_images[chunk], grid)
        if of_images is not None:
            (above, beside), (height, width) = transforms.padding, images[2:]
            of_images = of_images[:, above : above + height, beside : beside + width].permute(0, 3, 1, 2)
        return of_images, _gradient_of_kernels(transforms, of_kernels, weight) if needs_weight else None, None


def _chunks(images: torch.Size, weight: torch.Size, transforms: Transforms) -> list[slice]:
    """Return which samples are computed together."""
    rows, columns = transforms.grid(images)
    elements = rows * columns * len(transforms.inputs) * (images[1] + weight[0])
    count = max(1, CHUNK_ELEMENTS // elements)
    return [slice(start, start + count) for start in range(0, images[0], count)]


def _kernels_at_points(transforms: Transforms, weight: Tensor) -> Tensor:
    """Transform `(K, C / g, taps, taps)` to a matrix for every point and group, `(P * g, K / g, C / g)`."""
    count, depth = weight.shape[:2]
    taps = weight.permute(2, 3, 0, 1).reshape(transforms.taps**2, count * depth)
    return (transforms.kernels @ taps).view(-1, count // transforms.groups, depth)


def _gradient_of_kernels(transforms: Transforms, points: Tensor, shape: torch.Size) -> Tensor:
    """Apply the transpose of `_kernels_at_points` for kernels of a shape."""
    count, depth = shape[:2]
    taps = transforms.kernels.T @ points.view(len(transforms.kernels), count * depth)
    return taps.view(transforms.taps, transforms.taps, count, depth).permute(2, 3, 0, 1)


def _inputs_at_points(transforms: Transforms, images: Tensor) -> Tensor:
    """Transform images `(B, C, H, W)` to `(P * g, tiles, C / g)`."""
    depth, count = images.shape[1] // transforms.groups, len(transforms.inputs)
    tiles = transforms.cut(transforms.pad(images))
    tiles = tiles.view(*tiles.shape[:-1], transforms.groups, depth)
    points = transforms.inputs @ tiles.permute(3, 4, 5, 0, 1, 2, 6).reshape(count, -1)
    return points.view(count * transforms.groups, -1, depth)


def _add_gradient_of_inputs(transforms: Transforms, points: Tensor, place: Tensor, grid: tuple[int, int]) -> None:
    """Add the transpose of `_inputs_at_points` to `place`: `(B, (rows + 1) * tall, (columns + 1) * wide, C)`."""
    (rows, columns), (tall, wide), depth = grid, transforms.tile, points.shape[-1]
    cells = transforms.inputs.T @ points.view(len(transforms.inputs), -1)
    tiles = cells.view(*transforms.side, transforms.groups, len(place), rows, columns, depth)
    tiles = tiles.permute(3, 4, 0, 5, 1, 2, 6)
    blocks = place.view(len(place), rows + 1, tall, columns + 1, wide, transforms.groups, depth)
    # Tiles overlap: the cells outside their own block belong to the next one.
    down, along = transforms.side[0] - tall, transforms.side[1] - wide
    blocks[:, :-1, :, :-1] += tiles[:, :, :tall, :, :wide]
    blocks[:, 1:, :down, :-1] += tiles[:, :, tall:, :, :wide]
    blocks[:, :-1, :, 1:, :along] += tiles[:, :, :tall, :, wide:]
    blocks[:, 1:, :down, 1:, :along] += tiles[:, :, tall:, :, wide:]


def _outputs_of_points(transforms: Transforms, points: Tensor, place: Tensor) -> None:
    """Transform products `(P * g, tiles, K / g)` into `place`, `(B, H, W, K)`, without the cells beyond its border."""
    (tall, wide), depth = transforms.tile, points.shape[-1]
    rows, columns = -(-place.shape[1] // tall), -(-place.shape[2] // wide)
    cells = transforms.outputs @ points.view(len(transforms.inputs), -1)
    tiles = cells.view(tall, wide, transforms.groups, len(place), rows, columns, depth)
    whole = tiles.permute(3, 4, 0, 5, 1, 2, 6).reshape(len(place), rows * tall, columns * wide, -1)
    place.copy_(whole[:, : place.shape[1], : place.shape[2]])


def _gradient_of_outputs(transforms: Transforms, cells: Tensor, grid: tuple[int, int]) -> Tensor:
    """Apply the transpose of `_outputs_of_points`: gradients `(B, H, W, K)` to those of the products."""
    (rows, columns), (tall, wide), depth = grid, transforms.tile, cells.shape[-1] // transforms.groups
    whole = F.pad(cells, (0, 0, 0, columns * wide - cells.shape[2], 0, rows * tall - cells.shape[1]))
    tiles = whole.view(len(cells), rows, tall, columns, wide, transforms.groups, depth).permute(2, 4, 5, 0, 1, 3, 6)
    points = transforms.outputs.T @ tiles.reshape(tall * wide, -1)
    return points.view(len(transforms.inputs) * transforms.groups, -1, depth)
