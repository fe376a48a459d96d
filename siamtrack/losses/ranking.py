"""Ranking loss: the position and scale of the target against all others, of its own and of other search crops."""

from __future__ import annotations

import torch
from torch import Tensor


def scale_labels(scales: Tensor, count: int, sigma: float) -> Tensor:
    """Return a probability over the exemplar's scales: a Gaussian around the target's apparent size.

    Args:
        scales: `(B,)` apparent size in scale steps, 0 for unchanged; NaN (not known) counts as
            unchanged, with probability 1.
        count: S, number of scales; the middle one is the unchanged size.
        sigma: in scale steps.

    Returns:
        `(B, S)`, rows of sum 1.
    """
    steps = torch.arange(count, device=scales.device, dtype=scales.dtype) - count // 2
    known = torch.softmax(-(steps[None] - scales[:, None]).square() / (2 * sigma**2), dim=1)
    return torch.where(scales.isnan()[:, None], (steps == 0).to(scales.dtype), known)


def ranking_loss(logits: Tensor, targets: Tensor, others: Tensor | None = None) -> Tensor:
    """Return the cross-entropy of one choice among all cells of all maps of a sample.

    Args:
        logits: `(B, S, R, R)` of S scales.
        targets: `(B, S, R, R)` probabilities; a sample whose targets sum to 0 (no target) does not count.
        others: `(B, M)` logits of further wrong choices, such as cells of other pictures; `-inf` for none.

    Returns:
        A scalar: the mean over the samples with a target, 0 without any.
    """
    flat, wanted = logits.flatten(1), targets.flatten(1)
    rivals = flat if others is None else torch.cat([flat, others], dim=1)
    losses = wanted.sum(1) * torch.logsumexp(rivals, dim=1) - (wanted * flat).sum(1)
    return losses.sum() / wanted.sum().clamp(min=1)
