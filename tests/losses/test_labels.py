"""Ground truth on the response grid, against loops written by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.losses.labels import disc_labels, gaussian_labels, grid_offsets


def distance_by_hand(center: tuple[float, float], row: int, column: int, size: int, stride: int, side: int) -> float:
    """Cell (row, column) stands for a displacement from the center of the search crop."""
    x = side / 2 + (column - (size - 1) / 2) * stride
    y = side / 2 + (row - (size - 1) / 2) * stride
    return math.hypot(x - center[0], y - center[1])


@pytest.mark.parametrize(("size", "stride", "side"), [(17, 8, 255), (15, 8, 239), (33, 4, 255), (25, 8, 256)])
def test_offsets_are_the_distances_of_the_cells(size: int, stride: int, side: int) -> None:
    center = (101.5, 140.25)
    offsets = grid_offsets(torch.tensor([center]), size, stride, side)[0]
    for row in range(0, size, 5):
        for column in range(0, size, 3):
            expected = distance_by_hand(center, row, column, size, stride, side)
            assert float(offsets[row, column].norm()) == pytest.approx(expected, abs=1e-4)


def test_a_centerd_target_has_the_papers_thirteen_positive_cells() -> None:
    offsets = grid_offsets(torch.tensor([[127.5, 127.5]]), 17, 8, 255)
    labels = disc_labels(offsets, 16.0)
    assert labels.sum() == 13  # 16 px are 2 cells of stride 8
    assert labels[0, 8, 8] == labels[0, 6, 8] == labels[0, 8, 10] == 1
    assert labels[0, 6, 7] == 0


@given(x=st.floats(60, 196), y=st.floats(60, 196))
def test_gaussian_labels_are_a_probability_around_the_target(x: float, y: float) -> None:
    offsets = grid_offsets(torch.tensor([[x, y]], dtype=torch.float64), 25, 8, 256)
    labels = gaussian_labels(offsets, 6.0)[0]
    assert float(labels.sum()) == pytest.approx(1)
    column = float((labels.sum(0) * torch.arange(25)).sum())
    row = float((labels.sum(1) * torch.arange(25)).sum())
    # A Gaussian sampled every 8 px keeps its mean to a small part of a cell.
    assert 128 + (column - 12) * 8 == pytest.approx(x, abs=1)
    assert 128 + (row - 12) * 8 == pytest.approx(y, abs=1)


def test_no_target_means_no_positive_cell() -> None:
    offsets = grid_offsets(torch.tensor([[math.nan, math.nan]]), 17, 8, 255)
    assert disc_labels(offsets, 16.0).sum() == 0
    assert gaussian_labels(offsets, 6.0).sum() == 0
