"""Fully convolutional backbones: what turns a crop into an embedding.

Stride and feature sizes are derived from the layers, so a backbone can be exchanged without touching a constant.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.errors import UsageError


class Backbone(nn.Module, ABC):
    """Base of the backbones.

    Input `(B, 3, H, W)`, RGB, float, 0..255 (a normalization, if any, is inside); output `(B, out_channels, h, w)`.
    """

    exemplar_size: int
    """Side of the exemplar crop in pixels."""
    search_size: int
    """Side of the search crop in pixels."""
    exemplar_margin: int
    """Cells to cut from each side of the exemplar embedding, whose border has seen padding; 0 for unpadded nets."""
    out_channels: int
    """Channels of the embedding."""
    response_scale: float
    """Factor that brings the correlation of two embeddings into the range of a logit; where a head starts."""

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels of each of the levels of `trunk`."""
        return (self.out_channels,)

    def trunk(self, images: Tensor) -> tuple[Tensor, ...]:
        """Modules of the embedding: levels of rising depth, the first with the finest grid, that of the embedding.

        Args:
            images: `(B, 3, H, W)` RGB, float 0..255.

        Returns:
            One map `(B, C, h, w)` a level; the embedding itself where a backbone has no others.
        """
        return (self(images),)

    def fuse(self, levels: tuple[Tensor, ...]) -> Tensor:
        """Return the embedding of the levels that `trunk` gives."""
        return levels[-1]

    @abstractmethod
    def spatial_layers(self) -> Iterator[nn.Module]:
        """Return the convolutions and pools between the input and the output's grid, in order."""

    @property
    def stride(self) -> int:
        """Pixels of the input from one cell of the output to the next."""
        return math.prod(_kernel_and_stride(layer)[1] for layer in self.spatial_layers())

    def feature_size(self, size: int) -> int:
        """Cells along a side of the output.

        Args:
            size: side of a square input in pixels.

        Returns:
            Side of the output in cells, 0 when the input is too small for a single one.
        """
        for layer in self.spatial_layers():
            size = max(_output_size(layer, size), 0)
        return size

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights anew, in place (`initialize_weights`).

        Args:
            generator: source of randomness on the device of the weights; None takes PyTorch's default one.
        """
        initialize_weights(self, generator)


def initialize_weights(module: nn.Module, generator: torch.Generator | None) -> None:
    """Draw every convolution, linear layer and LSTM of a module anew and reset every batch norm, in place.

    Weights are normal with variance `2 / fan_in` (He et al. 2015, equation 10), which holds the scale of an output that
    no batch norm follows whatever its width; biases are 0, batch norms the identity. Those of an LSTM are uniform
    within `1 / sqrt(size of its state)`, as PyTorch draws them.

    Args:
        module: what to draw.
        generator: source of randomness on the device of the weights; None takes PyTorch's default one.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
        elif isinstance(layer, nn.LSTM):
            bound = layer.hidden_size**-0.5
            for weight in layer.parameters():
                nn.init.uniform_(weight, -bound, bound, generator=generator)


