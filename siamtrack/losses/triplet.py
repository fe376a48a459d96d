"""Losses on triplets. The anchor must be nearer to the positive than to the negative."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.losses.contrastive import Reduction, check_margin, reduce_losses


def triplet_loss(to_positive: Tensor, to_negative: Tensor, *, margin: float, reduction: Reduction = "mean") -> Tensor:
    """Return the triplet loss `max(0, d(a, p) - d(a, n) + margin)` (Schroff et al. 2015, equation 3).

    There d is the squared Euclidean distance of unit vectors, with a margin of 0.2; Hermans et al. 2017 take the
    Euclidean one. For similarities, give `-similarity`.

    Args:
        to_positive: `(N,)` or any other shape, distances from anchors to their positives.
        to_negative: of the same shape, to their negatives.
        margin: least difference of the two distances, 0 or more.
        reduction: "mean", over all triplets, or "sum" or "none".

    Returns:
        A scalar, or the losses of all triplets; 0 for no triplets.

    Raises:
        UsageError: for shapes that differ, a bad margin or an unknown reduction.
    """
    check_margin(margin)
    _check_shapes(to_positive, to_negative)
    return reduce_losses((to_positive - to_negative + margin).clamp(min=0), reduction)


def soft_triplet_loss(to_positive: Tensor, to_negative: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Return the triplet loss with a soft margin, `ln(1 + exp(d(a, p) - d(a, n)))` (Hermans et al. 2017, section 2).

    Args:
        to_positive: `(N,)` or any other shape, distances from anchors to their positives.
        to_negative: of the same shape, to their negatives.
        reduction: "mean", over all triplets, or "sum" or "none".

    Returns:
        A scalar, or the losses of all triplets; 0 for no triplets.

    Raises:
        UsageError: for shapes that differ or an unknown reduction.
    """
    _check_shapes(to_positive, to_negative)
    return reduce_losses(F.softplus(to_positive - to_negative), reduction)


def triplet_map_loss(similarities: Tensor, labels: Tensor, *, margin: float | None, hardest: int | None) -> Tensor:
    """Return the mean loss of all triplets of the exemplar, a positive cell and a negative cell of a map.

    As Dong and Shen 2018 ("Triplet Loss in Siamese Network for Object Tracking", section 3.1) have it for all negatives
    and the soft margin; the hinge is that of Schroff et al. 2015, equation 3, and the choice of the hardest negatives
    follows Hermans et al. 2017, section 2.

    Args:
        similarities: `(B, R, R)`, higher for more similar.
        labels: `(B, R, R)`, 1 at positive cells, 0 at negative ones.
        margin: least difference of positive and negative similarity; None takes the soft margin.
        hardest: how many of the highest negative cells of each map; None takes all.

    Returns:
        A scalar. Maps without a positive or a negative cell do not count; it is 0 if no map counts.
    """
    flat, positive = similarities.flatten(1), labels.flatten(1) > 0
    costs = []
    for cells, here in zip(flat, positive, strict=True):
        above, below = cells[here], cells[~here]
        if len(above) == 0 or len(below) == 0:
            continue
        if hardest is not None:
            below = below.topk(min(hardest, len(below))).values
        pairs = torch.cartesian_prod(above, below)
        # The negative similarity serves as the distance.
        to_positive, to_negative = -pairs[:, 0], -pairs[:, 1]
        if margin is None:
            costs.append(soft_triplet_loss(to_positive, to_negative, reduction="mean"))
        else:
            costs.append(triplet_loss(to_positive, to_negative, margin=margin, reduction="mean"))
    return torch.stack(costs).mean() if costs else 0 * similarities.sum()


def _check_shapes(to_positive: Tensor, to_negative: Tensor) -> None:
    if to_positive.shape != to_negative.shape:
        raise UsageError(
            f"{tuple(to_positive.shape)} distances to positives and {tuple(to_negative.shape)} to negatives are no "
            "triplets: give as many of both"
        )


class TripletLoss(nn.Module):
    """`triplet_loss` with its settings.

    Args:
        margin: least difference of the two distances, 0 or more.
        reduction: "mean", "sum" or "none".

    Raises:
        UsageError: for a bad margin.
    """

    def __init__(self, *, margin: float, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_margin(margin)
        self.margin = margin
        self.reduction = reduction

    def forward(self, to_positive: Tensor, to_negative: Tensor) -> Tensor:
        """Return the loss of distances `(N,)` to positives and `(N,)` to negatives."""
        return triplet_loss(to_positive, to_negative, margin=self.margin, reduction=self.reduction)
