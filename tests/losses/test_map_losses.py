"""Losses on the maps of a tracker, against loops over cells and pairs of cells."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from siamtrack.losses.contrastive import contrastive_map_loss
from siamtrack.losses.triplet import triplet_map_loss


def example(share: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three maps of values 0 or more, and labels."""
    generator = torch.Generator().manual_seed(seed)
    values = 4 * torch.rand(3, 5, 5, generator=generator, dtype=torch.float64)
    return values, (torch.rand(3, 5, 5, generator=generator) < share).double()


def cells(values: Tensor, labels: Tensor, label: int) -> list[float]:
    return [
        value for value, this in zip(values.flatten().tolist(), labels.flatten().tolist(), strict=True) if this == label
    ]


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("margin", [1.0, 3.0])
def test_contrastive_loss_is_the_balanced_mean_over_cells(share: float, margin: float) -> None:
    distances, labels = example(share)
    total = 0.0
    for one, truth in zip(distances, labels, strict=True):
        near = [distance**2 for distance in cells(one, truth, 1)]
        far = [max(0.0, margin - distance) ** 2 for distance in cells(one, truth, 0)]
        total += sum(0.5 * sum(losses) / len(losses) for losses in (near, far) if losses)
    assert float(contrastive_map_loss(distances, labels, margin=margin)) == pytest.approx(total / 3, rel=1e-9)


@pytest.mark.parametrize("margin", [None, 0.5, 2.0])
@pytest.mark.parametrize("hardest", [None, 1, 4, 1000])
def test_triplet_loss_is_the_mean_over_pairs_of_cells(margin: float | None, hardest: int | None) -> None:
    similarities, labels = example(0.2)
    means = []
    for one, truth in zip(similarities, labels, strict=True):
        negatives = sorted(cells(one, truth, 0), reverse=True)[:hardest]
        losses = [
            math.log1p(math.exp(below - above)) if margin is None else max(0.0, below - above + margin)
            for above in cells(one, truth, 1)
            for below in negatives
        ]
        means.append(sum(losses) / len(losses))
    found = triplet_map_loss(similarities, labels, margin=margin, hardest=hardest)
    assert float(found) == pytest.approx(sum(means) / 3, rel=1e-9)


def test_maps_without_a_triplet_do_not_count() -> None:
    similarities, labels = example(0.2)
    labels[1], labels[2] = 0, 1
    alone = triplet_map_loss(similarities[:1], labels[:1], margin=None, hardest=None)
    assert float(triplet_map_loss(similarities, labels, margin=None, hardest=None)) == pytest.approx(float(alone))


def test_without_any_triplet_the_loss_is_0_and_has_a_gradient() -> None:
    similarities = torch.randn(2, 3, 3, requires_grad=True)
    loss = triplet_map_loss(similarities, torch.zeros(2, 3, 3), margin=1.0, hardest=2)
    loss.backward()
    assert float(loss.detach()) == 0
    assert similarities.grad is not None
    assert not similarities.grad.any()


def test_a_shift_of_the_similarities_changes_nothing() -> None:
    similarities, labels = example(0.2)
    for margin in (None, 1.0):
        first, second = (
            triplet_map_loss(each, labels, margin=margin, hardest=3) for each in (similarities, similarities + 7)
        )
        assert float(first) == pytest.approx(float(second), rel=1e-9)


def test_gradients_are_right() -> None:
    values, labels = example(0.3, seed=1)
    values.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: contrastive_map_loss(x, labels, margin=3.0), values)
    assert torch.autograd.gradcheck(lambda x: triplet_map_loss(x, labels, margin=None, hardest=None), values)
    assert torch.autograd.gradcheck(lambda x: triplet_map_loss(x, labels, margin=1.0, hardest=4), values)