def check_images(images: Tensor) -> Tensor:
    """Return the images, if a backbone can embed them.

    Raises:
        UsageError: when they are not `(B, 3, H, W)`, floating point.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise UsageError(
            f"images of shape {tuple(images.shape)} and type {images.dtype} cannot be embedded: "
            "give (B, 3, H, W), RGB, floating point, 0..255"
        )
    return images


class SamePadConv2d(nn.Conv2d):
    """A strided convolution with TensorFlow's "SAME" padding, which is uneven when the input is even.

    `n` pixels become `ceil(n / stride)`; of the zeros that this needs, the smaller half comes before the input.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Pad and convolve `(B, C, H, W)`."""
        pad_y = _same_padding(input.shape[-2], self.kernel_size[0], self.stride[0])
        pad_x = _same_padding(input.shape[-1], self.kernel_size[1], self.stride[1])
        return super().forward(F.pad(input, (*pad_x, *pad_y)))


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis of `size` pixels."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _kernel_and_stride(layer: nn.Module) -> tuple[int, int]:
    if isinstance(layer, nn.Conv2d):
        return layer.kernel_size[0], layer.stride[0]
    if isinstance(layer, nn.MaxPool2d):
        return int(layer.kernel_size), int(layer.stride)  # type: ignore[arg-type]  # ints, as built here
    raise TypeError(f"{type(layer).__name__} is neither a convolution nor a pool")


def _output_size(layer: nn.Module, size: int) -> int:
    kernel, stride = _kernel_and_stride(layer)
    if isinstance(layer, SamePadConv2d):
        return math.ceil(size / stride)
    padding = int(layer.padding[0]) if isinstance(layer, nn.Conv2d) else 0
    return (size + 2 * padding - kernel) // stride + 1


class _AlexNet(Backbone):
    """The five layers of SiamFC's AlexNet (Bertinetto et al. 2016, table 1), named as in siamfc-pytorch.

    No padding anywhere, input not normalized, batch norm eps 1e-6 and momentum 0.05.
    """

    exemplar_size = 127
    search_size = 255
    exemplar_margin = 0
    response_scale = 1e-3

    conv1: nn.Sequential
    conv2: nn.Sequential
    conv3: nn.Sequential
    conv4: nn.Sequential
    conv5: nn.Sequential

    def spatial_layers(self) -> Iterator[nn.Module]:
        """Return the convolutions and pools, in order."""
        return (layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.MaxPool2d))

    def forward(self, images: Tensor) -> Tensor:
        """Embed `(B, 3, H, W)` RGB images, float 0..255, as `(B, C, h, w)`."""
        x: Tensor = self.conv5(self.conv4(self.conv3(self.conv2(self.conv1(images)))))
        return x


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-6, momentum=0.05)


def _alex_layer(conv: nn.Conv2d, pool_stride: int | None = None) -> nn.Sequential:
    """Convolution, batch norm, ReLU and, with a stride, a 3x3 max pool."""
    layers: list[nn.Module] = [conv, _batch_norm(conv.out_channels), nn.ReLU(inplace=True)]
    if pool_stride is not None:
        layers.append(nn.MaxPool2d(3, pool_stride))
    return nn.Sequential(*layers)


class AlexNetV1(_AlexNet):
    """The backbone of the paper: stride 8, 256 channels, 2.34 M parameters."""

    out_channels = 256

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _alex_layer(nn.Conv2d(3, 96, 11, stride=2), pool_stride=2)
        self.conv2 = _alex_layer(nn.Conv2d(96, 256, 5, groups=2), pool_stride=2)
        self.conv3 = _alex_layer(nn.Conv2d(256, 384, 3))
        self.conv4 = _alex_layer(nn.Conv2d(384, 384, 3, groups=2))
        self.conv5 = nn.Sequential(nn.Conv2d(384, self.out_channels, 3, groups=2))


class AlexNetV2(_AlexNet):
    """V1 with a second pool of stride 1 and a narrow output: stride 4, 32 channels, 1.95 M parameters."""

    out_channels = 32

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _alex_layer(nn.Conv2d(3, 96, 11, stride=2), pool_stride=2)
        self.conv2 = _alex_layer(nn.Conv2d(96, 256, 5, groups=2), pool_stride=1)
        self.conv3 = _alex_layer(nn.Conv2d(256, 384, 3))
        self.conv4 = _alex_layer(nn.Conv2d(384, 384, 3, groups=2))
        self.conv5 = nn.Sequential(nn.Conv2d(384, self.out_channels, 3, groups=2))


class AlexNetV3(_AlexNet):
    """V1 twice as wide, ungrouped, with batch norm on its output: stride 8, 512 channels, 14.92 M parameters."""

    out_channels = 512

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _alex_layer(nn.Conv2d(3, 192, 11, stride=2), pool_stride=2)
        self.conv2 = _alex_layer(nn.Conv2d(192, 512, 5), pool_stride=2)
        self.conv3 = _alex_layer(nn.Conv2d(512, 768, 3))
        self.conv4 = _alex_layer(nn.Conv2d(768, 768, 3))
        self.conv5 = nn.Sequential(nn.Conv2d(768, self.out_channels, 3), _batch_norm(self.out_channels))


class _Stage(NamedTuple):
    """A row of EfficientNet's table: blocks of one resolution and width."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


_STEM_CHANNELS = 32
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
)


