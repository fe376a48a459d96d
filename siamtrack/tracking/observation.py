"""Everything that led to the result of one frame, for explanations and reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image
from siamtrack.config import TrackingSettings
from siamtrack.tracking.box_refinement import predicted_box
from siamtrack.tracking.crops import Square
from siamtrack.tracking.feature_extractor import SearchResponse
from siamtrack.tracking.response import PeakTables, mix_with_window, upsample_maps
from siamtrack.tracking.scales import SearchGeometry
from siamtrack.tracking.state import TargetState, TrackResult


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """Crops, responses and figures behind the result of a step, from `Tracker.observe`."""

    crops: Image
    """`(Q, s, s, 3)` BGR: the search crops, one for all scales or one a scale."""
    squares: tuple[Square, ...]
    """Square of the frame that each crop shows."""
    responses: NDArray[np.float32]
    """`(S, R, R)` raw responses of each scale, without the bias of the head."""
    maps: NDArray[np.float64]
    """`(S, n, n)` upsampled responses, from which the scale is chosen. Their middle is that of the crop."""
    penalized: tuple[float, ...]
    """Maximum of each of these maps after the scale penalty: the greatest one is the chosen scale."""
    window: NDArray[np.float64]
    """`(n, n)` cosine window, which sums to 1."""
    mixture: NDArray[np.float64]
    """`(n, n)` map of the chosen scale, or of the online filter, normalized and mixed with the cosine window: its
    maximum is the position."""
    filter_response: NDArray[np.float32] | None
    """`(R, R)` response of the online filter, about 1 at the target; None without a filter."""
    factors: tuple[float, ...]
    """Size of the target that each scale stands for, relative to the present size."""
    boxes: NDArray[np.float32] | None
    """`(Q, 5, R, R)` box maps as `decode_box` takes them; None without a box head."""
    box_read: Box | None
    """Box that the head predicts, before it is mixed with the box of the scale search."""
    quality: float | None
    """Overlap with the truth that the head expects of this box, in [0, 1]."""
    result: TrackResult
    """Result of the step."""

    @property
    def crop_index(self) -> int:
        """Index of the crop that the chosen map comes from."""
        return self.result.peak.scale if len(self.crops) > 1 else 0


def make_observation(
    crops: Image,
    state: TargetState,
    response: SearchResponse,
    result: TrackResult,
    geometry: SearchGeometry,
    tables: PeakTables,
    settings: TrackingSettings,
) -> Observation:
    """Compute the maps that the kernels of a step search without building them.

    Args:
        crops: `(Q, s, s, 3)` BGR search crops of the target.
        state: state of the target before the step.
        response: response of the network to the crops.
        result: result of the step.
        geometry: of the tracker.
        tables: of the tracker's response maps.
        settings: of the tracker.
    """
    peak = result.peak
    maps = upsample_maps(response.responses, tables)
    window = np.outer(tables.window, tables.window)
    middle = len(maps) // 2
    factors = [1.0 if scale == middle else settings.scale_penalty for scale in range(len(maps))]
    maxima = [float(each.max()) for each in maps]
    # A map without evidence, whose APCE is 0, leaves the position to the window.
    chosen = maps[peak.scale] if peak.apce > 0 else np.zeros_like(maps[peak.scale])
    if response.filter_response is not None:
        (chosen,) = upsample_maps(np.maximum(response.filter_response, 0)[None], tables)
    prediction, box_read = response.box_at(peak, geometry), None
    if prediction is not None and state.refinement is not None:
        box_read = predicted_box(state.refinement, prediction, state.center, geometry.crop_scale(state, peak))
    return Observation(
        crops=crops,
        squares=tuple(geometry.search_squares(state)),
        responses=response.responses,
        maps=maps,
        penalized=tuple(top * f if top > 0 else top / f for top, f in zip(maxima, factors, strict=True)),
        window=window,
        mixture=mix_with_window(chosen, settings.window_influence, window),
        filter_response=response.filter_response,
        factors=geometry.pyramid.map_factors(state.age),
        boxes=response.boxes,
        box_read=box_read,
        quality=None if prediction is None else prediction.quality,
        result=result,
    )
