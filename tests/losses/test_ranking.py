"""Localisation as a choice, against torch's cross-entropy and by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from siamtrack.losses.ranking import ranking_loss, scale_labels


def test_equals_cross_entropy_over_all_cells() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, 5, 5, generator=generator, dtype=torch.float64)
    targets = torch.rand(4, 3, 5, 5, generator=generator, dtype=torch.float64)
    targets /= targets.sum(dim=(1, 2, 3), keepdim=True)
    expected = F.cross_entropy(logits.flatten(1), targets.flatten(1))
    assert float(ranking_loss(logits, targets)) == pytest.approx(float(expected))


def test_rivals_of_other_pictures_are_further_wrong_choices() -> None:
    logits = torch.tensor([[[[2.0]]]])
    targets = torch.ones(1, 1, 1, 1)
    rivals = torch.tensor([[1.0, -torch.inf]])
    expected = F.cross_entropy(torch.tensor([[2.0, 1.0]]), torch.tensor([0]))
    assert float(ranking_loss(logits, targets, rivals)) == pytest.approx(float(expected))
    assert float(ranking_loss(logits, targets)) == pytest.approx(0)


def test_a_sample_without_target_does_not_count() -> None:
    logits = torch.randn(2, 1, 3, 3)
    targets = torch.zeros(2, 1, 3, 3)
    targets[0, 0, 1, 1] = 1
    assert float(ranking_loss(logits, targets)) == pytest.approx(float(ranking_loss(logits[:1], targets[:1])))
    assert float(ranking_loss(logits, torch.zeros_like(targets))) == 0


def test_rivals_that_are_masked_out_leave_a_finite_gradient() -> None:
    logits = torch.randn(2, 1, 3, 3, requires_grad=True)
    targets = torch.zeros(2, 1, 3, 3)
    targets[0, 0, 1, 1] = 1
    ranking_loss(logits, targets, torch.full((2, 4), -torch.inf)).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_scale_labels_peak_at_the_apparent_size() -> None:
    labels = scale_labels(torch.tensor([-1.0, 0.0, 1.0, 0.5]), 3, 0.5)
    assert labels.sum(1).tolist() == pytest.approx([1, 1, 1, 1])
    assert labels[:3].argmax(1).tolist() == [0, 1, 2]
    assert float(labels[3, 1]) == pytest.approx(float(labels[3, 2]))


def test_a_scale_that_is_not_known_counts_as_unchanged() -> None:
    assert scale_labels(torch.tensor([torch.nan]), 5, 0.5).tolist() == [[0, 0, 1, 0, 0]]
