"""Augmentation changes what it says and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siamtrack.boxes import Image
from siamtrack.training.augmentation import PhotometricSettings, low_resolution, motion_blur, photometric, to_gray

NAMES = tuple(PhotometricSettings.model_fields)
OFF = PhotometricSettings(**dict.fromkeys(NAMES, 0))
SEEDS = st.integers(0, 2**32 - 1)


def only(**strengths: float) -> PhotometricSettings:
    """Nothing but these changes."""
    return PhotometricSettings(**{**dict.fromkeys(NAMES, 0), **strengths})


def colors(seed: int = 0, low: int = 0, high: int = 256) -> Image:
    return np.random.default_rng(seed).integers(low, high, (48, 64, 3), np.uint8)


def all_levels() -> Image:
    """Each of the 256 levels in each channel, in three orders."""
    levels = np.arange(256, dtype=np.uint8)
    return np.dstack([levels, levels[::-1], np.roll(levels, 100)]).reshape(16, 16, 3)


def luminance(image: Image) -> NDArray[np.float64]:
    """Rec. 601, from BGR."""
    return image @ np.array([0.114, 0.587, 0.299])


def white_pixel(side: int = 41) -> Image:
    image = np.zeros((side, side, 3), np.uint8)
    image[side // 2, side // 2] = 255
    return image


def stripes(width: int = 64) -> Image:
    """Black and white columns, one pixel wide."""
    return np.broadcast_to(
        np.uint8(255) * (np.arange(width) % 2).astype(np.uint8)[None, :, None], (48, width, 3)
    ).copy()


def test_gray_of_pure_colors_is_their_luminance() -> None:
    image = np.array([[(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]], np.uint8)
    np.testing.assert_array_equal(to_gray(image)[0, :, 0], [29, 150, 76, 255, 0])  # 0.114, 0.587, 0.299 of 255


def test_gray_has_equal_channels_and_the_same_luminance() -> None:
    image = all_levels()
    gray = to_gray(image)
    assert gray.shape == image.shape
    assert gray.dtype == np.uint8
    assert (gray == gray[:, :, :1]).all()
    assert np.abs(luminance(gray) - luminance(image)).max() <= 0.51
    np.testing.assert_array_equal(to_gray(gray), gray)


@pytest.mark.parametrize(
    ("angle", "step"),
    [(0, (0, 1)), (math.pi / 2, (1, 0)), (math.pi, (0, 1))],
    ids=["across", "down", "half a turn"],
)
def test_motion_blur_makes_a_line_of_its_length(angle: float, step: tuple[int, int]) -> None:
    expected = np.zeros((41, 41, 3), np.uint8)
    for position in range(-3, 4):
        expected[20 + position * step[0], 20 + position * step[1]] = 36  # 255 / 7
    np.testing.assert_array_equal(motion_blur(white_pixel(), 7, angle), expected)


def test_motion_blur_at_45_degrees_goes_down_to_the_right() -> None:
    rows, columns = np.nonzero(motion_blur(white_pixel(), 9, math.pi / 4)[:, :, 0])
    np.testing.assert_array_equal(rows, columns)  # y grows downwards
    assert rows.min() + rows.max() == 40
    assert len(rows) == 7  # of 9 pixels along the diagonal, 9 / sqrt(2) = 6.4 steps


@settings(deadline=None)
@given(length=st.floats(3, 15), angle=st.floats(0, math.pi))
def test_motion_blur_keeps_the_light_and_its_center(length: float, angle: float) -> None:
    image = white_pixel()
    blurred = motion_blur(image, length, angle)[:, :, 0].astype(float)
    lit = np.count_nonzero(blurred)
    assert lit >= 2
    assert abs(blurred.sum() - 255) <= lit / 2  # each level is rounded
    rows, columns = np.nonzero(blurred)
    weights = blurred[rows, columns]
    assert np.average(rows, weights=weights) == pytest.approx(20, abs=0.5)
    assert np.average(columns, weights=weights) == pytest.approx(20, abs=0.5)
    assert (image == white_pixel()).all()


@settings(deadline=None)
@given(length=st.floats(9, 15), angle=st.floats(0, math.pi))
def test_motion_blur_spreads_along_its_angle(length: float, angle: float) -> None:
    rows, columns = np.nonzero(motion_blur(white_pixel(), length, angle)[:, :, 0])
    along = (columns - 20) * math.cos(angle) + (rows - 20) * math.sin(angle)
    across = (rows - 20) * math.cos(angle) - (columns - 20) * math.sin(angle)
    assert np.abs(across).max() <= 1  # half a pixel each way along both axes is less than one across
    assert np.ptp(along) + 1 == pytest.approx(length, abs=1.5)


@settings(deadline=None)
@given(level=st.integers(0, 255), length=st.floats(3, 15), angle=st.floats(0, math.pi))
def test_motion_blur_leaves_a_constant_picture(level: int, length: float, angle: float) -> None:
    image = np.full((20, 30, 3), level, np.uint8)
    np.testing.assert_array_equal(motion_blur(image, length, angle), image)


@settings(deadline=None)
@given(level=st.integers(0, 255), factor=st.floats(1.5, 4), size=st.tuples(st.integers(1, 70), st.integers(1, 70)))
def test_low_resolution_keeps_a_constant_picture(level: int, factor: float, size: tuple[int, int]) -> None:
    image = np.full((*size, 3), level, np.uint8)
    np.testing.assert_array_equal(low_resolution(image, factor), image)


@pytest.mark.parametrize("factor", [2.0, 4.0])
def test_low_resolution_makes_gray_of_fine_stripes(factor: float) -> None:
    image = stripes()
    reduced = low_resolution(image, factor)
    assert np.abs(reduced.astype(float) - 127.5).max() <= 1
    np.testing.assert_array_equal(image, stripes())


@settings(deadline=None)
@given(factor=st.floats(1.5, 4))
def test_low_resolution_removes_most_of_fine_stripes(factor: float) -> None:
    reduced = low_resolution(stripes(), factor).astype(float)
    assert np.abs(np.diff(reduced, axis=1)).max() < 255 / 3
    assert reduced.mean() == pytest.approx(127.5, abs=4)


def test_low_resolution_keeps_what_is_coarse() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 32:] = (40, 120, 250)
    reduced = low_resolution(image, 4)
    np.testing.assert_array_equal(reduced[:, :28], image[:, :28])
    np.testing.assert_array_equal(reduced[:, 36:], image[:, 36:])
    assert (np.diff(reduced[0, :, 2].astype(int)) >= 0).all()
    assert len(np.unique(reduced[0, :, 2])) > 2  # the edge is soft


@settings(deadline=None)
@given(SEEDS)
def test_without_any_strength_a_picture_stays(seed: int) -> None:
    image = all_levels()
    np.testing.assert_array_equal(photometric(image, OFF, np.random.default_rng(seed)), image)


@settings(deadline=None)
@given(SEEDS, st.sampled_from([0.5, 1.0]))
def test_the_same_generator_gives_the_same_picture(seed: int, chance: float) -> None:
    image = colors()
    light = PhotometricSettings(
        blur=chance, motion_blur=chance, low_resolution=chance, noise=chance, jpeg=chance
    )  # and some of each tone
    first = photometric(image, light, np.random.default_rng(seed))
    second = photometric(image, light, np.random.default_rng(seed))
    np.testing.assert_array_equal(first, second)
    other = photometric(image, light, np.random.default_rng(seed + 1))
    assert (first != other).any()
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(image, colors())  # what came in is not changed


@pytest.mark.parametrize("name", NAMES)
def test_each_strength_changes_the_picture_by_itself(name: str) -> None:
    image = colors()
    changed = photometric(image, only(**{name: 1.0}), np.random.default_rng(0))
    assert np.abs(changed.astype(int) - image).mean() > 1
    np.testing.assert_array_equal(image, colors())


@settings(deadline=None)
@given(SEEDS)
def test_brightness_adds_the_same_everywhere(seed: int) -> None:
    image = colors(low=60, high=190)
    added = photometric(image, only(brightness=0.2), np.random.default_rng(seed)).astype(int) - image
    assert np.ptp(added) == 0
    assert abs(added).max() <= 0.2 * 255 + 1


@settings(deadline=None)
@given(SEEDS)
def test_contrast_turns_about_the_middle(seed: int) -> None:
    image = colors(low=40, high=216)
    changed = photometric(image, only(contrast=0.2), np.random.default_rng(seed))
    slope, offset = np.polyfit(image.ravel() - 127.5, changed.ravel() - 127.5, 1)
    assert 0.79 < slope < 1.21
    assert abs(offset) <= 1
    assert np.abs(changed - 127.5 - (image - 127.5) * slope).max() <= 1.5


@settings(deadline=None)
@given(SEEDS)
def test_gamma_keeps_black_white_and_the_order_between(seed: int) -> None:
    levels = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 256, 1), 3, axis=2)
    changed = photometric(levels, only(gamma=0.2), np.random.default_rng(seed))[0, :, 0].astype(int)
    assert changed[0] == 0
    assert changed[255] >= 254
    assert (np.diff(changed) >= 0).all()
    gamma = math.log(changed[128] / 255) / math.log(128 / 255)
    assert math.exp(-0.22) < gamma < math.exp(0.22)


@settings(deadline=None)
@given(SEEDS)
def test_saturation_moves_colors_to_gray_or_away_and_keeps_their_luminance(seed: int) -> None:
    image = colors(low=90, high=166)
    changed = photometric(image, only(saturation=0.3), np.random.default_rng(seed))
    assert np.abs(luminance(changed) - luminance(image)).max() <= 1.1
    gray = to_gray(image).astype(float)
    before, after = (image - gray).ravel(), (changed - gray).ravel()
    factor = float(before @ after / (before @ before))
    assert 0.69 < factor < 1.31
    assert np.abs(after - before * factor).max() <= 1
    np.testing.assert_array_equal(photometric(to_gray(image), only(saturation=0.3), np.random.default_rng(seed)), gray)


@settings(deadline=None)
@given(SEEDS)
def test_noise_has_the_strength_of_a_sensor(seed: int) -> None:
    image = np.full((48, 64, 3), 128, np.uint8)
    noisy = photometric(image, only(noise=1), np.random.default_rng(seed)).astype(float)
    assert 1.9 < noisy.std() < 10.5
    assert noisy.mean() == pytest.approx(128, abs=1)
    # Each pixel and each channel has its own.
    assert abs(np.corrcoef(noisy[:, :-1].ravel(), noisy[:, 1:].ravel())[0, 1]) < 0.1
    assert abs(np.corrcoef(noisy[:, :, 0].ravel(), noisy[:, :, 1].ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("name", ["blur", "motion_blur", "low_resolution"])
def test_what_removes_detail_leaves_a_constant_picture_and_makes_noise_smaller(name: str) -> None:
    constant = np.full((48, 64, 3), (30, 130, 230), np.uint8)
    np.testing.assert_array_equal(photometric(constant, only(**{name: 1.0}), np.random.default_rng(5)), constant)
    assert photometric(colors(), only(**{name: 1.0}), np.random.default_rng(5)).std() < 0.8 * colors().std()


def test_probabilities_are_how_often_it_happens() -> None:
    image = colors()
    rng = np.random.default_rng(0)
    changed = [bool((photometric(image, only(noise=0.3), rng) != image).any()) for _ in range(400)]
    assert 0.2 < np.mean(changed) < 0.4  # 4 standard deviations


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_impossible_strengths_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        PhotometricSettings(**{name: value})
