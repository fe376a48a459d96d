"""Changes of patches."""

from __future__ import annotations

import numpy as np
import pytest

from siamtrack.verification.augmentation import PatchAugmentation, augment_patches

PATCHES = np.random.default_rng(3).integers(0, 256, (6, 3, 9, 9), dtype=np.uint8)


def test_no_change_is_no_change() -> None:
    assert np.array_equal(augment_patches(PATCHES, PatchAugmentation(), np.random.default_rng(0)), PATCHES)


def test_a_quarter_turn_is_one() -> None:
    """Of many draws of up to 90 degrees, none leaves the middle pixel, and the most extreme is near a quarter turn."""
    patch = np.zeros((400, 1, 9, 9), np.uint8)
    patch[:, 0, 4, 4] = patch[:, 0, 4, 8] = 200
    turned = augment_patches(patch, PatchAugmentation(rotation=90), np.random.default_rng(0))
    assert np.abs(turned[:, 0, 4, 4].astype(int) - 200).max() <= 1
    assert turned[:, 0, 8, 4].max() > 180
    assert turned[:, 0, 0, 4].max() > 180
    assert turned[:, 0, 4, 0].max() < 20  # a half turn is out of reach


def test_a_shift_stays_within_its_bound() -> None:
    patch = np.zeros((300, 1, 10, 10), np.uint8)
    patch[:, 0, 5, 5] = 255
    shifted = augment_patches(patch, PatchAugmentation(shift=0.2), np.random.default_rng(0)).sum(axis=(0, 1))
    lit = np.argwhere(shifted > 0)
    assert lit.min() == 3  # two pixels of ten to each side
    assert lit.max() == 7


def test_the_mirror_turns_every_second_patch_round() -> None:
    same = np.broadcast_to(PATCHES[:1], (200, 3, 9, 9)).copy()
    changed = augment_patches(same, PatchAugmentation(flip=True), np.random.default_rng(0))
    turned = [np.array_equal(patch, PATCHES[0, :, :, ::-1]) for patch in changed]
    assert 70 < sum(turned) < 130
    assert all(each or np.array_equal(patch, PATCHES[0]) for each, patch in zip(turned, changed, strict=True))


@pytest.mark.parametrize("channels", [1, 3])
def test_light_changes_without_wrapping_around(channels: int) -> None:
    patch = np.full((50, channels, 4, 4), 250, np.uint8)
    lit = augment_patches(patch, PatchAugmentation(brightness=0.2, contrast=0.2), np.random.default_rng(0))
    assert lit.min() > 150
    assert lit.max() == 255
