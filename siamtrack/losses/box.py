"""Loss of the boxes that a network predicts at the cells of a response map."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class BoxLoss(NamedTuple):
    """Loss of the boxes of a batch and their mean overlap, as scalars."""

    loss: Tensor
    overlap: Tensor
    """Mean IoU of the boxes read near the target; NaN without any target."""


def generalized_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Generalized intersection over union (Rezatofighi et al. 2019, algorithm 2), row by row.

    Args:
        a: `(N, 4)` boxes: center x, center y, width, height, sides positive.
        b: `(N, 4)` boxes.

    Returns:
        `(N,)` generalized IoU in (-1, 1], and `(N,)` IoU in [0, 1].
    """
    a_low, a_high = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2
    b_low, b_high = b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    common = (torch.minimum(a_high, b_high) - torch.maximum(a_low, b_low)).clamp(min=0).prod(1)
    union = a[:, 2:].prod(1) + b[:, 2:].prod(1) - common
    hull = (torch.maximum(a_high, b_high) - torch.minimum(a_low, b_low)).prod(1)
    iou = common / union
    return iou - (hull - union) / hull, iou


def box_loss(
    read: tuple[Tensor, Tensor, Tensor], exemplar_sizes: Tensor, cells: Tensor, sizes: Tensor, radius: float
) -> BoxLoss:
    """Return the loss of generalized IoU and log size near the target, and of the expected overlap everywhere.

    The target of the expected overlap is the IoU near the target and 0 elsewhere; both parts have a weight of 1/2.

    Args:
        read: `(B, 2, R, R)` offsets from the cell to the target's center in pixels, `(B, 2, R, R)` logarithms of its
            size relative to that in the exemplar, `(B, R, R)` logits of the expected overlap.
        exemplar_sizes: `(B, 2)` width and height of the target in the exemplar crop, in pixels.
        cells: `(B, R, R, 2)` from the target's center to every cell, in pixels (`grid_offsets`); NaN without a target.
        sizes: `(B, 2)` width and height of the target in the search crop, in pixels.
        radius: cells within this distance of the target, in pixels, predict its box.
    """
    offsets, log_sizes, quality = read
    near = cells.square().sum(-1) <= radius**2
    pair, row, column = near.nonzero(as_tuple=True)
    centers = cells[pair, row, column] + offsets[pair, :, row, column]
    found = exemplar_sizes[pair] * log_sizes[pair, :, row, column].exp()
    truth = torch.cat([torch.zeros_like(centers), sizes[pair]], dim=1)
    generalized, iou = generalized_iou(torch.cat([centers, found], dim=1), truth)
    ratios = (found / sizes[pair]).log()

    expected = torch.zeros_like(quality)
    expected[pair, row, column] = iou.detach()
    weights = torch.where(near, 0.5 / near.sum().clamp(min=1), 0.5 / (~near).sum().clamp(min=1))
    guesses = (F.binary_cross_entropy_with_logits(quality, expected, reduction="none") * weights).sum()
    if len(pair) == 0:
        return BoxLoss(guesses, torch.full_like(guesses, torch.nan))
    sizes_off = F.smooth_l1_loss(ratios, torch.zeros_like(ratios), beta=0.1)
    return BoxLoss(2 * (1 - generalized).mean() + sizes_off + guesses, iou.detach().mean())
