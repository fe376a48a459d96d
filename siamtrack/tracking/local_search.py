"""Local search: only the middle of the search crop is embedded while a target moves little.

Trackers have searched a larger region while a target is lost (DaSiamRPN, Zhu et al. 2018, section 3.4). Here the region
is smaller while all is well. The responses of the local crop replace the middle of the responses of the last full crop,
so that the peak is still compared with its surroundings. The local crop shows the same pixels as the middle of the full
crop, so a network without padding responds the same there. If the target moves further than expected, or its confidence
falls, the result is discarded, and the same frame is searched with the full crop.

A network that pads sees zeros around the crop. In a crop as small as the exemplar, the target has the same zeros around
it as in the exemplar and resembles it more than in the full crop, which then looks as if the target were about to be
lost.
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
    """Responses of the last full search crop; a value."""

    responses: NDArray[np.float32]
    """`(S, R, R)` responses without bias."""
    filter_response: NDArray[np.float32] | None
    """`(R, R)` response of the online filter; None without a filter."""

    def with_center(
        self, responses: NDArray[np.float32], filter_response: NDArray[np.float32] | None
    ) -> ResponseContext:
        """Return the context with other responses in its middle.

        Args:
            responses: `(S, r, r)`; r is R less an even number.
            filter_response: `(r, r)`; None without a filter.
        """
        whole = None
        if self.filter_response is not None and filter_response is not None:
            whole = _with_center(self.filter_response, filter_response)
        return ResponseContext(_with_center(self.responses, responses), whole)


def _with_center(whole: NDArray[np.float32], part: NDArray[np.float32]) -> NDArray[np.float32]:
    margin = (whole.shape[-1] - part.shape[-1]) // 2
    inner = slice(margin, margin + part.shape[-1])
    made = whole.copy()
    made[..., inner, inner] = part
    return made


def local_geometry(settings: TrackingSettings, full: Geometry, target_cells: float) -> Geometry | None:
    """Return the sizes of the local search crop; None without local search, or where the full crop is no larger.

    Args:
        settings: of the tracker.
        full: sizes of the full search crop.
        target_cells: side of the target in cells.

    Raises:
        UsageError: when the crop does not fit the network, or shows less than a target may move.
    """
    local = settings.local_search
    if local is None or settings.scale_search == "alternate" or local.search_size >= full.search_size:
        return None
    geometry = full.with_search_size(local.search_size)
    reach = (geometry.response_size - 1) / 2 / target_cells
    if local.max_displacement > reach:
        raise UsageError(
            f"local_search.max_displacement {local.max_displacement:g} is more than crops of "
            f"local_search.search_size {local.search_size} show: give {reach:g} or less"
        )
    return geometry


def needs_full_search(age: int, settings: LocalSearchSettings, filter_interval: int | None) -> bool:
    """Return true if the full search crop is due in any case.

    Args:
        age: frames since the first frame of the target, with this frame.
        settings: of the local search.
        filter_interval: frames between two samples of the online filter, which come from full search crops; None
            without a filter.
    """
    return age % settings.interval == 0 or (filter_interval is not None and age % filter_interval == 0)


def is_stationary(displacement: tuple[float, float], confidence: float, settings: LocalSearchSettings) -> bool:
    """Return true if a tracked target moves so little, with so high a confidence, that the local crop is enough.

    Args:
        displacement: in the last frame along either axis, in side lengths of the target.
        confidence: of the last frame.
        settings: the limits.
    """
    return max(map(abs, displacement)) <= settings.max_displacement and confidence >= settings.threshold
