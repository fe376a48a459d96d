"""Base of the losses on pairs: labels of a stated meaning, margins, and reductions."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from siamtrack.errors import UsageError

Same = Literal[0, 1]
"""Which label means "same". Papers differ, so there is no default."""
Reduction = Literal["mean", "sum", "none"]
"""Mean or sum over all losses, or each of them. The mean over nothing is 0, and has a gradient."""


def same_mask(values: Tensor, labels: Tensor, same: Same) -> Tensor:
    """Return the mask of positive pairs.

    Args:
        values: the distances or similarities that are labelled, of any shape.
        labels: of the same shape, 0 and 1 of any type.
        same: which of them means "same".

    Returns:
        A boolean tensor of that shape.

    Raises:
        UsageError: for another shape, a label that is neither 0 nor 1, or a `same` that is neither.
    """
    if same not in (0, 1):
        raise UsageError(f"same={same!r} is no label: say same=1 or same=0, what the label of a pair of the same is")
    if labels.shape != values.shape:
        raise UsageError(f"{tuple(labels.shape)} labels do not fit {tuple(values.shape)} values: give one for each")
    chosen = labels == same
    foreign = labels[~chosen & (labels != 1 - same)]
    if len(foreign):
        raise UsageError(f"a label of {foreign[0].item():g} is neither 0 nor 1: give 0 and 1")
    return chosen


def check_margin(margin: float) -> None:
    """Refuse a margin that is negative, infinite or NaN.

    Raises:
        UsageError: for such a one.
    """
    if not 0 <= margin < math.inf:
        raise UsageError(f"a margin of {margin} makes no sense: give a number of 0 or more")


def reduce_losses(losses: Tensor, reduction: Reduction) -> Tensor:
    """Mean, sum or all of the losses.

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


def signs(chosen: Tensor, dtype: torch.dtype) -> Tensor:
    """+1 where a pair is of the same, -1 elsewhere."""
    return torch.where(chosen, 1.0, -1.0).to(dtype)
