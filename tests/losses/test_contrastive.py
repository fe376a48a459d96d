"""Losses on distances, against loops written by hand, PyTorch and pytorch-metric-learning."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss as ReferenceContrastiveLoss
from pytorch_metric_learning.reducers import DoNothingReducer
from torch import Tensor

from siamtrack.losses.contrastive import contrastive_loss, energy_loss
from siamtrack.models.comparisons import Euclidean


def draw(count: int, seed: int, greatest: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    distances = greatest * torch.rand(count, generator=generator, dtype=torch.float64)
    return distances, torch.randint(0, 2, (count,), generator=generator)


def contrastive_by_hand(distances: list[float], labels: list[int], same: int, margin: float, half: bool) -> float:
    total = 0.0
    for distance, label in zip(distances, labels, strict=True):
        if label == same:
            total += distance**2
        elif distance < margin:
            total += (margin - distance) ** 2
    return (total / 2 if half else total) / len(distances)


@pytest.mark.parametrize("count", [1, 7, 64])
@pytest.mark.parametrize("same", [0, 1])
@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("half", [True, False])
def test_contrastive_equals_the_loop(count: int, same: int, margin: float, half: bool) -> None:
    distances, labels = draw(count, count, 3.0)
    expected = contrastive_by_hand(distances.tolist(), labels.tolist(), same, margin, half)
    found = contrastive_loss(distances, labels, same=same, margin=margin, half=half)
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_contrastive_by_numbers() -> None:
    distances, labels = torch.tensor([0.5, 0.5, 2.0, 2.0]), torch.tensor([1, 0, 1, 0])
    found = contrastive_loss(distances, labels, same=1, margin=1.0, half=False, reduction="none")
    assert found.tolist() == [0.25, 0.25, 4.0, 0.0]
    halves = contrastive_loss(distances, labels, same=1, margin=1.0, half=True, reduction="none")
    assert halves.tolist() == [0.125, 0.125, 2.0, 0.0]


@pytest.mark.parametrize("seed", range(3))
def test_contrastive_is_the_square_of_pytorchs_hinge_embedding(seed: int) -> None:
    distances, labels = draw(50, seed, 3.0)
    linear = F.hinge_embedding_loss(distances, 2 * labels - 1, margin=1.5, reduction="none")
    found = contrastive_loss(distances, labels, same=1, margin=1.5, half=False)
    torch.testing.assert_close(found, linear.square().mean(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_contrastive_is_the_square_of_pytorch_metric_learnings(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(12, 4, generator=generator)
    classes = torch.randint(0, 3, (12,), generator=generator)
    linear = ReferenceContrastiveLoss(
        neg_margin=3.0, distance=LpDistance(normalize_embeddings=False), reducer=DoNothingReducer()
    )(embeddings, classes)

    for kind, label in (("pos_loss", 1), ("neg_loss", 0)):
        first, second = linear[kind]["indices"]
        distances = Euclidean()(embeddings[first], embeddings[second])
        labels = torch.full_like(distances, label)
        found = contrastive_loss(distances, labels, same=1, margin=3.0, half=False, reduction="none")
        torch.testing.assert_close(found.sqrt(), linear[kind]["losses"], rtol=0, atol=1e-6)


def energy_by_hand(energies: list[float], labels: list[int], same: int, bound: float) -> float:
    total = 0.0
    for energy, label in zip(energies, labels, strict=True):
        y = 0 if label == same else 1
        total += (1 - y) * (2 / bound) * energy**2 + y * 2 * bound * math.exp(-(2.77 / bound) * energy)
    return total / len(energies)


@pytest.mark.parametrize("count", [1, 7, 64])
@pytest.mark.parametrize("same", [0, 1])
@pytest.mark.parametrize("bound", [0.5, 2.0, 16.0])
def test_energy_equals_the_loop(count: int, same: int, bound: float) -> None:
    energies, labels = draw(count, count, bound)
    expected = energy_by_hand(energies.tolist(), labels.tolist(), same, bound)
    assert float(energy_loss(energies, labels, same=same, bound=bound)) == pytest.approx(expected, rel=1e-12)


def test_energy_by_numbers() -> None:
    # At the bound, the same cost 2 Q; at 0, different ones do.
    energies, labels = torch.tensor([4.0, 0.0, 0.0, 4.0]), torch.tensor([0, 0, 1, 1])
    found = energy_loss(energies, labels, same=0, bound=4.0, reduction="none")
    torch.testing.assert_close(found, torch.tensor([8.0, 0.0, 8.0, 8 * math.exp(-2.77)]))
