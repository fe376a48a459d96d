"""What a tracker knows, sees and says about a target: values that the caller owns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.boxes import Box
from siamtrack.tracking.box_refinement import BoxRefinement
from siamtrack.tracking.confidence import INITIAL_TRACK_STATE, NO_SIGNALS, Signals, Status, TrackState
from siamtrack.tracking.crops import Color, Square
from siamtrack.tracking.local_search import ResponseContext
from siamtrack.tracking.online_filter.filter import OnlineFilter
from siamtrack.tracking.response import Peak
from siamtrack.tracking.template import Template


class TemplateFeatures(NamedTuple):
    """Everything that a search crop is correlated with, ready for it."""

    exemplars: Tensor
    """`(E, C, h, w)` what it was made of,"""
    filter: OnlineFilter | None
    """and the filter, where one is learnt."""
    kernels: Tensor
    """`(S, C, h, w)`, channels last in memory: the exemplars and, where one is learnt, the filter after them."""
    offset: float
    """To be taken off what the filter answers."""

    @classmethod
    def of(cls, exemplars: Tensor, known: OnlineFilter | None) -> Self:
        """Make it."""
        every = exemplars
        if known is not None:
            every = torch.cat([exemplars, known.kernel[None].to(exemplars.device)])
        offset = 0.0 if known is None else known.offset
        return cls(exemplars, known, every.contiguous(memory_format=torch.channels_last), offset)


@dataclass(frozen=True, slots=True, eq=False)
class TargetState:
    """Everything about one target between two frames; a value: `Tracker.step` makes a new one."""

    kernels: Tensor
    """`(E, C, h, w)` embedded exemplars that the search crops are compared with, on the tracker's device."""
    border: Color
    """Color that stands outside the frame: the mean of the first one, blue, green, red."""
    first_size: tuple[float, float]
    """Width and height in the first frame, in pixels."""
    center: tuple[float, float]
    """Center `(x, y)` in pixels, 0-based and continuous; inside the frame."""
    scale: float
    """Size relative to the first one."""
    status: Status
    """What was said about the target in the last frame."""
    refinement: BoxRefinement | None = None
    """What is known about the target's shape, where the network reads boxes."""
    template: Template | None = None
    """What these exemplars are made of, where they were renewed."""
    filter: OnlineFilter | None = None
    """What was learnt while tracking, where the settings ask for it."""
    compared: TemplateFeatures = None  # type: ignore[assignment]  # never seen: see __post_init__
    """Exemplars and filter as search crops are correlated with them."""
    age: int = 0
    """Frames since the first one."""
    reference: float = 0.0
    """Greatest response when the present size was last tried, where scales are tried in turn."""
    belief: TrackState = INITIAL_TRACK_STATE
    """What is believed of it."""
    around: ResponseContext | None = None
    """What stands around it, where the near search crop is enough for the next frame; None asks for the usual one."""
    seen: TargetState | None = None
    """The target when it was last seen for sure; None where that is this state."""

    def __post_init__(self) -> None:
        """See that what is compared is made of these exemplars and this filter, which few frames change."""
        made = self.compared
        if made is None or made.exemplars is not self.kernels or made.filter is not self.filter:
            object.__setattr__(self, "compared", TemplateFeatures.of(self.kernels, self.filter))

    @property
    def last_seen(self) -> TargetState:
        """The target when it was last seen for sure."""
        return self.seen or self

    @property
    def box(self) -> Box:
        """The target's box in pixels, 0-based and continuous; it may hang over the border of the frame."""
        return self.refinement.box if self.refinement else self.searched_box

    @property
    def searched_box(self) -> Box:
        """The box of the scale search, with the aspect ratio of the first one."""
        return Box.from_center(*self.center, self.first_size[0] * self.scale, self.first_size[1] * self.scale)


@dataclass(frozen=True, slots=True, eq=False)
class TrackResult:
    """Where a target is in a frame."""

    box: Box
    """`x, y, width, height` in pixels, 0-based and continuous; it may hang over the border of the frame."""
    score: float
    """Probability that the box overlaps the truth by more than 0.3 (`siamtrack.tracking.confidence`), calibrated on
    clips in which the target leaves and returns."""
    status: Status
    """Whether the score has been high enough lately to update_state the box."""
    peak: Peak
    """Figures of the response to the exemplar: raw peak, peak-to-sidelobe ratio, average peak-to-correlation energy."""
    state: TargetState
    """What `Tracker.step` takes for the next frame."""
    signals: Signals = NO_SIGNALS
    """What the score is made of."""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What a step sees of one target and what it makes of it, from `Tracker.observe`."""

    crops: NDArray[np.uint8]
    """`(Q, s, s, 3)` BGR: the search crops as the network gets them, one for all scales or one a scale."""
    squares: tuple[Square, ...]
    """What each crop shows of the frame."""
    responses: NDArray[np.float32]
    """`(S, R, R)` raw responses of each scale, without the bias of the head."""
    maps: NDArray[np.float64]
    """`(S, n, n)` the same, upsampled: where the scale is chosen. The middle is that of the crop."""
    penalized: tuple[float, ...]
    """Greatest value of each of these maps after the scale penalty: the greatest of them is the chosen scale."""
    window: NDArray[np.float64]
    """`(n, n)` the cosine window, which sums to 1."""
    mixture: NDArray[np.float64]
    """`(n, n)` the chosen map, or that of the filter where one is learnt, normalized and mixed with the cosine window:
    its greatest value is the position."""
    learnt: NDArray[np.float32] | None
    """`(R, R)` answers of the filter that is learnt while tracking, about 1 at the target; None without one."""
    factors: tuple[float, ...]
    """Size of the target that each scale stands for, relative to the present one."""
    boxes: NDArray[np.float32] | None
    """`(Q, 5, R, R)` box maps as `decode_box` takes them; None where the network reads no boxes."""
    box_read: Box | None
    """The box as the head read it, before it is mixed with that of the scale search."""
    quality: float | None
    """Overlap with the truth that the head expects of it, in [0, 1]."""
    result: TrackResult
    """What `Tracker.step` gives."""

    @property
    def crop_index(self) -> int:
        """Which crop the chosen map was seen in."""
        return self.result.peak.scale if len(self.crops) > 1 else 0
