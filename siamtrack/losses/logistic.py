"""SiamFC's loss: the logistic loss of every cell, positives and negatives weighing the same."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from siamtrack.losses.labels import balanced_weights


def balanced_logistic_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the class-balanced logistic loss, its mean over the maps.

    See Bertinetto et al. 2016, section 2.2 and equation 3, and `balanced_weights` for the weights of the cells.

    Args:
        logits: `(B, R, R)`.
        labels: `(B, R, R)` of 0 and 1.

    Returns:
        A scalar.
    """
    losses = F.binary_cross_entropy_with_logits(logits, labels, balanced_weights(labels), reduction="none")
    return losses.sum(dim=(1, 2)).mean()


def hardest_negatives_loss(logits: Tensor, count: int) -> Tensor:
    """Return the logistic loss of the highest cells of maps without a target (online hard example mining).

    Args:
        logits: `(N, R, R)`, negatives throughout; N may be 0.
        count: how many cells of each map.

    Returns:
        A scalar, 0 for no maps.
    """
    if logits.shape[0] == 0:
        return logits.sum()
    hardest = logits.flatten(1).topk(count, dim=1).values
    return F.binary_cross_entropy_with_logits(hardest, torch.zeros_like(hardest))
