"""Losses on triplets, against loops written by hand, PyTorch and pytorch-metric-learning."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor

from siamtrack.errors import UsageError
from siamtrack.losses.triplet import TripletLoss, soft_triplet_loss, triplet_loss
from siamtrack.models.comparisons import Euclidean
from siamtrack.verification.mining import batch_all


def draw(count: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(2 * torch.rand(2, count, generator=generator, dtype=torch.float64))  # type: ignore[return-value]


@pytest.mark.parametrize("count", [1, 7, 64])
@pytest.mark.parametrize("margin", [0.0, 0.2, 1.0])
def test_triplet_equals_the_loop(count: int, margin: float) -> None:
    positive, negative = draw(count, count)
    expected = [max(0.0, p - n + margin) for p, n in zip(positive.tolist(), negative.tolist(), strict=True)]
    assert float(triplet_loss(positive, negative, margin=margin)) == pytest.approx(sum(expected) / count, abs=1e-12)
    found = triplet_loss(positive, negative, margin=margin, reduction="none")
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("count", [1, 7, 64])
def test_soft_triplet_equals_the_loop(count: int) -> None:
    positive, negative = draw(count, count)
    expected = [math.log1p(math.exp(p - n)) for p, n in zip(positive.tolist(), negative.tolist(), strict=True)]
    assert float(soft_triplet_loss(positive, negative)) == pytest.approx(sum(expected) / count, rel=1e-12)
    assert float(soft_triplet_loss(positive, negative, reduction="sum")) == pytest.approx(sum(expected), rel=1e-12)


def test_triplet_by_numbers() -> None:
    found = triplet_loss(torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.5, 1.25, 2.0]), margin=0.5, reduction="none")
    assert found.tolist() == [1.0, 0.25, 0.0]
    assert float(soft_triplet_loss(torch.tensor([1.0]), torch.tensor([1.0]))) == pytest.approx(math.log(2))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_triplet_equals_pytorchs(seed: int, reduction: str) -> None:
    a, p, n = torch.randn(3, 30, 8, generator=torch.Generator().manual_seed(seed))
    expected = F.triplet_margin_loss(a, p, n, margin=1.0, eps=0, reduction=reduction)
    compare = Euclidean()
    found = triplet_loss(compare(a, p), compare(a, n), margin=1.0, reduction=reduction)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_triplet_equals_pytorchs_margin_ranking() -> None:
    positive, negative = draw(30, 0)
    expected = F.margin_ranking_loss(negative, positive, torch.ones(30), margin=0.3)
    torch.testing.assert_close(triplet_loss(positive, negative, margin=0.3), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("soft", [True, False])
def test_triplets_of_a_batch_equal_pytorch_metric_learnings(seed: int, soft: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(12, 4, generator=generator, dtype=torch.float64)
    classes = torch.randint(0, 3, (12,), generator=generator)
    distances = Euclidean().matrix(embeddings, embeddings)
    anchor, positive, negative = batch_all(distances, classes).unbind(1)
    chosen = distances[anchor, positive], distances[anchor, negative]
    found = soft_triplet_loss(*chosen) if soft else triplet_loss(*chosen, margin=0.5)

    reference = TripletMarginLoss(
        margin=0.0 if soft else 0.5,
        smooth_loss=soft,
        distance=LpDistance(normalize_embeddings=False),
        reducer=MeanReducer(),
    )
    torch.testing.assert_close(found, reference(embeddings, classes), rtol=0, atol=1e-6)


def test_gradients_are_right() -> None:
    positive, negative = (distances.requires_grad_() for distances in draw(20, 0))
    assert torch.autograd.gradcheck(lambda p, n: triplet_loss(p, n, margin=0.2), (positive, negative))
    assert torch.autograd.gradcheck(soft_triplet_loss, (positive, negative))


def test_a_batch_that_fell_together_has_finite_gradients() -> None:
    embeddings = torch.ones(4, 3, requires_grad=True)
    distances = Euclidean().matrix(embeddings, embeddings)
    anchor, positive, negative = batch_all(distances, torch.tensor([0, 0, 1, 1])).unbind(1)
    chosen = distances[anchor, positive], distances[anchor, negative]
    (triplet_loss(*chosen, margin=0.2) + soft_triplet_loss(*chosen)).backward()
    assert embeddings.grad is not None
    assert torch.isfinite(embeddings.grad).all()


@pytest.mark.parametrize("classes", [[0, 0, 0], [0, 1, 2]], ids=["no negative", "no positive"])
def test_a_batch_without_triplets_costs_nothing_and_has_a_gradient(classes: list[int]) -> None:
    embeddings = torch.randn(3, 4, requires_grad=True)
    distances = Euclidean().matrix(embeddings, embeddings)
    anchor, positive, negative = batch_all(distances, torch.tensor(classes)).unbind(1)
    chosen = distances[anchor, positive], distances[anchor, negative]
    loss = triplet_loss(*chosen, margin=0.2) + soft_triplet_loss(*chosen)
    loss.backward()
    assert float(loss.detach()) == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


def test_the_module_is_the_function_with_its_settings() -> None:
    positive, negative = draw(20, 0)
    expected = triplet_loss(positive, negative, margin=0.3, reduction="sum")
    torch.testing.assert_close(TripletLoss(margin=0.3, reduction="sum")(positive, negative), expected)


def test_bad_settings_are_told() -> None:
    positive, negative = draw(20, 0)
    with pytest.raises(UsageError, match=r"a margin of -0.1 makes no sense"):
        triplet_loss(positive, negative, margin=-0.1)
    with pytest.raises(UsageError, match=r"a margin of -0.1 makes no sense"):
        TripletLoss(margin=-0.1)
    with pytest.raises(UsageError, match=r"\(20,\) distances to positives and \(5,\) to negatives are no triplets"):
        soft_triplet_loss(positive, negative[:5])
    with pytest.raises(UsageError, match="unknown reduction 'max'"):
        triplet_loss(positive, negative, margin=0.1, reduction="max")  # type: ignore[arg-type]
