"""Mining: the choice of triplets from a batch.

All miners give `(N, 3)` indices of anchor, positive and negative, without a gradient. N is 0 where a batch has no
triplet, being of one class or without two of any; the losses on triplets are then 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from siamtrack.errors import UsageError
from siamtrack.losses.contrastive import check_margin


def batch_all(distances: Tensor, classes: Tensor) -> Tensor:
    """Return every triplet there is ("batch all", Hermans et al. 2017, section 2), in the order of their indices.

    Args:
        distances: `(B, B)` from anchors (rows) to others; only its shape is looked at.
        classes: `(B,)` integers.

    Returns:
        `(N, 3)`.

    Raises:
        UsageError: for shapes that do not fit.
    """
    _check(distances, classes)
    return _every_triplet(classes).nonzero()


@torch.no_grad()
def batch_hard(distances: Tensor, classes: Tensor) -> Tensor:
    """Return the farthest positive and the nearest negative of every anchor ("batch hard", Hermans et al. 2017,
    equation 5).

    Args:
        distances: `(B, B)` from anchors (rows) to others; for similarities, give `-similarity`.
        classes: `(B,)` integers.

    Returns:
        `(N, 3)`, one for every anchor that has a positive and a negative.

    Raises:
        UsageError: for shapes that do not fit.
    """
    _check(distances, classes)
    return _highest(distances, -distances, classes)


@torch.no_grad()
def semi_hard(distances: Tensor, classes: Tensor, margin: float) -> Tensor:
    """Return the triplets whose negative is farther than the positive, but within the margin (Schroff et al. 2015,
    3.2).

    `d(a, p) < d(a, n) < d(a, p) + margin`: wrong by no more than the margin, and so not wrong by a mislabelled picture.

    Args:
        distances: `(B, B)` from anchors (rows) to others; for similarities, give `-similarity`.
        classes: `(B,)` integers.
        margin: that of the loss, 0 or more.

    Returns:
        `(N, 3)`, in the order of their indices.

    Raises:
        UsageError: for shapes that do not fit or a bad margin.
    """
    _check(distances, classes)
    check_margin(margin)
    farther = distances[:, None, :] - distances[:, :, None]
    return (_every_triplet(classes) & (farther > 0) & (farther < margin)).nonzero()


def random_triplets(classes: Tensor, generator: torch.Generator) -> Tensor:
    """Return a positive and a negative of every anchor by chance: what mining is measured against.

    Args:
        classes: `(B,)` integers.
        generator: source of randomness on the device of the classes.

    Returns:
        `(N, 3)`, one for every anchor that has a positive and a negative.

    Raises:
        UsageError: for classes of another shape.
    """
    _check_classes(classes)
    lots = torch.rand(len(classes), len(classes), generator=generator, device=classes.device)
    return _highest(lots, lots, classes)


def _positives_and_negatives(classes: Tensor) -> tuple[Tensor, Tensor]:
    """`(B, B)` booleans: what is another of an anchor's class, and what is of another class."""
    same = classes[:, None] == classes[None, :]
    return same & ~torch.eye(len(classes), dtype=torch.bool, device=classes.device), ~same


def _every_triplet(classes: Tensor) -> Tensor:
    """`(B, B, B)` booleans: whether an anchor, a positive and a negative are a triplet."""
    positives, negatives = _positives_and_negatives(classes)
    return positives[:, :, None] & negatives[:, None, :]


def _highest(of_positives: Tensor, of_negatives: Tensor, classes: Tensor) -> Tensor:
    """`(N, 3)`: for every anchor that has both, the positive and the negative that are highest in its rows."""
    positives, negatives = _positives_and_negatives(classes)
    anchors = (positives.any(dim=1) & negatives.any(dim=1)).nonzero()[:, 0]
    if len(anchors) == 0:  # there may be no columns to choose from
        return anchors.new_zeros(0, 3)
    positive = of_positives[anchors].masked_fill(~positives[anchors], -torch.inf).argmax(dim=1)
    negative = of_negatives[anchors].masked_fill(~negatives[anchors], -torch.inf).argmax(dim=1)
    return torch.stack([anchors, positive, negative], dim=1)


def _check(distances: Tensor, classes: Tensor) -> None:
    _check_classes(classes)
    if distances.shape != (len(classes), len(classes)):
        raise UsageError(
            f"distances of shape {tuple(distances.shape)} do not fit {len(classes)} classes: give all pairs, (B, B)"
        )


def _check_classes(classes: Tensor) -> None:
    if classes.ndim != 1:
        raise UsageError(f"classes of shape {tuple(classes.shape)} cannot be mined: give (B,)")
