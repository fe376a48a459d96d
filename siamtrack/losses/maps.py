"""Similarity losses on the maps of a tracker: every cell is a pair with the exemplar, every two cells a triplet."""

from __future__ import annotations

import torch
from torch import Tensor

from siamtrack.losses.contrastive import contrastive_loss
from siamtrack.losses.labels import balanced_weights
from siamtrack.losses.triplet import soft_triplet_loss, triplet_loss


def contrastive_map_loss(distances: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """Mean over the maps of the class-balanced contrastive loss of every cell's pair with the exemplar.

    The loss of a pair is that of Hadsell et al. 2006, equation 4, without the factor 1/2; the balance is that of SiamFC
    (`balanced_weights`).

    Args:
        distances: `(B, R, R)`, 0 or more.
        labels: `(B, R, R)`, 1 where the cell shows the exemplar's target, else 0.
        margin: distance from which a cell off the target costs nothing.

    Returns:
        A scalar.
    """
    losses = contrastive_loss(distances, labels, same=1, margin=margin, half=False, reduction="none")
    return (losses * balanced_weights(labels)).sum(dim=(1, 2)).mean()


def triplet_map_loss(similarities: Tensor, labels: Tensor, *, margin: float | None, hardest: int | None) -> Tensor:
    """Mean over the maps of the loss of all triplets of the exemplar, a positive cell and a negative cell of a map.

    As Dong and Shen 2018 ("Triplet Loss in Siamese Network for Object Tracking", section 3.1) have it for all negatives
    and the soft margin; the hinge is that of Schroff et al. 2015, equation 3, and the choice of the hardest negatives
    follows Hermans et al. 2017, section 2.

    Args:
        similarities: `(B, R, R)`, higher for more similar.
        labels: `(B, R, R)`, 1 at positive cells, 0 at negative ones.
        margin: by how much the positive is to exceed the negative; None takes the soft margin.
        hardest: how many of the highest negative cells of each map; None takes all.

    Returns:
        A scalar. Maps without a positive or without a negative cell do not count; without any other it is 0.
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
        # A distance that is low for the similar: the similarity, negative.
        to_positive, to_negative = -pairs[:, 0], -pairs[:, 1]
        if margin is None:
            costs.append(soft_triplet_loss(to_positive, to_negative, reduction="mean"))
        else:
            costs.append(triplet_loss(to_positive, to_negative, margin=margin, reduction="mean"))
    return torch.stack(costs).mean() if costs else 0 * similarities.sum()
