"""Losses on the similarity of a pair: high for the same, low for different ones."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.losses.contrastive import Reduction, check_margin, reduce_losses
from siamtrack.losses.labels import Same, same_mask, signs


def hinge_loss(
    similarities: Tensor, labels: Tensor, *, same: Same, margin: float = 1.0, reduction: Reduction = "mean"
) -> Tensor:
    """Return the hinge loss `max(0, margin - y s)`, y being +1 for the same and -1 for different ones.

    With the margin 1 it is that of Zagoruyko and Komodakis 2015, equation 1.

    Args:
        similarities: s, `(B,)` or any other shape, high for the same; for distances, give `threshold - distance`.
        labels: of the same shape, 0 and 1.
        same: which label means "same".
        margin: similarity from which on a pair of the same costs nothing; 0 or more.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or the losses of all pairs; 0 for no pairs.

    Raises:
        UsageError: for labels of another shape or beside 0 and 1, a bad margin or an unknown reduction.
    """
    check_margin(margin)
    y = signs(same_mask(similarities, labels, same), similarities.dtype)
    return reduce_losses((margin - y * similarities).clamp(min=0), reduction)


def cosine_regression_loss(
    similarities: Tensor, labels: Tensor, *, same: Same, reduction: Reduction = "mean"
) -> Tensor:
    """Return the squared error `(s - y)^2` of a cosine, y being +1 for the same and -1 for different ones.

    The regression objective of Reimers and Gurevych 2019, section 3, on two values.

    Args:
        similarities: s, `(B,)` or any other shape, in [-1, 1].
        labels: of the same shape, 0 and 1.
        same: which label means "same".
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or the losses of all pairs; 0 for no pairs.

    Raises:
        UsageError: for labels of another shape or beside 0 and 1, or an unknown reduction.
    """
    y = signs(same_mask(similarities, labels, same), similarities.dtype)
    return reduce_losses((similarities - y).square(), reduction)


def logistic_loss(logits: Tensor, labels: Tensor, *, same: Same, reduction: Reduction = "mean") -> Tensor:
    """Return the logistic loss `ln(1 + exp(-y s))`, y being +1 for the same and -1 for different ones.

    Equation 3 of Bertinetto et al. 2016, for a pair or a cell of a similarity map; in maps, where the same is rare,
    `siamtrack.losses.logistic.balanced_logistic_loss` weighs both kinds alike.

    Args:
        logits: s, `(B,)` or any other shape.
        labels: of the same shape, 0 and 1.
        same: which label means "same".
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or the losses of all pairs; 0 for no pairs.

    Raises:
        UsageError: for labels of another shape or beside 0 and 1, or an unknown reduction.
    """
    y = signs(same_mask(logits, labels, same), logits.dtype)
    return reduce_losses(F.softplus(-y * logits), reduction)


def concatenation_loss(logits: Tensor, classes: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Cross-entropy `-ln softmax(z)_c` of the class of a pair (Reimers and Gurevych 2019, section 3).

    Args:
        logits: z, `(B, K)`, of `siamtrack.models.comparisons.Concatenation`.
        classes: c, `(B,)` integers in 0..K-1. What each of them means is the caller's choice.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar, or the losses of all pairs; 0 for no pairs.

    Raises:
        UsageError: for shapes that do not fit, a class that is none of the K, or an unknown reduction.
    """
    if logits.ndim != 2 or classes.shape != logits.shape[:1] or classes.is_floating_point():
        raise UsageError(
            f"logits of shape {tuple(logits.shape)} and classes of shape {tuple(classes.shape)} and type "
            f"{classes.dtype} do not fit: give (B, K) and (B,) integers"
        )
    foreign = classes[(classes < 0) | (classes >= logits.shape[1])]
    if len(foreign):
        raise UsageError(f"a class of {foreign[0].item()} is none of 0..{logits.shape[1] - 1}")
    return reduce_losses(F.cross_entropy(logits, classes.long(), reduction="none"), reduction)


class HingeLoss(nn.Module):
    """`hinge_loss` with its settings.

    Args:
        same: which label means "same".
        margin: similarity from which on a pair of the same costs nothing; 0 or more.
        reduction: "mean", "sum" or "none".

    Raises:
        UsageError: for a bad margin.
    """

    def __init__(self, *, same: Same, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_margin(margin)
        self.same = same
        self.margin = margin
        self.reduction = reduction

    def forward(self, similarities: Tensor, labels: Tensor) -> Tensor:
        """Loss of similarities `(B,)` with labels `(B,)`."""
        return hinge_loss(similarities, labels, same=self.same, margin=self.margin, reduction=self.reduction)
