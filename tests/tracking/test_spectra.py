"""Transforms of small kernels in large maps, against the whole transforms of PyTorch."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.tracking.spectra import corner_of, padded_spectrum

SIZES = st.integers(1, 9).flatmap(lambda size: st.tuples(st.just(size), st.integers(size, 33)))
"""Sides of a kernel and of the map, even and odd."""


def random_maps(side: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(3, side, side, dtype=dtype, generator=torch.Generator().manual_seed(side))


@settings(deadline=None)
@given(SIZES, st.sampled_from([torch.float32, torch.float64]))
def test_the_spectrum_of_a_padded_kernel(sizes: tuple[int, int], dtype: torch.dtype) -> None:
    size, side = sizes
    kernel = random_maps(size, dtype)
    expected = torch.view_as_real(torch.fft.rfft2(kernel, s=(side, side))).flatten(1)
    torch.testing.assert_close(padded_spectrum(kernel, side), expected, atol=1e-4, rtol=1e-5)


@settings(deadline=None)
@given(SIZES, st.sampled_from([torch.float32, torch.float64]))
def test_the_corner_of_the_maps_of_a_spectrum(sizes: tuple[int, int], dtype: torch.dtype) -> None:
    size, side = sizes
    maps = random_maps(side, dtype)
    found = corner_of(torch.view_as_real(torch.fft.rfft2(maps)), size)
    torch.testing.assert_close(found, maps[:, :size, :size], atol=1e-4, rtol=1e-5)


def test_gradients_pass_also_after_inference() -> None:
    size = 31  # of no other test: the matrices are made once
    kernel = random_maps(size, torch.float64)
    with torch.inference_mode():
        padded_spectrum(kernel, size)
    assert torch.autograd.gradcheck(lambda each: padded_spectrum(each, size), kernel[:1, :, :].requires_grad_())
