"""The middle of the search crop alone while a target moves little: the rest is much as it was a frame ago.

Trackers have searched a larger region while a target is lost (DaSiamRPN, Zhu et al. 2018, section 3.4); here it is a
smaller one while all is well. The responses of the near crop take the place of the middle of the last usual ones, so
that the peak is still judged against what stands around it. As the near crop shows the very pixels of the usual one, a
network without padding answers the same there. If the target moves further than is expected, or is no longer sure,
nothing of that counts, and the same frame is searched as usual.

A network that pads sees zeros around the crop. In one as small as the exemplar the target stands among the same zeros
as there and resembles it more than in the usual one, which then looks as if the target were about to be lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siamtrack.config import LocalSearchSettings, TrackingSettings
from siamtrack.errors import UsageError
from siamtrack.runtime.base import Geometry


@dataclass(frozen=True, slots=True, eq=False)
class ResponseContext:
    """What the last usual search crop answered; a value."""

    responses: NDArray[np.float32]
    """`(S, R, R)` responses without bias."""
    learnt: NDArray[np.float32] | None
    """`(R, R)` answers of the filter that is learnt; None without one."""

    def with_middle(self, responses: NDArray[np.float32], learnt: NDArray[np.float32] | None) -> ResponseContext:
        """The same with other answers in the middle.

        Args:
            responses: `(S, r, r)`, r is R less an even number.
            learnt: `(r, r)`, or None where there is none around it either.
        """
        known = None if self.learnt is None or learnt is None else _with_middle(self.learnt, learnt)
        return ResponseContext(_with_middle(self.responses, responses), known)


def _with_middle(whole: NDArray[np.float32], part: NDArray[np.float32]) -> NDArray[np.float32]:
    margin = (whole.shape[-1] - part.shape[-1]) // 2
    inner = slice(margin, margin + part.shape[-1])
    made = whole.copy()
    made[..., inner, inner] = part
    return made


def local_geometry(settings: TrackingSettings, usual: Geometry, target_cells: float) -> Geometry | None:
    """That of the near search crop; None where the usual one is searched in every frame, or is no larger.

    Args:
        settings: whether there is one, and which.
        usual: geometry of the usual crop.
        target_cells: side of the target in cells.

    Raises:
        UsageError: when it does not fit the network, or shows less than a target may move.
    """
    near = settings.local_search
    if near is None or settings.scale_search == "alternate" or near.search_size >= usual.search_size:
        return None
    geometry = usual.with_search_size(near.search_size)
    reach = (geometry.response_size - 1) / 2 / target_cells
    if near.max_displacement > reach:
        raise UsageError(
            f"local_search.max_displacement {near.max_displacement:g} is more than crops of "
            f"local_search.search_size {near.search_size} show: give {reach:g} or less"
        )
    return geometry


def needs_full_search(age: int, settings: LocalSearchSettings, learns_every: int | None) -> bool:
    """Whether the usual crop is due anyhow.

    Args:
        age: of the target with this frame, in frames since the first one.
        settings: how often, and what else.
        learns_every: frames from one that a filter may learn from to the next, as it learns from the usual crop; None
            without a filter.
    """
    return age % settings.interval == 0 or (learns_every is not None and age % learns_every == 0)


def is_stationary(move: tuple[float, float], sure: float, settings: LocalSearchSettings) -> bool:
    """Whether a target that is tracked has moved little enough, surely enough, for the near crop.

    Args:
        move: of the last frame, along either axis, in sides of the target.
        sure: the confidence.
        settings: what is enough.
    """
    return max(map(abs, move)) <= settings.max_displacement and sure >= settings.threshold
