"""The logistic loss, against loops written by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from siamtrack.losses.logistic import balanced_logistic_loss, hardest_negatives_loss


def balanced_by_hand(logits: Tensor, labels: Tensor) -> float:
    total = 0.0
    for scores, truth in zip(logits.tolist(), labels.tolist(), strict=True):
        losses: dict[float, list[float]] = {0.0: [], 1.0: []}
        for score_row, truth_row in zip(scores, truth, strict=True):
            for score, label in zip(score_row, truth_row, strict=True):
                sign = 1 if label else -1
                losses[label].append(math.log1p(math.exp(-sign * score)))
        total += sum(0.5 * sum(values) / len(values) for values in losses.values() if values)
    return total / len(logits)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", [1, 5, 17])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 1.0])
def test_equals_the_loop(batch: int, size: int, share: float) -> None:
    generator = torch.Generator().manual_seed(batch * 100 + size)
    logits = 4 * torch.randn(batch, size, size, generator=generator, dtype=torch.float64)
    labels = (torch.rand(batch, size, size, generator=generator) < share).double()
    assert float(balanced_logistic_loss(logits, labels)) == pytest.approx(balanced_by_hand(logits, labels), rel=1e-9)


def test_gradient_is_right() -> None:
    logits = torch.randn(2, 4, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.zeros(2, 4, 4, dtype=torch.float64)
    labels[0, 1:3, 2] = 1
    assert torch.autograd.gradcheck(lambda values: balanced_logistic_loss(values, labels), logits)


def test_positives_weigh_as_much_as_negatives() -> None:
    labels = torch.zeros(1, 17, 17)
    labels[0, 8, 8] = 1
    only_positive_wrong = torch.where(labels == 1, -5.0, -50.0)
    only_negatives_wrong = torch.where(labels == 1, 50.0, 5.0)
    a, b = balanced_logistic_loss(only_positive_wrong, labels), balanced_logistic_loss(only_negatives_wrong, labels)
    assert float(a) == pytest.approx(float(b), rel=1e-5)


def test_hardest_negatives_are_the_highest_cells() -> None:
    logits = torch.tensor([[[3.0, -1.0], [0.0, 2.0]]])
    expected = (math.log1p(math.exp(3)) + math.log1p(math.exp(2))) / 2
    assert float(hardest_negatives_loss(logits, 2)) == pytest.approx(expected)


def test_no_maps_cost_nothing_and_keep_the_graph() -> None:
    logits = torch.zeros(0, 3, 3, requires_grad=True)
    loss = hardest_negatives_loss(logits, 2)
    loss.backward()
    assert float(loss.detach()) == 0
