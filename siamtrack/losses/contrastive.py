"""Losses on the distance of a pair: small for the same, large for different ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.losses.pairs import Reduction, Same, check_margin, reduce_losses, same_mask


def contrastive_loss(
    distances: Tensor,
    labels: Tensor,
    *,
    same: Same,
    margin: float = 1.0,
    half: bool,
    reduction: Reduction = "mean",
) -> Tensor:
    """Return the contrastive loss (Hadsell, Chopra and LeCun 2006, equation 4).

    `d^2` for a pair of the same, `max(0, margin - d)^2` for a different one, both times 1/2 with `half`, as in the
    paper; many implementations leave it out. The paper's labels are `same=0`.

    Different embeddings at the distance 0 of `siamtrack.models.comparisons.Euclidean` have a loss and the gradient 0:
    there is no direction to part them in.

    Args:
        distances: `(B,)` or any other shape, 0 or more, such as Euclidean ones.
        labels: of the same shape, 0 and 1.
        same: which label means "same".
        margin: distance from which on different ones cost nothing.
        half: whether the factor 1/2 is there.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or the losses of all pairs; 0 for no pairs.

    Raises:
        UsageError: for labels of another shape or beside 0 and 1, a bad margin or an unknown reduction.
    """
    check_margin(margin)
    chosen = same_mask(distances, labels, same)
    losses = torch.where(chosen, distances, (margin - distances).clamp(min=0)).square()
    return reduce_losses(0.5 * losses if half else losses, reduction)


def energy_loss(energies: Tensor, labels: Tensor, *, same: Same, bound: float, reduction: Reduction = "mean") -> Tensor:
    """Return the loss of an energy that is bounded (Chopra, Hadsell and LeCun 2005).

    `(1 - Y) (2 / Q) E^2 + Y 2 Q exp(-(2.77 / Q) E)`, Y being 0 for a pair of the same and 1 for a different one: the
    paper's labels are `same=0`. There E is the Manhattan distance of the embeddings.

    Args:
        energies: `(B,)` or any other shape, 0 or more.
        labels: of the same shape, 0 and 1.
        same: which label means "same".
        bound: Q, the greatest energy there is, above 0: for the Manhattan distance of unit vectors of D components,
            `2 sqrt(D)`.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or the losses of all pairs; 0 for no pairs.

    Raises:
        UsageError: for labels of another shape or beside 0 and 1, a bad bound or an unknown reduction.
    """
    _check_bound(bound)
    chosen = same_mask(energies, labels, same)
    losses = torch.where(chosen, 2 / bound * energies.square(), 2 * bound * torch.exp(-2.77 / bound * energies))
    return reduce_losses(losses, reduction)


def _check_bound(bound: float) -> None:
    if not 0 < bound < math.inf:
        raise UsageError(f"an energy's bound of {bound} makes no sense: give a number above 0")


class ContrastiveLoss(nn.Module):
    """`contrastive_loss` with its settings.

    Args:
        same: which label means "same".
        margin: distance from which on different ones cost nothing.
        half: whether the factor 1/2 is there.
        reduction: "mean", "sum" or "none".

    Raises:
        UsageError: for a bad margin.
    """

    def __init__(self, *, same: Same, margin: float = 1.0, half: bool, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_margin(margin)
        self.same = same
        self.margin = margin
        self.halved = half
        self.reduction = reduction

    def forward(self, distances: Tensor, labels: Tensor) -> Tensor:
        """Loss of distances `(B,)` with labels `(B,)`."""
        return contrastive_loss(
            distances, labels, same=self.same, margin=self.margin, half=self.halved, reduction=self.reduction
        )


class EnergyLoss(nn.Module):
    """`energy_loss` with its settings.

    Args:
        same: which label means "same".
        bound: Q, the greatest energy there is, above 0.
        reduction: "mean", "sum" or "none".

    Raises:
        UsageError: for a bad bound.
    """

    def __init__(self, *, same: Same, bound: float, reduction: Reduction = "mean") -> None:
        super().__init__()
        _check_bound(bound)
        self.same = same
        self.bound = bound
        self.reduction = reduction

    def forward(self, energies: Tensor, labels: Tensor) -> Tensor:
        """Loss of energies `(B,)` with labels `(B,)`."""
        return energy_loss(energies, labels, same=self.same, bound=self.bound, reduction=self.reduction)
