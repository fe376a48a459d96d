"""Losses on the distance of a pair, and the margins and reductions that pair and triplet losses share.

The distance is small for a pair of the same and large for a different one.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.losses.labels import Same, balanced_weights, same_mask

Reduction = Literal["mean", "sum", "none"]
"""Mean or sum over all losses, or each of them. The mean over nothing is 0, and has a gradient."""


def check_margin(margin: float) -> None:
    """Refuse a margin that is negative, infinite or NaN.

    Raises:
        UsageError: for such a one.
    """
    if not 0 <= margin < math.inf:
        raise UsageError(f"a margin of {margin} makes no sense: give a number of 0 or more")


def reduce_losses(losses: Tensor, reduction: Reduction) -> Tensor:
    """Return the mean or the sum of the losses, or each of them.

    Args:
        losses: of any shape; of no elements, the mean and the sum are 0 and pass a gradient of 0 on.
        reduction: which.

    Raises:
        UsageError: for an unknown reduction.
    """
    if reduction == "mean":
        return losses.sum() / max(losses.numel(), 1)
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise UsageError(f"unknown reduction '{reduction}' (known: mean, sum, none)")


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
    no direction separates them.

    Args:
        distances: `(B,)` or any other shape, 0 or more, such as Euclidean ones.
        labels: of the same shape, 0 and 1.
        same: which label means "same".
        margin: distance from which a different pair has no loss.
        half: multiply by 1/2, as in the paper.
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


def contrastive_map_loss(distances: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Return the mean over the maps of the class-balanced contrastive loss of every cell's pair with the exemplar.

    The loss of a pair is that of Hadsell et al. 2006, equation 4, without the factor 1/2; the balance is that of SiamFC
    (`balanced_weights`).

    Args:
        distances: `(B, R, R)`, 0 or more.
        labels: `(B, R, R)`, 1 where the cell shows the exemplar's target, else 0.
        margin: distance from which a cell off the target has no loss.

    Returns:
        A scalar.
    """
    losses = contrastive_loss(distances, labels, same=1, margin=margin, half=False, reduction="none")
    return (losses * balanced_weights(labels)).sum(dim=(1, 2)).mean()


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
        margin: distance from which a different pair has no loss.
        half: multiply by 1/2, as in the paper.
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
        """Return the loss of distances `(B,)` with labels `(B,)`."""
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
        """Return the loss of energies `(B,)` with labels `(B,)`."""
        return energy_loss(energies, labels, same=self.same, bound=self.bound, reduction=self.reduction)
