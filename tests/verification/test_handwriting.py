"""The branch for handwriting: what it does not see, and its gradients."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from siamtrack.errors import UsageError
from siamtrack.verification.handwriting import DIRECTIONS, HandwritingBranch, upright

SIDE = 24


def stroke(slant: float = 0.0, shift: tuple[float, float] = (0.0, 0.0), size: float = 1.0) -> Tensor:
    """A hook on black ground, drawn finely and then reduced: `(1, 1, SIDE, SIDE)`, 0..255."""
    fine = 8
    points = size * np.array([(-0.2, -0.35), (0.15, -0.3), (0.2, -0.05), (0.0, 0.1), (-0.05, 0.35)])
    points[:, 0] += slant * points[:, 1] + shift[0]
    points[:, 1] += shift[1]
    pixels = np.rint((points + 0.5) * SIDE * fine).astype(np.int32)
    image = np.zeros((SIDE * fine, SIDE * fine), np.uint8)
    cv2.polylines(image, [pixels], False, 255, round(0.08 * size * SIDE * fine), cv2.LINE_AA)
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small).float()[None, None]


def spread(image: Tensor) -> tuple[float, float, float, float, float]:
    """Mean x and y in halves of the side, and variances and covariance."""
    ink = image[0, 0].double()
    ink = ink / ink.sum()
    places = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    y, x = torch.meshgrid(places, places, indexing="ij")
    mx, my = float((ink * x).sum()), float((ink * y).sum())
    return (
        mx,
        my,
        float((ink * (x - mx) ** 2).sum()),
        float((ink * (y - my) ** 2).sum()),
        float((ink * (x - mx) * (y - my)).sum()),
    )


def test_upright_strokes_are_in_the_middle_and_do_not_slant() -> None:
    mx, my, wide, high, together = spread(upright(stroke(slant=0.4, shift=(0.06, -0.05)) / 255))
    assert (mx, my) == pytest.approx((0, 0), abs=0.02)
    assert abs(together) < 0.03 * math.sqrt(wide * high)


@pytest.mark.parametrize(
    "other", [stroke(slant=0.3), stroke(shift=(0.08, 0.04)), 0.4 * stroke() + 60], ids=["slanted", "moved", "pale"]
)
def test_slant_place_and_light_matter_less_than_the_shape(other: Tensor) -> None:
    branch = HandwritingBranch(size=SIDE)
    same = branch.gradients(upright(torch.cat([stroke(), other]) / 255))
    mirrored = branch.gradients(upright(torch.cat([stroke(), stroke().flip(-1)]) / 255))
    assert (same[0] - same[1]).norm() < 0.5 * (mirrored[0] - mirrored[1]).norm()


@pytest.mark.parametrize("direction", range(DIRECTIONS))
def test_a_ramp_has_gradients_of_its_own_direction(direction: int) -> None:
    angle = direction * 2 * math.pi / DIRECTIONS
    places = torch.arange(16.0)
    ramp = 0.5 + 0.02 * (places[None, :] * math.cos(angle) + places[:, None] * math.sin(angle))
    found = HandwritingBranch(size=16).gradients(ramp[None, None])
    assert found.shape == (1, DIRECTIONS, 8, 8)
    assert float(found.norm()) == pytest.approx(1)
    # Inside, where no border is seen; a gradient is seen by its neighbors as well, by the cosine to the third, rooted.
    inside = found[0, :, 2:6, 2:6].mean((1, 2))
    around = torch.tensor([max(math.cos(angle - k * 2 * math.pi / DIRECTIONS), 0.0) ** 1.5 for k in range(DIRECTIONS)])
    torch.testing.assert_close(inside / inside.max(), around, atol=2e-3, rtol=0)


def test_an_empty_patch_is_embedded_as_well() -> None:
    branch = HandwritingBranch(dimension=8).eval()
    found = branch(torch.stack([torch.zeros(1, 16, 16), torch.full((1, 16, 16), 255.0)]))
    assert found.isfinite().all()
    torch.testing.assert_close(found[0], found[1])


def test_fresh_weights_keep_distances_and_come_from_the_generator() -> None:
    patches = 255 * torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    branch, again = (HandwritingBranch(3, 16, 512, normalize=False).eval() for _ in range(2))
    for each in (branch, again):
        each.initialize(torch.Generator().manual_seed(3))
    assert torch.equal(branch.embed.weight, again.embed.weight)
    features = branch.gradients(upright(patches.mean(1, keepdim=True) / 255)).flatten(1) / math.sqrt(1.01)
    torch.testing.assert_close(torch.pdist(branch(patches)), torch.pdist(features))


def test_patches_of_other_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="give an even number of 8 or more"):
        HandwritingBranch(size=15)
    with pytest.raises(UsageError, match=r"give \(B, 1, 16, 16\)"):
        HandwritingBranch()(torch.zeros(2, 3, 16, 16))
