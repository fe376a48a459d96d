"""A network prepared for tracking: fewer and larger operations, the same outputs up to rounding."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from siamtrack.config import Precision
from siamtrack.models.backbones import SamePadConv2d
from siamtrack.models.network import TrackingNetwork
from siamtrack.runtime.winograd import WinogradConv2d, can_use_winograd, copy_geometry, winograd_products

MOST_SIZES = 8
"""Shapes of inputs that a convolution knows the order of its weights for: exemplars, and near and usual search crops,
of one target and of several. Where they have the same order, as with kernels of one cell, it is in memory once."""


def prepare_for_inference(
    network: TrackingNetwork, device: torch.device | str, precision: Precision = "float32"
) -> TrackingNetwork:
    """Return a copy for tracking: evaluation mode, batch norm folded into the convolutions, channels last, no
    gradients.

    On a CPU every convolution takes its activation with it, and its weights in the order that the processor reads them
    in (oneDNN, through the operators that `torch.compile` makes of a convolution).

    Args:
        network: stays as it is.
        device: where the copy goes.
        precision: of the weights and of everything between them; images are to be of this type.

    Returns:
        A network with the same outputs up to rounding.
    """
    prepared = fold_batch_norm(network)
    prepared.to(device=device, dtype=getattr(torch, precision))
    if torch.device(device).type == "cpu" and has_onednn():
        _fuse(prepared)
    # The 4-dimensional weights are what channels_last is about; the overload for modules has no such keyword typed.
    return prepared.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def fold_batch_norm(network: TrackingNetwork) -> TrackingNetwork:
    """Return a copy in evaluation mode, without gradients, whose convolutions have taken the batch norms in."""
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
    return folded


def traceable(network: TrackingNetwork) -> TrackingNetwork:
    """Return a copy see `fold_batch_norm` that computes no padding from the size of its input, which is to be even."""
    plain = fold_batch_norm(network)
    for module in list(plain.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, SamePadConv2d):
                setattr(module, name, evenly_padded(child))
    return plain


def _fold(layers: nn.Sequential) -> None:
    for index in reversed(range(1, len(layers))):
        conv, norm = layers[index - 1], layers[index]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[index - 1] = fuse_conv_bn_eval(conv, norm)
            del layers[index]


def has_onednn() -> bool:
    """Return whether this PyTorch has the operators that fuse convolutions; they are its own, but not public."""
    names = ("_convolution_pointwise", "_reorder_convolution_weight", "_get_mkldnn_serialized_md")
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and all(hasattr(torch.ops.mkldnn, name) for name in names)


Activation = Literal["none", "relu", "relu6"]


def _fuse(network: nn.Module) -> None:
    """Replace convolutions, with the activations that follow them, in place."""
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            for index in reversed(range(len(module))):
                layer = module[index]
                if isinstance(layer, nn.Conv2d):
                    activation = _activation_of(module[index + 1]) if index + 1 < len(module) else "none"
                    module[index] = _fused(layer, activation)
                    if activation != "none":
                        del module[index + 1]
        else:
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Conv2d):
                    setattr(module, name, _fused(child, "none"))


_ACTIVATIONS: MappingProxyType[Activation, Callable[[Tensor], Tensor]] = MappingProxyType(
    {"none": lambda x: x, "relu": F.relu, "relu6": F.relu6}
)


def _activation_of(layer: nn.Module) -> Activation:
    if isinstance(layer, nn.ReLU6):
        return "relu6"
    return "relu" if isinstance(layer, nn.ReLU) else "none"


def _fused(conv: nn.Conv2d, activation: Activation) -> nn.Module:
    if can_use_winograd(conv):
        return WinogradConv2d(conv, FusedConv2d(winograd_products(conv), "none"), _ACTIVATIONS[activation])
    return (FusedSamePadConv2d if isinstance(conv, SamePadConv2d) else FusedConv2d)(conv, activation)


class FusedConv2d(nn.Conv2d):
    """A convolution and its activation in one call of oneDNN, on the CPU, without gradients.

    Args:
        conv: gives weights, strides and padding.
        activation: what follows it.
    """

    def __init__(self, conv: nn.Conv2d, activation: Activation) -> None:
        nn.Module.__init__(self)
        copy_geometry(self, conv)
        # As oneDNN calls them: the name, and the numbers that go with it.
        self._activation = ("hardtanh", [0.0, 6.0]) if activation == "relu6" else (activation, [])
        self._geometry = list(conv.stride), list(conv.dilation), conv.groups
        self._even_padding = [int(size) for size in conv.padding]
        # Which order of the weights is best depends on the size of the input; in any other, each call sorts them anew.
        self._packed: dict[torch.Size, Tensor] = {}

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `(B, C, H, W)` and apply the activation."""
        return self._convolve(input, self.weight, self._even_padding)

    def _convolve(self, input: Tensor, weight: Tensor, padding: list[int]) -> Tensor:
        packed = self._packed.get(input.shape)
        if packed is None:
            packed = self._sort(weight, padding, input.shape)
        convolved: Tensor = torch.ops.mkldnn._convolution_pointwise.default(
            input, packed, self.bias, padding, *self._geometry, *self._activation, ""
        )
        return convolved

    def _sort(self, weight: Tensor, padding: list[int], shape: torch.Size) -> Tensor:
        """Return the weights in the order that is best for inputs of a shape, and remember them."""
        packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, *self._geometry, list(shape))
        known = self._packed
        packed = next((each for each in known.values() if _same_order(each, packed)), packed)
        newest = list(known.items())[1 - MOST_SIZES :]
        self._packed = {**dict(newest), shape: packed}  # another one, as other threads may look
        return packed


def _same_order(one: Tensor, other: Tensor) -> bool:
    """Return whether the same weights stand in memory in the same order, as oneDNN describes it."""
    describe = torch.ops.mkldnn._get_mkldnn_serialized_md
    return torch.equal(describe(one), describe(other))


class FusedSamePadConv2d(FusedConv2d, SamePadConv2d):
    """`SamePadConv2d` without a padded copy of its input."""

    def __init__(self, conv: nn.Conv2d, activation: Activation) -> None:
        super().__init__(conv, activation)
        self._wider = wider_kernel(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve `(B, C, H, W)`, with stride 2, and apply the activation."""
        # An odd side is padded evenly already: one zero more before it puts the wider kernel where the other was.
        padding = [(k - 1) // 2 + size % 2 for k, size in zip(self.kernel_size, input.shape[-2:], strict=True)]
        return self._convolve(input, self._wider, padding)


def evenly_padded(conv: SamePadConv2d) -> nn.Conv2d:
    """Return a convolution with even padding that does the same to inputs of even sides, where the stride is 2."""
    height, width = conv.kernel_size
    made = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        (height + 1, width + 1),
        stride=(conv.stride[0], conv.stride[1]),
        padding=((height - 1) // 2, (width - 1) // 2),
        groups=conv.groups,
        bias=conv.bias is not None,
    )
    made.weight, made.bias = nn.Parameter(wider_kernel(conv.weight), requires_grad=False), conv.bias
    return made


def wider_kernel(weight: Tensor) -> Tensor:
    """Return a kernel with a row and a column of zeros in front.

    "SAME" padding of an even side with stride 2 has one zero less before it than behind it. With the wider kernel it
    has as many: the one that is too much meets the zeros.
    """
    return F.pad(weight, (1, 0, 1, 0)).contiguous(memory_format=torch.channels_last)
