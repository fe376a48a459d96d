"""Every loss on labelled pairs: which label means "same", what is refused, how losses are reduced, empty batches."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from siamtrack.errors import UsageError
from siamtrack.losses.contrastive import ContrastiveLoss, EnergyLoss, contrastive_loss, energy_loss
from siamtrack.models.comparisons import create_comparison
from siamtrack.verification.losses import HingeLoss, cosine_regression_loss, hinge_loss, logistic_loss

PairLoss = Callable[..., Tensor]

LOSSES: dict[str, PairLoss] = {
    "contrastive": functools.partial(contrastive_loss, margin=1.5, half=False),
    "contrastive_half": functools.partial(contrastive_loss, margin=1.5, half=True),
    "energy": functools.partial(energy_loss, bound=4.0),
    "hinge": functools.partial(hinge_loss, margin=0.5),
    "cosine_regression": cosine_regression_loss,
    "logistic": logistic_loss,
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def batch(count: int = 20, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Values in [0, 2], which are distances or similarities, and labels."""
    generator = torch.Generator().manual_seed(seed)
    values = 2 * torch.rand(count, generator=generator, dtype=torch.float64)
    return values, torch.randint(0, 2, (count,), generator=generator)


@every_loss
def test_turning_the_labels_and_their_meaning_changes_nothing(loss: PairLoss) -> None:
    values, labels = batch()
    turned = loss(values, 1 - labels, same=0)
    torch.testing.assert_close(loss(values, labels, same=1), turned)
    assert not torch.isclose(loss(values, labels, same=0), turned)


@every_loss
def test_the_meaning_of_a_label_has_no_default(loss: PairLoss) -> None:
    with pytest.raises(TypeError, match="same"):
        loss(*batch())


@every_loss
@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.float32])
def test_labels_may_be_of_any_type(loss: PairLoss, dtype: torch.dtype) -> None:
    values, labels = batch()
    torch.testing.assert_close(loss(values, labels.to(dtype), same=1), loss(values, labels, same=1))


@every_loss
@pytest.mark.parametrize("label", [-1, 2, 0.5, math.nan])
def test_other_labels_are_refused(loss: PairLoss, label: float) -> None:
    values, labels = batch()
    labels = labels.double()
    labels[3] = label
    with pytest.raises(UsageError, match=f"a label of {label:g} is neither 0 nor 1"):
        loss(values, labels, same=1)


@every_loss
def test_a_label_is_for_each_value(loss: PairLoss) -> None:
    values, labels = batch()
    with pytest.raises(UsageError, match=r"\(20, 1\) labels do not fit \(20,\) values"):
        loss(values, labels[:, None], same=1)


@every_loss
@pytest.mark.parametrize("same", [-1, 2, None])
def test_same_is_a_label(loss: PairLoss, same: int | None) -> None:
    with pytest.raises(UsageError, match=f"same={same} is no label"):
        loss(*batch(), same=same)


@every_loss
def test_reductions(loss: PairLoss) -> None:
    values, labels = batch()
    single = loss(values, labels, same=1, reduction="none")
    assert single.shape == (20,)
    torch.testing.assert_close(loss(values, labels, same=1, reduction="sum"), single.sum())
    torch.testing.assert_close(loss(values, labels, same=1), single.mean())
    with pytest.raises(UsageError, match="unknown reduction 'average'"):
        loss(values, labels, same=1, reduction="average")


@every_loss
def test_maps_are_as_good_as_vectors(loss: PairLoss) -> None:
    values, labels = batch(24)
    maps = loss(values.reshape(2, 3, 4), labels.reshape(2, 3, 4), same=1, reduction="none")
    torch.testing.assert_close(maps.flatten(), loss(values, labels, same=1, reduction="none"))


@every_loss
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_no_pairs_cost_nothing_and_have_a_gradient(loss: PairLoss, reduction: str) -> None:
    embeddings = torch.randn(4, 3, requires_grad=True)
    none = embeddings.norm(dim=1)[:0]
    value = loss(none, torch.zeros(0), same=1, reduction=reduction)
    value.backward()
    assert float(value.detach()) == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


@every_loss
@pytest.mark.parametrize("label", [0, 1])
def test_a_batch_of_one_kind_is_the_mean_of_that_kind(loss: PairLoss, label: int) -> None:
    values, labels = batch()
    alone = values[labels == label].requires_grad_()
    value = loss(alone, torch.full_like(alone, label), same=1)
    value.backward()
    torch.testing.assert_close(value, loss(values, labels, same=1, reduction="none")[labels == label].mean())
    assert alone.grad is not None
    assert torch.isfinite(alone.grad).all()


@every_loss
@pytest.mark.parametrize("same", [0, 1])
def test_gradients_are_right(loss: PairLoss, same: int) -> None:
    values, labels = batch()
    assert torch.autograd.gradcheck(lambda x: loss(x, labels, same=same), values.requires_grad_())


@every_loss
@pytest.mark.parametrize("comparison", ["euclidean", "squared_euclidean", "manhattan", "cosine", "exp_euclidean"])
def test_gradients_of_equal_embeddings_are_finite(loss: PairLoss, comparison: str) -> None:
    u = torch.ones(2, 3, requires_grad=True)
    v = torch.ones(2, 3, requires_grad=True)
    loss(create_comparison(comparison)(u, v), torch.tensor([0, 1]), same=1).backward()
    assert u.grad is not None
    assert torch.isfinite(u.grad).all()


def test_modules_are_the_functions_with_their_settings() -> None:
    values, labels = batch()
    expected = LOSSES["contrastive_half"](values, labels, same=0, reduction="sum")
    torch.testing.assert_close(
        ContrastiveLoss(same=0, margin=1.5, half=True, reduction="sum")(values, labels), expected
    )
    torch.testing.assert_close(EnergyLoss(same=0, bound=4.0)(values, labels), LOSSES["energy"](values, labels, same=0))
    torch.testing.assert_close(HingeLoss(same=1, margin=0.5)(values, labels), LOSSES["hinge"](values, labels, same=1))


@pytest.mark.parametrize("margin", [-0.1, math.nan, math.inf])
def test_a_margin_is_0_or_more(margin: float) -> None:
    values, labels = batch()
    for make in (
        lambda: contrastive_loss(values, labels, same=1, margin=margin, half=True),
        lambda: hinge_loss(values, labels, same=1, margin=margin),
        lambda: ContrastiveLoss(same=1, margin=margin, half=True),
        lambda: HingeLoss(same=1, margin=margin),
    ):
        with pytest.raises(UsageError, match=f"a margin of {margin} makes no sense"):
            make()


@pytest.mark.parametrize("bound", [0.0, -1.0, math.nan, math.inf])
def test_a_bound_is_above_0(bound: float) -> None:
    values, labels = batch()
    for make in (lambda: energy_loss(values, labels, same=1, bound=bound), lambda: EnergyLoss(same=1, bound=bound)):
        with pytest.raises(UsageError, match=f"bound of {bound} makes no sense"):
            make()
