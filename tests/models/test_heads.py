from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.models.heads import CorrelationHead, cross_correlation


@given(
    batch=st.integers(1, 4),
    count=st.integers(1, 3),
    channels=st.integers(1, 5),
    sides=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 3), st.integers(0, 3)),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_cross_correlation_equals_plain_loops(
    batch: int, count: int, channels: int, sides: tuple[int, int, int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    h, w, down, right = sides
    rows, columns = down + 1, right + 1
    kernels = rng.normal(size=(batch, count, channels, h, w))
    features = rng.normal(size=(batch, channels, h + down, w + right))
    expected = np.zeros((batch, count, rows, columns))
    for b in range(batch):
        for s in range(count):
            for y in range(rows):
                for x in range(columns):
                    expected[b, s, y, x] = np.sum(kernels[b, s] * features[b, :, y : y + h, x : x + w])
    actual = cross_correlation(torch.from_numpy(kernels), torch.from_numpy(features))
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-10, atol=1e-10)


def test_cross_correlation_takes_any_memory_layout() -> None:
    generator = torch.Generator().manual_seed(0)
    kernels = torch.randn(3, 1, 4, 2, 2, generator=generator)
    features = torch.randn(3, 4, 5, 6, generator=generator)
    last = features.to(memory_format=torch.channels_last)
    torch.testing.assert_close(cross_correlation(kernels, last), cross_correlation(kernels, features))


def test_head_scales_and_shifts_the_correlation() -> None:
    head = CorrelationHead(0.25)
    with torch.no_grad():
        head.bias.fill_(-3.0)
        kernels, features = torch.ones(1, 1, 2, 1, 1), torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
        torch.testing.assert_close(head.correlate(kernels, features), torch.tensor([[[[1.0, 1.5]]]]))
        torch.testing.assert_close(head(kernels, features), torch.tensor([[[[-2.0, -1.5]]]]))


@pytest.mark.parametrize("scale", [1e-3, 12 / 64])
def test_head_starts_at_its_scale_without_bias(scale: float) -> None:
    head = CorrelationHead(scale)
    assert head.log_scale.exp().item() == pytest.approx(scale, rel=1e-6)
    assert head.bias.item() == 0
    assert head.log_scale.shape == head.bias.shape == ()
