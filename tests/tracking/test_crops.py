import math

import cv2
import numpy as np
import pytest
import reference_loop
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scenes import texture

from siamtrack.errors import UsageError
from siamtrack.tracking.crops import (
    PADDED_SIDE,
    Square,
    crop,
    crop_middle_into,
    crop_whole_pixels_into,
    exemplar_side,
    mean_color,
)

BORDER = (10.0, 120.0, 240.0)


def slow_crop(
    image: NDArray[np.uint8], center: tuple[float, float], side: float, size: int, border: tuple[float, float, float]
) -> NDArray[np.float64]:
    """One pixel after the other, from the definition: bilinear between pixel centers, border color outside."""

    def pixel(column: int, row: int) -> NDArray[np.float64]:
        inside = 0 <= column < image.shape[1] and 0 <= row < image.shape[0]
        return image[row, column].astype(np.float64) if inside else np.array(border)

    out = np.empty((size, size, 3))
    for i in range(size):
        for j in range(size):
            # Continuous position in the frame; pixel n has its center at n + 0.5.
            x = center[0] - side / 2 + (j + 0.5) * side / size - 0.5
            y = center[1] - side / 2 + (i + 0.5) * side / size - 0.5
            column, row = math.floor(x), math.floor(y)
            right, down = x - column, y - row
            upper = (1 - right) * pixel(column, row) + right * pixel(column + 1, row)
            lower = (1 - right) * pixel(column, row + 1) + right * pixel(column + 1, row + 1)
            out[i, j] = (1 - down) * upper + down * lower
    return out


@settings(deadline=None, max_examples=100)
@given(
    x=st.floats(-40, 80),
    y=st.floats(-40, 70),
    side=st.floats(0.5, 90),
    size=st.integers(1, 12),
    seed=st.integers(0, 5),
)
def test_crop_equals_slow_sampling(x: float, y: float, side: float, size: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    expected = slow_crop(image, (x, y), side, size, BORDER)
    assert np.abs(crop(image, (x, y), side, size, BORDER) - expected).max() <= 1


def test_crop_of_the_own_size_is_the_pixels_themselves() -> None:
    image = texture(50, 60, 0)
    np.testing.assert_array_equal(crop(image, (20.0, 30.0), 16.0, 16, BORDER), image[22:38, 12:28])


def test_crop_far_outside_is_border() -> None:
    assert (crop(texture(50, 60, 0), (1e5, -1e5), 20.0, 16, BORDER) == np.array(BORDER)).all()


@pytest.mark.parametrize("side", [0.0, -3.0, math.nan, math.inf])
def test_impossible_side_is_refused(side: float) -> None:
    with pytest.raises(UsageError, match="cannot crop a square of side"):
        crop(texture(50, 60, 0), (20.0, 20.0), side, 16, BORDER)


def test_center_that_is_not_finite_is_refused() -> None:
    with pytest.raises(UsageError, match="around nan,20"):
        crop(texture(50, 60, 0), (math.nan, 20.0), 10.0, 16, BORDER)


def whole(image: NDArray[np.uint8], square: Square, size: int) -> NDArray[np.uint8]:
    out = np.empty((size, size, 3), np.uint8)
    crop_whole_pixels_into(out, image, square, BORDER)
    return out


@settings(deadline=None)
@given(
    left=st.integers(-70, 70),
    top=st.integers(-70, 60),
    side=st.integers(1, 130),
    size=st.sampled_from([1, 7, 63, 127]),
)
def test_whole_pixel_crop_is_that_of_a_padded_frame_to_the_bit(left: int, top: int, side: int, size: int) -> None:
    image = texture(50, 60, 1)
    over = 200
    padded = cv2.copyMakeBorder(image, over, over, over, over, cv2.BORDER_CONSTANT, value=BORDER)
    square = padded[top + over : top + over + side, left + over : left + over + side]
    expected = cv2.resize(square, (size, size), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(whole(image, Square(left, top, side), size), expected)


@pytest.mark.parametrize("square", [Square(10, 12, 21), Square(-9, -5, 30), Square(40, 30, 33)])
def test_both_crops_agree_inside_the_rim(square: Square) -> None:
    image = texture(50, 60, 2)
    center = (square.left + square.side / 2, square.top + square.side / 2)
    one = crop(image, center, square.side, 64, BORDER).astype(int)
    other = whole(image, square, 64).astype(int)
    assert np.abs(one - other)[4:-4, 4:-4].max() <= 1


@settings(deadline=None)
@given(
    left=st.integers(-150, 70),
    top=st.integers(-150, 60),
    side=st.integers(20, 190),
    sizes=st.sampled_from([(128, 96), (127, 63), (255, 159)]),
)
def test_the_middle_is_that_of_the_whole_crop(left: int, top: int, side: int, sizes: tuple[int, int]) -> None:
    image, square = texture(50, 60, 2), Square(left, top, side)
    size, part = sizes
    found = np.empty((part, part, 3), np.uint8)
    crop_middle_into(found, image, square, size, BORDER)
    inner = slice((size - part) // 2, (size + part) // 2)
    assert np.abs(found.astype(int) - whole(image, square, size)[inner, inner]).max() <= 1


def test_square_much_larger_than_the_frame_is_never_built() -> None:
    # A million pixels square would need 3 TB; one pixel of the crop sees the frame at most.
    out = whole(texture(50, 60, 3), Square(-500_000, -500_000, 1_000_000), 255)
    assert (out == np.array(BORDER)).all(axis=2).sum() >= 255 * 255 - 1


def test_large_overhanging_square_is_warped_to_the_same_picture() -> None:
    image = texture(900, 1200, 4)
    square = Square(-600, -500, PADDED_SIDE + 100)
    center = (square.left + square.side / 2, square.top + square.side / 2)
    np.testing.assert_array_equal(whole(image, square, 100), crop(image, center, square.side, 100, BORDER))


def test_frames_that_are_views_are_cropped_alike() -> None:
    image = texture(50, 60, 5)
    for view in (image[:, ::-1], image[..., ::-1], image[::2, ::2]):
        copy = np.ascontiguousarray(view)
        for square in (Square(2, 2, 15), Square(-5, -5, 20)):
            np.testing.assert_array_equal(whole(view, square, 31), whole(copy, square, 31))
        np.testing.assert_array_equal(
            crop(view, (9.3, 8.2), 12.0, 31, BORDER), crop(copy, (9.3, 8.2), 12.0, 31, BORDER)
        )


def test_mean_color() -> None:
    image = texture(20, 30, 6)
    assert mean_color(image) == pytest.approx(image.reshape(-1, 3).mean(axis=0))


def test_exemplar_side_of_the_paper() -> None:
    # Square target, context 1/2: p = (w + h) / 2 = w, so the side is twice the target's.
    assert exemplar_side(30, 30, 0.5) == pytest.approx(60)
    assert exemplar_side(20, 60, 0.5) == pytest.approx(math.sqrt((20 + 40) * (60 + 40)))
    assert exemplar_side(20, 45, 0.0) == pytest.approx(30)


def test_reference_crop_is_the_whole_pixel_crop() -> None:
    image = texture(90, 80, 7)
    reference_loop.padded_crop.color = [*BORDER[::-1]]
    rgb = reference_loop.padded_crop(np.ascontiguousarray(image[..., ::-1]), np.array([40.2, 70.6]), 61.4, 127)
    # Row and column of the center count from the middle of pixel 0: 40.2 - 30 rounds to 10, 70.6 - 30 to 41.
    np.testing.assert_array_equal(rgb[..., ::-1], whole(image, Square(41, 10, 61), 127))
