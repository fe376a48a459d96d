"""Convolutions by minimal filtering, with gradients: a quarter of the multiplications of training on the CPU.

The algorithm is that of `siamtrack.runtime.winograd`. Its outputs are linear in the image and in the kernel,
so that the gradients of both are its transpose: the same transforms the other way round, and as few
products in between.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from siamtrack.runtime.winograd import TILES, minimal_filtering, suits_winograd, take_geometry

AT_ONCE = 4 << 20
"""Numbers that the transforms of the samples of a pass have at most, about: what lies between them stays in the cache.
Those of the inputs are kept until the gradients are known."""


def train_by_winograd(network: nn.Module) -> None:
    """Replace the convolutions of a network that are faster by minimal filtering, in place; its parameters stay.

    They compute in float32, also where half precision is asked for.

    Args:
        network: in float32, on a CPU.
    """
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and suits_winograd(child):
                setattr(module, name, TrainedWinogradConv2d(child))


class TrainedWinogradConv2d(nn.Conv2d):
    """A convolution of stride 1 by minimal filtering, with the parameters of another one.

    Args:
        conv: see `siamtrack.runtime.winograd.suits_winograd`.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        nn.Module.__init__(self)
        take_geometry(self, conv)
        self._transforms = _Transforms.of(conv)
        self._pad = int(conv.padding[0]), int(conv.padding[1])

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `(B, C, H, W)`, in float32, to channels last."""
        sides = [size + 2 * pad for size, pad in zip(input.shape[-2:], self._pad, strict=True)]
        if input.ndim != 4 or min(sides) < self._transforms.taps:
            # PyTorch knows what to do, or to say.
            return F.conv2d(input, self.weight, self.bias, padding=self._pad, groups=self.groups)
        above, beside = self._pad
        with torch.autocast(input.device.type, enabled=False):
            padded = F.pad(input.float(), (beside, beside, above, above)) if above or beside else input.float()
            found: Tensor = _Convolution.apply(padded, self.weight, self._transforms)  # type: ignore[no-untyped-call]
            found = found if self.bias is None else found + self.bias
            return found.permute(0, 3, 1, 2)


class _Transforms(NamedTuple):
    """Minimal filtering along both axes of square tiles, as matrices that are applied to all their cells at once."""

    groups: int
    taps: int
    tile: int
    """Side of a tile of outputs."""
    side: int
    """Side of the tile of inputs that they are made of."""
    inputs: Tensor
    """`(P, P)` from the cells of a tile of inputs to the points."""
    kernels: Tensor
    """`(P, taps * taps)` from a kernel to the points."""
    outputs: Tensor
    """`(tile * tile, P)` from the points to a tile of outputs."""

    @classmethod
    def of(cls, conv: nn.Conv2d) -> _Transforms:
        taps = conv.kernel_size[0]
        tile = TILES[torch.float32, taps][0]
        matrices = minimal_filtering(tile, taps)
        inputs, kernels, outputs = (
            torch.from_numpy(np.kron(matrix, matrix)).float()
            for matrix in (matrices.input, matrices.kernel, matrices.output)
        )
        return cls(conv.groups, taps, tile, tile + taps - 1, inputs, kernels, outputs)

    def kernels_at_points(self, weight: Tensor) -> Tensor:
        """`(K, C / g, taps, taps)` to a matrix for every point and group, `(P * g, K / g, C / g)`."""
        count, depth = weight.shape[:2]
        taps = weight.permute(2, 3, 0, 1).reshape(self.taps**2, count * depth)
        return (self.kernels @ taps).view(-1, count // self.groups, depth)

    def gradient_of_kernels(self, points: Tensor, shape: torch.Size) -> Tensor:
        """Return the transpose of `kernels_at_points`, for kernels of a shape."""
        count, depth = shape[:2]
        taps = self.kernels.T @ points.view(len(self.kernels), count * depth)
        return taps.view(self.taps, self.taps, count, depth).permute(2, 3, 0, 1)

    def inputs_at_points(self, cells: Tensor, grid: tuple[int, int]) -> Tensor:
        """Samples `(B, H, W, C)` to `(P * g, tiles, C / g)`; the height is `rows * tile + taps - 1`, as the width."""
        (rows, columns), channels = grid, cells.shape[-1]
        sample, down, right, along = cells.stride()
        depth = channels // self.groups
        tiles = cells.as_strided(
            (self.side, self.side, self.groups, len(cells), rows, columns, depth),
            (down, right, depth * along, sample, self.tile * down, self.tile * right, along),
            cells.storage_offset(),
        )
        points = self.inputs @ tiles.reshape(self.side**2, -1)
        return points.view(self.side**2 * self.groups, -1, depth)

    def add_gradient_of_inputs(self, points: Tensor, place: Tensor, grid: tuple[int, int]) -> None:
        """The transpose of `inputs_at_points`, added to `place`: `(B, (rows + 1) * tile, (columns + 1) * tile, C)`."""
        (rows, columns), tile, depth = grid, self.tile, points.shape[-1]
        cells = self.inputs.T @ points.view(self.side**2, -1)
        tiles = cells.view(self.side, self.side, self.groups, len(place), rows, columns, depth)
        tiles = tiles.permute(3, 4, 0, 5, 1, 2, 6)
        blocks = place.view(len(place), rows + 1, tile, columns + 1, tile, self.groups, depth)
        # Tiles overlap: what hangs over their own block belongs to the next one.
        over = self.side - tile
        blocks[:, :-1, :, :-1] += tiles[:, :, :tile, :, :tile]
        blocks[:, 1:, :over, :-1] += tiles[:, :, tile:, :, :tile]
        blocks[:, :-1, :, 1:, :over] += tiles[:, :, :tile, :, tile:]
        blocks[:, 1:, :over, 1:, :over] += tiles[:, :, tile:, :, tile:]

    def outputs_of_points(self, points: Tensor, place: Tensor, grid: tuple[int, int]) -> None:
        """Products `(P * g, tiles, K / g)` into `place`: `(B, H, W, K)`, where tiles may hang over."""
        (rows, columns), depth = grid, points.shape[-1]
        cells = self.outputs @ points.view(self.side**2, -1)
        tiles = cells.view(self.tile, self.tile, self.groups, len(place), rows, columns, depth)
        whole = tiles.permute(3, 4, 0, 5, 1, 2, 6).reshape(len(place), rows * self.tile, columns * self.tile, -1)
        place.copy_(whole[:, : place.shape[1], : place.shape[2]])

    def gradient_of_outputs(self, cells: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return the transpose of `outputs_of_points`: gradients `(B, H, W, K)` of outputs to those of the products."""
        (rows, columns), tile, depth = grid, self.tile, cells.shape[-1] // self.groups
        whole = F.pad(cells, (0, 0, 0, columns * tile - cells.shape[2], 0, rows * tile - cells.shape[1]))
        tiles = whole.view(len(cells), rows, tile, columns, tile, self.groups, depth).permute(2, 4, 5, 0, 1, 3, 6)
        return (self.outputs.T @ tiles.reshape(tile**2, -1)).view(self.side**2 * self.groups, -1, depth)


