"""Template of a target: the exemplars that search crops are compared with, and their slow update.

SiamFC compares with the first frame alone (Bertinetto et al. 2016). Other trackers take a running mean of all frames,
in which the first frame fades. Here the first exemplar and the running mean of later ones are kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from siamtrack.config import TemplateUpdateSettings
from siamtrack.tracking.online_filter.filter import OnlineFilter


class TemplateFeatures(NamedTuple):
    """Features that a search crop is correlated with."""

    exemplars: Tensor
    """`(E, C, h, w)` embedded exemplars, on the tracker's device."""
    filter: OnlineFilter | None
    """Online filter; None without one."""
    kernels: Tensor
    """`(S, C, h, w)`, channels last in memory: the exemplars, and the filter after them."""
    offset: float
    """Value to subtract from the response of the filter."""

    @classmethod
    def of(cls, exemplars: Tensor, online_filter: OnlineFilter | None) -> Self:
        """Return the features of exemplars and a filter."""
        kernels, offset = exemplars, 0.0
        if online_filter is not None:
            kernels = torch.cat([exemplars, online_filter.kernel[None].to(exemplars.device)])
            offset = online_filter.offset
        return cls(exemplars, online_filter, kernels.contiguous(memory_format=torch.channels_last), offset)


@dataclass(frozen=True, slots=True, eq=False)
class TemplateMean:
    """Exemplars of the first frame, and the running mean of later ones; a value.

    Both are `(E, C, h, w)`, E exemplars, as `Backend.cut_margin` gives them.
    """

    first: Tensor
    """Exemplars of the first frame."""
    recent: Tensor
    """Running mean of the later exemplars."""

    def mixed(self, weight: float) -> Tensor:
        """Return the exemplars to correlate with; `weight` is that of the running mean."""
        return self.first.lerp(self.recent, weight)


def update_template(
    mean: TemplateMean | None, first: Tensor, exemplars: Tensor, settings: TemplateUpdateSettings
) -> TemplateMean:
    """Add the exemplars of another frame to the running mean.

    Args:
        mean: the mean so far; None before the first update.
        first: `(E, C, h, w)` exemplars of the first frame.
        exemplars: `(E, C, h, w)` exemplars of this frame.
        settings: learning rate.
    """
    recent = first if mean is None else mean.recent
    return TemplateMean(first, recent.lerp(exemplars, settings.learning_rate))
