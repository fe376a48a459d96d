"""Loss of boxes, against overlaps worked out by hand and the package's own IoU."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box, iou
from siamtrack.losses.box import box_loss, generalized_iou
from siamtrack.losses.labels import grid_offsets

sides = st.floats(1, 50)
places = st.floats(-60, 60)
rows = st.tuples(places, places, sides, sides)


@given(a=rows, b=rows)
def test_overlap_is_that_of_the_package_and_never_below_the_generalized_one(
    a: tuple[float, ...], b: tuple[float, ...]
) -> None:
    generalized, overlap = generalized_iou(*(torch.tensor([box], dtype=torch.float64) for box in (a, b)))
    expected = iou(np.array(Box.from_center(*a)), np.array(Box.from_center(*b)))
    assert float(overlap) == pytest.approx(float(expected), abs=1e-9)
    assert -1 < float(generalized) <= float(overlap) + 1e-12


def test_generalized_overlap_by_hand() -> None:
    # Two unit squares with a gap of one: union 2, hull 3.
    apart, _ = generalized_iou(torch.tensor([[0.5, 0.5, 1, 1]]), torch.tensor([[2.5, 0.5, 1, 1]]))
    assert float(apart) == pytest.approx(-1 / 3)


def perfect(
    center: tuple[float, float], size: tuple[float, float], exemplar: tuple[float, float]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Maps of 5 x 5 cells of stride 8 that read the truth everywhere, and the truth."""
    cells = grid_offsets(torch.tensor([center]), 5, 8, 64)
    offsets = -cells.permute(0, 3, 1, 2)
    ratios = torch.tensor([[math.log(size[axis] / exemplar[axis]) for axis in (0, 1)]])
    logs = ratios[:, :, None, None].expand(1, 2, 5, 5)
    near = cells.square().sum(-1) <= 10**2
    quality = torch.where(near, 40.0, -40.0)
    return offsets, logs, quality, torch.tensor([exemplar]), cells, torch.tensor([size])


def test_the_truth_costs_nothing() -> None:
    *read, exemplar, cells, sizes = perfect((35.0, 30.0), (20.0, 12.0), (16.0, 16.0))
    found = box_loss((read[0], read[1], read[2]), exemplar, cells, sizes, radius=10)
    assert float(found.loss) == pytest.approx(0, abs=1e-5)
    assert float(found.overlap) == pytest.approx(1)


def test_a_wrong_size_costs_what_it_overlaps_less() -> None:
    offsets, logs, quality, exemplar, cells, sizes = perfect((32.0, 32.0), (20.0, 10.0), (20.0, 10.0))
    wide = logs + torch.tensor([math.log(2), 0.0])[None, :, None, None]
    found = box_loss((offsets, wide, quality), exemplar, cells, sizes, radius=10)
    assert float(found.overlap) == pytest.approx(0.5)
    # GIoU: union is hull. Size: |ln 2| less half of beta, and 0 for the height. Quality: a sure 1 where 0.5 is right.
    expected = 2 * 0.5 + (math.log(2) - 0.05) / 2 + 0.5 * 0.5 * 40
    assert float(found.loss) == pytest.approx(expected, rel=1e-4)


def test_far_cells_may_read_what_they_like_if_they_expect_nothing() -> None:
    offsets, logs, quality, exemplar, cells, sizes = perfect((32.0, 32.0), (20.0, 10.0), (20.0, 10.0))
    far = (cells.square().sum(-1) > 10**2)[:, None]
    found = box_loss(
        (torch.where(far, 99.0, offsets), torch.where(far, 2.0, logs), quality), exemplar, cells, sizes, 10
    )
    assert float(found.loss) == pytest.approx(0, abs=1e-5)


def test_without_a_target_only_the_expectation_counts_and_gradients_are_finite() -> None:
    cells = torch.full((2, 5, 5, 2), math.nan)
    read = [torch.randn(2, 2, 5, 5), torch.randn(2, 2, 5, 5), torch.zeros(2, 5, 5)]
    leaves = [value.requires_grad_() for value in read]
    found = box_loss((leaves[0], leaves[1], leaves[2]), torch.ones(2, 2), cells, torch.full((2, 2), math.nan), 10)
    assert float(found.loss.detach()) == pytest.approx(0.5 * math.log(2))
    assert math.isnan(float(found.overlap))
    found.loss.backward()
    assert leaves[2].grad is not None
    assert torch.isfinite(leaves[2].grad).all()
