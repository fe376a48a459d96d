"""Minimal filtering against the convolution that it replaces, in inference and in training."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from siamtrack.models.backbones import SamePadConv2d
from siamtrack.models.registry import create_network
from siamtrack.runtime import winograd
from siamtrack.runtime.winograd import (
    MIN_CHANNELS,
    TILES,
    TrainableWinogradConv2d,
    WinogradConv2d,
    can_use_winograd,
    minimal_filtering,
    use_winograd_in_training,
    winograd_products,
)


def random_conv(taps: int, groups: int = 1, padding: int = 0, *, bias: bool = True, trained: bool = False) -> nn.Conv2d:
    generator = torch.Generator().manual_seed(taps)
    conv = nn.Conv2d(2 * MIN_CHANNELS, 4 * MIN_CHANNELS, taps, padding=padding, groups=groups, bias=bias)
    for parameter in conv.requires_grad_(False).parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return conv.requires_grad_(trained)


def inference_conv(conv: nn.Conv2d) -> WinogradConv2d:
    return WinogradConv2d(conv, winograd_products(conv), F.relu)


@given(st.integers(1, 4), st.integers(2, 5), st.integers(0, 1000))
def test_minimal_filtering_gives_the_outputs_of_a_filter(outputs: int, taps: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    inputs, kernel = random.normal(size=outputs + taps - 1), random.normal(size=taps)
    matrices = minimal_filtering(outputs, taps)
    products = (matrices.kernel @ kernel) * (matrices.input @ inputs)
    assert products.size == outputs + taps - 1  # where the sums themselves take outputs * taps
    np.testing.assert_allclose(matrices.output @ products, np.correlate(inputs, kernel, "valid"), atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([3, 5]), st.sampled_from([1, 2]), st.integers(0, 2), st.integers(5, 14), st.integers(5, 14))
def test_winograd_conv_equals_the_convolution(taps: int, groups: int, padding: int, height: int, width: int) -> None:
    conv = random_conv(taps, groups, padding)
    images = torch.randn(2, conv.in_channels, height, width, generator=torch.Generator().manual_seed(height * width))
    expected = F.relu(conv.double()(images.double()))
    found = inference_conv(conv.float())(images)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 2e-5 * expected.max()


def test_winograd_conv_without_a_bias() -> None:
    conv = random_conv(3, bias=False)
    images = torch.randn(1, conv.in_channels, 9, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(inference_conv(conv)(images), F.relu(conv(images)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("taps", [taps for dtype, taps in TILES if dtype == torch.bfloat16])
def test_winograd_conv_rounding_in_bfloat16(taps: int) -> None:
    conv = random_conv(taps, groups=2, padding=1)
    images = F.relu(torch.randn(2, conv.in_channels, 20, 19, generator=torch.Generator().manual_seed(0)))
    exact = F.relu(conv(images))
    rounded = conv.bfloat16()
    plain, rough = F.relu(rounded(images.bfloat16())), inference_conv(rounded)(images.bfloat16())
    assert rough.dtype == torch.bfloat16
    assert (rough - exact).square().mean() < 25 * (plain - exact).square().mean()


@pytest.mark.parametrize("taps", [taps for dtype, taps in TILES if dtype == torch.float32])
def test_can_use_winograd(taps: int) -> None:
    assert can_use_winograd(random_conv(taps, groups=2))
    assert not can_use_winograd(random_conv(taps, groups=4))  # too few channels in a group
    assert not can_use_winograd(nn.Conv2d(64, 64, taps, stride=2))
    assert not can_use_winograd(nn.Conv2d(64, 64, taps, dilation=2))
    assert not can_use_winograd(nn.Conv2d(64, 64, taps, padding="same"))
    assert not can_use_winograd(nn.Conv2d(64, 64, taps, padding_mode="reflect"))
    assert not can_use_winograd(nn.Conv2d(64, 64, (taps, 1)))
    assert not can_use_winograd(nn.Conv2d(64, 64, 1))
    assert not can_use_winograd(SamePadConv2d(64, 64, taps))
    assert not can_use_winograd(nn.Conv2d(64, 64, taps).double())


def random_images(conv: nn.Conv2d, height: int, width: int, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.randn(count, conv.in_channels, height, width, generator=generator)


def outputs_and_gradients(conv: nn.Conv2d, images: Tensor) -> dict[str, Tensor]:
    """Return the outputs and the gradients of a sum in which every output has another weight."""
    conv.zero_grad()
    images = images.clone().requires_grad_()
    outputs = conv(images)
    factors = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1))
    (outputs * factors.to(outputs)).sum().backward()
    gradients = {name: parameter.grad for name, parameter in conv.named_parameters()}
    found = {"outputs": outputs.detach(), "images": images.grad, **gradients}
    return {name: value.clone() for name, value in found.items() if value is not None}


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor], share: float = 1e-4) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        assert (found[name] - value).abs().max() < share * value.abs().max(), name


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from([3, 5]),
    st.sampled_from([1, 2]),
    st.integers(0, 2),
    st.booleans(),
    st.integers(5, 14),
    st.integers(5, 14),
)
def test_trainable_conv_outputs_and_gradients(
    taps: int, groups: int, padding: int, bias: bool, height: int, width: int
) -> None:
    conv = random_conv(taps, groups, padding, bias=bias, trained=True)
    images = random_images(conv, height, width)
    found = outputs_and_gradients(TrainableWinogradConv2d(conv), images)
    assert_close(found, outputs_and_gradients(copy.deepcopy(conv).double(), images.double()))


def test_trainable_conv_is_independent_of_the_chunk_size(monkeypatch: pytest.MonkeyPatch) -> None:
    conv = TrainableWinogradConv2d(random_conv(3, groups=2, trained=True))
    images = random_images(conv, 13, 9, count=5)
    together = outputs_and_gradients(conv, images)
    monkeypatch.setattr(winograd, "CHUNK_ELEMENTS", 1)
    assert_close(outputs_and_gradients(conv, images), together)


@pytest.mark.parametrize("frozen", ["weight", "images"])
def test_trainable_conv_with_frozen_inputs(frozen: str) -> None:
    conv = random_conv(3, trained=True)
    fast, images = TrainableWinogradConv2d(conv), random_images(conv, 10, 10)
    expected = outputs_and_gradients(fast, images)
    fast.weight.requires_grad_(frozen != "weight")
    fast.zero_grad()
    inputs = images.clone().requires_grad_(frozen != "images")
    outputs = fast(inputs)
    factors = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1))
    (outputs * factors).sum().backward()
    kept, free = (inputs, fast.weight) if frozen == "images" else (fast.weight, inputs)
    name = "weight" if frozen == "images" else "images"
    assert kept.grad is None
    assert free.grad is not None
    torch.testing.assert_close(free.grad, expected[name])


def test_trainable_conv_ignores_autocast() -> None:
    conv = TrainableWinogradConv2d(random_conv(3, trained=True))
    images = random_images(conv, 10, 10).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(images), conv(images.float()))


def test_trainable_conv_outputs_may_be_changed_in_place() -> None:
    conv = random_conv(3, bias=False, trained=True)
    images = random_images(conv, 9, 9)
    plain = nn.Sequential(conv, nn.ReLU())(images)
    changed = nn.Sequential(TrainableWinogradConv2d(conv), nn.ReLU(inplace=True))(images)
    torch.testing.assert_close(changed, plain, rtol=1e-4, atol=1e-3)
    changed.sum().backward()
    assert conv.weight.grad is not None


def test_trainable_conv_refuses_small_images_as_pytorch_does() -> None:
    conv = TrainableWinogradConv2d(random_conv(5, trained=True))
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        conv(random_images(conv, 4, 9))


def test_use_winograd_in_training_keeps_parameters_and_outputs() -> None:
    network = create_network("alexnet_v1", torch.Generator().manual_seed(0)).eval()
    fast = copy.deepcopy(network)
    before = dict(fast.named_parameters())
    use_winograd_in_training(fast)
    convs = [module for module in fast.modules() if isinstance(module, nn.Conv2d)]
    assert [type(conv) is TrainableWinogradConv2d for conv in convs] == [False, True, True, True, True]
    assert list(fast.state_dict()) == list(network.state_dict())
    assert all(parameter is before[name] for name, parameter in fast.named_parameters())
    assert (fast.stride, fast.response_size) == (network.stride, network.response_size)
    crops = 255 * torch.rand(2, 3, 159, 159, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, expected = fast.backbone(crops), network.backbone(crops)
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()