def _lite_conv(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    if stride == 1:
        return nn.Conv2d(cin, cout, kernel, padding=kernel // 2, groups=groups, bias=False)
    return SamePadConv2d(cin, cout, kernel, stride=stride, groups=groups, bias=False)


def _lite_layer(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, _lite_norm(conv.out_channels), nn.ReLU6(inplace=True))


def _lite_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """MobileNetV2's block without squeeze-and-excite: expand 1x1, depthwise, project 1x1, and the input on top."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        width = cin * expand
        self.expand: nn.Module = nn.Identity() if expand == 1 else _lite_layer(_lite_conv(cin, width, 1))
        self.depthwise = _lite_layer(_lite_conv(width, width, kernel, stride, groups=width))
        self.project = nn.Sequential(_lite_conv(width, cout, 1), _lite_norm(cout))
        self.residual = stride == 1 and cin == cout

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, cin, H, W)` to `(B, cout, H / stride, W / stride)`, rounded up."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class FusionNeck(nn.Module):
    """Sum of 1x1 projections of three depths on the grid of the shallowest.

    It starts as the identity of the deepest one: training then begins with the trunk's features as they are.
    """

    def __init__(self, shallow: int, middle: int, deep: int, channels: int) -> None:
        super().__init__()
        self.shallow = nn.Conv2d(shallow, channels, 1, bias=False)
        self.middle = nn.Conv2d(middle, channels, 1, bias=False)
        self.deep = nn.Conv2d(deep, channels, 1, bias=False)
        self.reset()

    def reset(self) -> None:
        """Go back to the identity of the deepest input."""
        nn.init.zeros_(self.shallow.weight)
        nn.init.zeros_(self.middle.weight)
        nn.init.dirac_(self.deep.weight)

    def forward(self, shallow: Tensor, middle: Tensor, deep: Tensor) -> Tensor:
        """Fuse `(B, C, h, w)` with two maps of half its grid into `(B, channels, h, w)`."""
        coarse = self.middle(middle) + self.deep(deep)  # summed first: one upsampling serves both
        coarse = F.interpolate(coarse, size=shallow.shape[-2:], mode="bilinear", align_corners=False)
        fused: Tensor = self.shallow(shallow) + coarse
        return fused


class Lite0(Backbone):
    """EfficientNet-Lite0's stem and first 11 blocks (0.70 M parameters), fused at stride 8, unit vectors as output.

    The input is normalized inside as `(x - 127) / 128`; padding is TensorFlow's "SAME" with zeros after that.
    """

    exemplar_size = 128
    search_size = 256
    exemplar_margin = 4
    out_channels = _STAGES[-1].channels
    response_scale = 12 / 64
    """12 x the mean cosine over the 64 cells of an exemplar."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _lite_layer(_lite_conv(3, _STEM_CHANNELS, 3, stride=2))
        blocks: list[nn.Module] = []
        ends: list[int] = []
        cin = _STEM_CHANNELS
        for stage in _STAGES:
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(InvertedResidual(cin, stage.channels, stage.kernel, stride, stage.expand))
                cin = stage.channels
            ends.append(len(blocks))
        self.blocks = nn.ModuleList(blocks)
        self._shallow_end, self._middle_end, _ = ends[-3:]
        shallow, middle, deep = (stage.channels for stage in _STAGES[-3:])
        self.neck = FusionNeck(shallow, middle, deep, self.out_channels)

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Draw the trunk anew and set the neck back to the identity of the deepest block, in place.

        Args:
            generator: source of randomness on the device of the weights; None takes PyTorch's default one.
        """
        super().initialize(generator)
        self.neck.reset()

    def spatial_layers(self) -> Iterator[nn.Module]:
        """Yield the convolutions up to the fifth block, on whose grid the neck fuses."""
        for part in (self.stem, *self.blocks[: self._shallow_end]):
            yield from (layer for layer in part.modules() if isinstance(layer, nn.Conv2d))

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels of blocks 5, 8 and 11."""
        return tuple(stage.channels for stage in _STAGES[-3:])

    def trunk(self, images: Tensor) -> tuple[Tensor, ...]:
        """ImageNet's features.

        Args:
            images: `(B, 3, H, W)` RGB, float 0..255.

        Returns:
            Outputs of block 5 `(B, 40, H/8, W/8)`, block 8 `(B, 80, H/16, W/16)` and block 11 `(B, 112, H/16, W/16)`.
        """
        x: Tensor = self.stem((images - 127) / 128)
        for block in self.blocks[: self._shallow_end]:
            x = block(x)
        shallow = x
        for block in self.blocks[self._shallow_end : self._middle_end]:
            x = block(x)
        middle = x
        for block in self.blocks[self._middle_end :]:
            x = block(x)
        return shallow, middle, x

    def fuse(self, levels: tuple[Tensor, ...]) -> Tensor:
        """Return the embedding of what `trunk` gives: `(B, 112, H/8, W/8)` of unit length over channels."""
        return F.normalize(self.neck(*levels), dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Embed `(B, 3, H, W)` RGB images, float 0..255, as `(B, 112, H/8, W/8)` of unit length over channels."""
        return self.fuse(self.trunk(images))