class _Convolution(torch.autograd.Function):
    """`(B, C, H, W)` and `(K, C / g, taps, taps)` to their correlation `(B, H', W', K)`, a few samples at a time."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, transforms: _Transforms) -> Tensor:
        grid, height, width = _grid(images.shape, transforms)
        kernels = transforms.kernels_at_points(weight)
        found = images.new_empty(len(images), height, width, len(weight))
        seen = []
        for each in _passes(images.shape, weight.shape, transforms):
            points = transforms.inputs_at_points(_whole_tiles(images[each], grid, transforms), grid)
            transforms.outputs_of_points(torch.bmm(points, kernels.transpose(1, 2)), found[each], grid)
            if ctx.needs_input_grad[1]:
                seen.append(points)
        ctx.save_for_backward(kernels, *seen)
        ctx.transforms, ctx.shapes = transforms, (images.shape, weight.shape)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        kernels, *seen = ctx.saved_tensors
        transforms: _Transforms = ctx.transforms
        images, weight = ctx.shapes
        of_images, of_weight = ctx.needs_input_grad[:2]
        grid, _, _ = _grid(images, transforms)
        rows, columns = ((length + 1) * transforms.tile for length in grid)
        found = gradient.new_zeros(images[0], rows, columns, images[1]) if of_images else None
        for_kernels = torch.zeros_like(kernels)
        for index, each in enumerate(_passes(images, weight, transforms)):
            products = transforms.gradient_of_outputs(gradient[each], grid)
            if of_weight:
                for_kernels.baddbmm_(products.transpose(1, 2), seen[index])
            if found is not None:
                transforms.add_gradient_of_inputs(torch.bmm(products, kernels), found[each], grid)
        height, width = images[2:]
        return (
            None if found is None else found[:, :height, :width].permute(0, 3, 1, 2),
            transforms.gradient_of_kernels(for_kernels, weight) if of_weight else None,
            None,
        )


def _grid(images: torch.Size, transforms: _Transforms) -> tuple[tuple[int, int], int, int]:
    """Rows and columns of tiles, and height and width of what comes out."""
    height, width = (size - transforms.taps + 1 for size in images[2:])
    return (-(-height // transforms.tile), -(-width // transforms.tile)), height, width


def _passes(images: torch.Size, weight: torch.Size, transforms: _Transforms) -> list[slice]:
    """Which samples are computed together."""
    (rows, columns), _, _ = _grid(images, transforms)
    of_a_sample = rows * columns * len(transforms.inputs) * (images[1] + weight[0])
    count = max(1, AT_ONCE // of_a_sample)
    return [slice(start, start + count) for start in range(0, images[0], count)]


def _whole_tiles(images: Tensor, grid: tuple[int, int], transforms: _Transforms) -> Tensor:
    """`(B, C, H, W)` as `(B, H, W, C)`, with zeros up to whole tiles."""
    height, width = (length * transforms.tile + transforms.taps - 1 for length in grid)
    below, behind = height - images.shape[2], width - images.shape[3]
    return F.pad(images.permute(0, 2, 3, 1), (0, 0, 0, behind, 0, below)).contiguous()
