"""Convolutions by minimal filtering in training, against PyTorch's own in double precision."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from siamtrack.models.registry import create_network
from siamtrack.runtime import winograd_training
from siamtrack.runtime.winograd import LEAST_CHANNELS
from siamtrack.runtime.winograd_training import TrainedWinogradConv2d, train_by_winograd


def random_conv(taps: int, groups: int = 1, padding: int = 0, *, bias: bool = True) -> nn.Conv2d:
    conv = nn.Conv2d(2 * LEAST_CHANNELS, 4 * LEAST_CHANNELS, taps, padding=padding, groups=groups, bias=bias)
    generator = torch.Generator().manual_seed(taps)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return conv


def random_images(conv: nn.Conv2d, height: int, width: int, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.randn(count, conv.in_channels, height, width, generator=generator)


def outputs_and_gradients(conv: nn.Conv2d, images: Tensor) -> dict[str, Tensor]:
    """What comes out, and the gradients of a sum in which every output has another weight."""
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
def test_outputs_and_gradients_are_those_of_the_convolution(
    taps: int, groups: int, padding: int, bias: bool, height: int, width: int
) -> None:
    conv = random_conv(taps, groups, padding, bias=bias)
    images = random_images(conv, height, width)
    found = outputs_and_gradients(TrainedWinogradConv2d(conv), images)
    assert_close(found, outputs_and_gradients(copy.deepcopy(conv).double(), images.double()))


def test_however_many_samples_are_computed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    conv = TrainedWinogradConv2d(random_conv(3, groups=2))
    images = random_images(conv, 13, 9, count=5)
    together = outputs_and_gradients(conv, images)
    monkeypatch.setattr(winograd_training, "AT_ONCE", 1)
    assert_close(outputs_and_gradients(conv, images), together)


@pytest.mark.parametrize("frozen", ["weight", "images"])
def test_what_is_not_trained_gets_no_gradient_and_changes_none(frozen: str) -> None:
    conv = random_conv(3)
    fast, images = TrainedWinogradConv2d(conv), random_images(conv, 10, 10)
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


def test_half_precision_around_it_does_not_reach_it() -> None:
    conv = TrainedWinogradConv2d(random_conv(3))
    images = random_images(conv, 10, 10).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(images), conv(images.float()))


def test_what_follows_may_change_the_outputs_in_place() -> None:
    conv = random_conv(3, bias=False)
    images = random_images(conv, 9, 9)
    plain = nn.Sequential(conv, nn.ReLU())(images)
    changed = nn.Sequential(TrainedWinogradConv2d(conv), nn.ReLU(inplace=True))(images)
    torch.testing.assert_close(changed, plain, rtol=1e-4, atol=1e-3)
    changed.sum().backward()
    assert conv.weight.grad is not None


def test_images_that_are_too_small_are_refused_as_pytorch_does() -> None:
    conv = TrainedWinogradConv2d(random_conv(5))
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        conv(random_images(conv, 4, 9))


def test_a_network_keeps_its_parameters_and_answers_the_same() -> None:
    network = create_network("alexnet_v1", torch.Generator().manual_seed(0)).eval()
    fast = copy.deepcopy(network)
    before = dict(fast.named_parameters())
    train_by_winograd(fast)
    convs = [module for module in fast.modules() if isinstance(module, nn.Conv2d)]
    assert [type(conv) is TrainedWinogradConv2d for conv in convs] == [False, True, True, True, True]
    assert list(fast.state_dict()) == list(network.state_dict())
    assert all(parameter is before[name] for name, parameter in fast.named_parameters())
    assert (fast.stride, fast.response_size) == (network.stride, network.response_size)
    crops = 255 * torch.rand(2, 3, 159, 159, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, expected = fast.backbone(crops), network.backbone(crops)
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()
