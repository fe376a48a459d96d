"""Labels of the cells of a response map, and of pairs."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from siamtrack.errors import UsageError

Same = Literal[0, 1]
"""Which label means "same". Papers differ, so there is no default."""


def grid_offsets(centers: Tensor, response_size: int, stride: int, search_size: int) -> Tensor:
    """Return the offset of every response cell from the target, in pixels of the search crop.

    Cell `(R - 1) / 2` is the center of the search crop, at no displacement.

    Args:
        centers: `(B, 2)` target centers `x, y` in the search crop, pixels, continuous; NaN where there is none.
        response_size: R, side of the response map in cells.
        stride: pixels from one cell to the next.
        search_size: side of the search crop in pixels.

    Returns:
        `(B, R, R, 2)` offsets `x, y`; NaN where there is no target.
    """
    steps = torch.arange(response_size, device=centers.device, dtype=centers.dtype)
    places = (steps - (response_size - 1) / 2) * stride + search_size / 2
    columns = places[None, None, :] - centers[:, 0, None, None]
    rows = places[None, :, None] - centers[:, 1, None, None]
    count = (len(centers), response_size, response_size)
    return torch.stack([columns.expand(count), rows.expand(count)], dim=-1)


def disc_labels(offsets: Tensor, radius: float) -> Tensor:
    """1 within `radius` pixels of the target (Euclidean), else 0 (Bertinetto et al. 2016, equation 4).

    Args:
        offsets: `(B, R, R, 2)` from `grid_offsets`.
        radius: in pixels of the search crop.

    Returns:
        `(B, R, R)` of 0 and 1; all 0 where there is no target.
    """
    return (offsets.square().sum(-1) <= radius**2).to(offsets.dtype)


def balanced_weights(labels: Tensor) -> Tensor:
    """Return the weight of every cell: in each map the positive cells share 1/2, and the negative cells the other half.

    A map without positives has only the negatives' half, so that it does not outweigh them elsewhere (Bertinetto et al.
    2016, section 2.2).

    Args:
        labels: `(B, R, R)` of 0 and 1.

    Returns:
        `(B, R, R)`.
    """
    positive = labels.sum(dim=(1, 2), keepdim=True)
    negative = (1 - labels).sum(dim=(1, 2), keepdim=True)
    return 0.5 * labels / positive.clamp(min=1) + 0.5 * (1 - labels) / negative.clamp(min=1)


def gaussian_labels(offsets: Tensor, sigma: float) -> Tensor:
    """Return a probability over the cells: a Gaussian around the target, normalized to sum 1.

    Args:
        offsets: `(B, R, R, 2)` from `grid_offsets`.
        sigma: in pixels of the search crop.

    Returns:
        `(B, R, R)`; all 0 where there is no target.
    """
    logits = -offsets.square().sum(-1) / (2 * sigma**2)
    flat = torch.softmax(logits.flatten(1), dim=1).reshape(logits.shape)
    return torch.nan_to_num(flat, nan=0.0)


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


def signs(chosen: Tensor, dtype: torch.dtype) -> Tensor:
    """Return +1 for a pair of the same and -1 for a different one."""
    return torch.where(chosen, 1.0, -1.0).to(dtype)
