"""A template that follows the target slowly: the first exemplar, mixed with a running mean of later ones.

SiamFC compares with the first frame alone (Bertinetto et al. 2016); others take a running mean of all frames, in which
the first one fades. Here the two are kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from siamtrack.config import TemplateUpdateSettings


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """What a target is compared with; a value.

    Both parts are `(E, C, h, w)`, E exemplars, as `Backend.cut_margin` gives them.
    """

    first: Tensor
    """Of the first frame."""
    recent: Tensor
    """Running mean of later ones."""

    def mixed(self, share: float) -> Tensor:
        """The kernels to correlate with, `share` of them recent."""
        return self.first.lerp(self.recent, share)


def renew(template: Template | None, first: Tensor, seen: Tensor, settings: TemplateUpdateSettings) -> Template:
    """Take the exemplars of another frame into account.

    Args:
        template: until now; None where this is the first frame after the one that the target was set in.
        first: `(E, C, h, w)` of the first frame.
        seen: of the same shape, of this frame.
        settings: how fast.
    """
    recent = first if template is None else template.recent
    return Template(first, recent.lerp(seen, settings.learning_rate))
