"""The correlation of every frame against the one that networks are trained with, and against a convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.models.heads import cross_correlation
from siamtrack.runtime.correlation import correlate


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5), st.integers(5, 9), st.booleans())
def test_it_is_a_convolution_of_each_sample(
    batch: int, count: int, height: int, width: int, side: int, last: bool
) -> None:
    generator = torch.Generator().manual_seed(batch * count + height)
    kernels = torch.randn(batch, count, 3, height, width, generator=generator)
    features = torch.randn(batch, 3, side + 2, side, generator=generator)
    expected = torch.cat([F.conv2d(one[None], own) for one, own in zip(features, kernels, strict=True)])
    if last:
        kernels = kernels.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
        features = features.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(correlate(kernels, features), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_what_networks_are_trained_with(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    kernels = torch.randn(2, 4, 16, 8, 8, generator=generator).to(dtype)
    features = torch.randn(2, 16, 32, 32, generator=generator).to(dtype)
    found = correlate(kernels, features)
    assert found.dtype == torch.float32
    expected = cross_correlation(kernels.float(), features.float())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)  # no product is rounded to half precision
