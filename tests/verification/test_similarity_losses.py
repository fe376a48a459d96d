"""Losses on similarities, against loops written by hand and PyTorch."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from siamtrack.errors import UsageError
from siamtrack.models.comparisons import Concatenation, Cosine
from siamtrack.verification.losses import concatenation_loss, cosine_regression_loss, hinge_loss, logistic_loss


def draw(count: int, seed: int, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    similarities = scale * torch.randn(count, generator=generator, dtype=torch.float64)
    return similarities, torch.randint(0, 2, (count,), generator=generator)


counts = pytest.mark.parametrize("count", [1, 7, 64])
labels_of_the_same = pytest.mark.parametrize("same", [0, 1])


@counts
@labels_of_the_same
@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0])
def test_hinge_equals_the_loop(count: int, same: int, margin: float) -> None:
    similarities, labels = draw(count, count)
    expected = 0.0
    for similarity, label in zip(similarities.tolist(), labels.tolist(), strict=True):
        expected += max(0.0, margin - similarity if label == same else margin + similarity)
    found = hinge_loss(similarities, labels, same=same, margin=margin)
    assert float(found) == pytest.approx(expected / count, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_hinge_is_pytorchs_margin_ranking_against_0(seed: int) -> None:
    similarities, labels = draw(50, seed)
    expected = F.margin_ranking_loss(similarities, torch.zeros(50), 2 * labels - 1, margin=1.0)
    torch.testing.assert_close(hinge_loss(similarities, labels, same=1), expected, rtol=0, atol=1e-6)


@counts
@labels_of_the_same
def test_cosine_regression_equals_the_loop(count: int, same: int) -> None:
    similarities, labels = draw(count, count, 0.4)
    expected = 0.0
    for similarity, label in zip(similarities.tolist(), labels.tolist(), strict=True):
        expected += (similarity - (1 if label == same else -1)) ** 2
    found = cosine_regression_loss(similarities, labels, same=same)
    assert float(found) == pytest.approx(expected / count, rel=1e-12)


def test_cosine_regression_is_pytorchs_squared_error_of_cosines() -> None:
    u, v = torch.randn(2, 50, 8, generator=torch.Generator().manual_seed(0))
    _, labels = draw(50, 0)
    expected = F.mse_loss(F.cosine_similarity(u, v), 2.0 * labels - 1)
    torch.testing.assert_close(cosine_regression_loss(Cosine()(u, v), labels, same=1), expected, rtol=0, atol=1e-6)


@counts
@labels_of_the_same
def test_logistic_equals_the_loop(count: int, same: int) -> None:
    logits, labels = draw(count, count)
    expected = 0.0
    for logit, label in zip(logits.tolist(), labels.tolist(), strict=True):
        expected += math.log1p(math.exp(-logit if label == same else logit))
    assert float(logistic_loss(logits, labels, same=same)) == pytest.approx(expected / count, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_logistic_is_pytorchs_under_both_of_its_names(seed: int) -> None:
    logits, labels = draw(50, seed)
    found = logistic_loss(logits, labels, same=1)
    crossed = F.binary_cross_entropy_with_logits(logits, labels.double())
    torch.testing.assert_close(found, crossed, rtol=0, atol=1e-6)
    torch.testing.assert_close(found, F.soft_margin_loss(logits, 2 * labels - 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [-1e4, 1e4])
def test_logistic_of_any_size_is_finite(value: float) -> None:
    logits = torch.tensor([value, value], requires_grad=True)
    loss = logistic_loss(logits, torch.tensor([0, 1]), same=1)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(5e3)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@counts
@pytest.mark.parametrize("classes", [2, 5])
def test_concatenation_equals_the_loop_and_pytorch(count: int, classes: int) -> None:
    generator = torch.Generator().manual_seed(count)
    logits = torch.randn(count, classes, generator=generator, dtype=torch.float64)
    truth = torch.randint(0, classes, (count,), generator=generator)
    expected = 0.0
    for row, chosen in zip(logits.tolist(), truth.tolist(), strict=True):
        expected -= row[chosen] - math.log(sum(math.exp(value) for value in row))
    found = concatenation_loss(logits, truth)
    assert float(found) == pytest.approx(expected / count, rel=1e-12)
    torch.testing.assert_close(found, F.cross_entropy(logits, truth), rtol=0, atol=1e-6)


def test_concatenation_teaches_its_head() -> None:
    u = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    head = Concatenation(3, 2).double()
    assert torch.autograd.gradcheck(lambda x: concatenation_loss(x, torch.tensor([0, 1])), head(u, 2 * u))
    concatenation_loss(head(u, u), torch.tensor([0, 1])).backward()
    assert u.grad is not None
    assert torch.isfinite(u.grad).all()


def test_no_pairs_of_a_concatenation_cost_nothing_and_have_a_gradient() -> None:
    logits = torch.zeros(4, 3, requires_grad=True)
    loss = concatenation_loss(logits[:0], torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (torch.tensor([0, 3]), r"a class of 3 is none of 0\.\.2"),
        (torch.tensor([-1, 0]), r"a class of -1 is none of 0\.\.2"),
        (torch.tensor([0.0, 1.0]), r"give \(B, K\) and \(B,\) integers"),
        (torch.tensor([0]), r"give \(B, K\) and \(B,\) integers"),
    ],
)
def test_classes_must_be_those_of_the_head(classes: Tensor, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        concatenation_loss(torch.zeros(2, 3), classes)
