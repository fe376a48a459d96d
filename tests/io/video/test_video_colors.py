"""The colors of a video against the standard's formulas, in floating point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siamtrack.io.video.colors import _convert, into_yuv420

Plane = NDArray[np.float64]


def in_floats(picture: NDArray[np.uint8]) -> tuple[Plane, Plane, Plane]:
    """ITU-R BT.709-6, items 3.2, 3.3 and 4.6 (8 bits), with the chroma of the mean of two by two pixels."""
    height, width = picture.shape[:2]

    def parts(pixels: Plane) -> tuple[Plane, Plane, Plane]:
        blue, green, red = np.moveaxis(pixels / 255, -1, 0)
        luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        return 219 * luma + 16, 224 * (blue - luma) / 1.8556 + 128, 224 * (red - luma) / 1.5748 + 128

    means = picture.reshape(height // 2, 2, width // 2, 2, 3).mean((1, 3))
    _, of_blue, of_red = parts(means)
    return parts(picture.astype(np.float64))[0], of_blue, of_red


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([0, 1, 30]), st.integers(0, 1000))
def test_it_is_the_standard_rounded(rows: int, columns: int, longer: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (2 * rows, 2 * columns, 3), np.uint8)
    luma = np.full((2 * rows, 2 * columns + longer), 7, np.uint8)
    of_blue, of_red = np.full((2, rows, columns + longer), 7, np.uint8)
    into_yuv420(picture, luma, of_blue, of_red)
    for plane, expected in zip((luma, of_blue, of_red), in_floats(picture), strict=True):
        found = plane[:, : expected.shape[1]]
        assert np.abs(found - expected).max() <= 0.5 + 1e-3
        assert (plane[:, expected.shape[1] :] == 7).all()  # what is behind the picture's lines stays


def test_it_is_compiled_before_the_first_picture() -> None:
    before = _convert.signatures
    picture = np.zeros((2, 2, 3), np.uint8)
    into_yuv420(picture, *np.zeros((3, 2, 2), np.uint8))
    picture.flags.writeable = False
    into_yuv420(picture, *np.zeros((3, 2, 2), np.uint8))
    assert len(before) == 1
    assert _convert.signatures == before


@pytest.mark.parametrize("level", range(0, 256, 15))
def test_gray_has_no_tint(level: int) -> None:
    luma, of_blue, of_red = (np.zeros(shape, np.uint8) for shape in ((4, 6), (2, 3), (2, 3)))
    into_yuv420(np.full((4, 6, 3), level, np.uint8), luma, of_blue, of_red)
    assert (luma == round(16 + 219 * level / 255)).all()
    assert (of_blue == 128).all()
    assert (of_red == 128).all()


def test_a_part_of_a_larger_picture_is_read_as_it_stands_there() -> None:
    whole = np.random.default_rng(0).integers(0, 256, (8, 10, 3), np.uint8)
    whole.flags.writeable = False
    part = whole[2:6, 4:8]
    luma, of_blue, of_red = (np.zeros(shape, np.uint8) for shape in ((4, 4), (2, 2), (2, 2)))
    into_yuv420(part, luma, of_blue, of_red)
    for plane, expected in zip((luma, of_blue, of_red), in_floats(part), strict=True):
        assert np.abs(plane - expected).max() <= 0.5 + 1e-3
