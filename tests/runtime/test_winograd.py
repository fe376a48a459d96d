"""Minimal filtering against the convolution that it stands for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from siamtrack.models.backbones import SamePadConv2d
from siamtrack.runtime.winograd import (
    LEAST_CHANNELS,
    TILES,
    WinogradConv2d,
    minimal_filtering,
    suits_winograd,
    winograd_products,
)


def random_conv(taps: int, groups: int = 1, padding: int = 0, *, bias: bool = True) -> nn.Conv2d:
    generator = torch.Generator().manual_seed(taps)
    conv = nn.Conv2d(2 * LEAST_CHANNELS, 4 * LEAST_CHANNELS, taps, padding=padding, groups=groups, bias=bias)
    for parameter in conv.requires_grad_(False).parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return conv


def by_winograd(conv: nn.Conv2d) -> WinogradConv2d:
    return WinogradConv2d(conv, winograd_products(conv), F.relu)


@given(st.integers(1, 4), st.integers(2, 5), st.integers(0, 1000))
def test_few_products_give_the_outputs_of_a_filter(outputs: int, taps: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    inputs, kernel = random.normal(size=outputs + taps - 1), random.normal(size=taps)
    matrices = minimal_filtering(outputs, taps)
    products = (matrices.kernel @ kernel) * (matrices.input @ inputs)
    assert products.size == outputs + taps - 1  # where the sums themselves take outputs * taps
    np.testing.assert_allclose(matrices.output @ products, np.correlate(inputs, kernel, "valid"), atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([3, 5]), st.sampled_from([1, 2]), st.integers(0, 2), st.integers(5, 14), st.integers(5, 14))
def test_it_is_the_convolution(taps: int, groups: int, padding: int, height: int, width: int) -> None:
    conv = random_conv(taps, groups, padding)
    images = torch.randn(2, conv.in_channels, height, width, generator=torch.Generator().manual_seed(height * width))
    expected = F.relu(conv.double()(images.double()))
    found = by_winograd(conv.float())(images)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 2e-5 * expected.max()


def test_without_a_bias() -> None:
    conv = random_conv(3, bias=False)
    images = torch.randn(1, conv.in_channels, 9, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(by_winograd(conv)(images), F.relu(conv(images)), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("taps", [taps for dtype, taps in TILES if dtype == torch.bfloat16])
def test_in_bfloat16_it_rounds_a_few_times_as_much_as_the_convolution(taps: int) -> None:
    conv = random_conv(taps, groups=2, padding=1)
    images = F.relu(torch.randn(2, conv.in_channels, 20, 19, generator=torch.Generator().manual_seed(0)))
    exact = F.relu(conv(images))
    rounded = conv.bfloat16()
    plain, rough = F.relu(rounded(images.bfloat16())), by_winograd(rounded)(images.bfloat16())
    assert rough.dtype == torch.bfloat16
    assert (rough - exact).square().mean() < 25 * (plain - exact).square().mean()


@pytest.mark.parametrize("taps", [taps for dtype, taps in TILES if dtype == torch.float32])
def test_which_convolutions_it_suits(taps: int) -> None:
    assert suits_winograd(random_conv(taps, groups=2))
    assert not suits_winograd(random_conv(taps, groups=4))  # too few channels in a group
    assert not suits_winograd(nn.Conv2d(64, 64, taps, stride=2))
    assert not suits_winograd(nn.Conv2d(64, 64, taps, dilation=2))
    assert not suits_winograd(nn.Conv2d(64, 64, taps, padding="same"))
    assert not suits_winograd(nn.Conv2d(64, 64, taps, padding_mode="reflect"))
    assert not suits_winograd(nn.Conv2d(64, 64, (taps, 1)))
    assert not suits_winograd(nn.Conv2d(64, 64, 1))
    assert not suits_winograd(SamePadConv2d(64, 64, taps))
    assert not suits_winograd(nn.Conv2d(64, 64, taps).double())
