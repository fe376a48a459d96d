"""State of a target between two frames, and the result of a frame: values that the caller owns."""

from __future__ import annotations

from dataclasses import dataclass

from siamtrack.boxes import Box
from siamtrack.tracking.box_refinement import BoxRefinement
from siamtrack.tracking.confidence import INITIAL_TRACK_STATE, NO_SIGNALS, Signals, Status, TrackState
from siamtrack.tracking.crops import Color
from siamtrack.tracking.local_search import ResponseContext
from siamtrack.tracking.response import Peak
from siamtrack.tracking.template import TemplateFeatures, TemplateMean


@dataclass(frozen=True, slots=True, eq=False)
class TargetState:
    """State of one target between two frames; a value: `Tracker.step` makes a new one."""

    template: TemplateFeatures
    """Exemplars and online filter that search crops are correlated with."""
    border: Color
    """Color that stands outside the frame: the mean of the first frame, blue, green, red."""
    first_size: tuple[float, float]
    """Width and height in the first frame, in pixels."""
    center: tuple[float, float]
    """Center `(x, y)` in pixels, 0-based and continuous; inside the frame."""
    scale: float
    """Size relative to the first size."""
    status: Status
    """Status in the last frame."""
    refinement: BoxRefinement | None = None
    """Shape of the target; None without a box head."""
    template_mean: TemplateMean | None = None
    """Running mean that the exemplars come from; None before the first template update."""
    age: int = 0
    """Frames since the first frame."""
    scale_reference: float = 0.0
    """Greatest response in the last frame at the present size, where the scales alternate."""
    track_state: TrackState = INITIAL_TRACK_STATE
    """Running means of the confidence, from which the status follows."""
    context: ResponseContext | None = None
    """Responses around the target, where the local search crop is enough for the next frame; None asks for the full
    search crop."""
    confident: TargetState | None = None
    """Last state of high confidence; None where that is this state."""

    @property
    def last_confident(self) -> TargetState:
        """Last state of high confidence, possibly this one."""
        return self.confident or self

    @property
    def box(self) -> Box:
        """Box of the target in pixels, 0-based and continuous; it may cross the border of the frame."""
        return self.refinement.box if self.refinement else self.searched_box

    @property
    def searched_box(self) -> Box:
        """Box of the scale search, with the aspect ratio of the first box."""
        return Box.from_center(*self.center, self.first_size[0] * self.scale, self.first_size[1] * self.scale)


@dataclass(frozen=True, slots=True, eq=False)
class TrackResult:
    """Position of a target in a frame."""

    box: Box
    """`x, y, width, height` in pixels, 0-based and continuous; it may cross the border of the frame."""
    score: float
    """Probability that the box overlaps the truth by more than 0.3 (`siamtrack.tracking.confidence`), calibrated on
    clips in which the target leaves and returns."""
    status: Status
    """Tracked, uncertain or lost; it follows the recent scores with hysteresis."""
    peak: Peak
    """Peak of the response to the exemplar: raw value, peak-to-sidelobe ratio, average peak-to-correlation energy."""
    state: TargetState
    """State for the next frame, see `Tracker.step`."""
    signals: Signals = NO_SIGNALS
    """Signals that the score is computed from."""

    @property
    def found(self) -> bool:
        """The target is tracked or uncertain, so that the box shows it; false where it is lost."""
        return self.status in (Status.TRACKED, Status.UNCERTAIN)
