"""Frozen, validated settings: every default with its unit and its source."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Precision = Literal["float32", "bfloat16", "float16"]
"""Number format that a network computes in. Its outputs are always float32."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
RuntimeName = Literal["torch", "openvino", "onnx"]
"""Library that runs a network; all but PyTorch run on the CPU only."""
RUNTIMES: tuple[RuntimeName, ...] = get_args(RuntimeName)
ComparisonName = Literal[
    "dot", "cosine", "euclidean", "squared_euclidean", "manhattan", "exp_euclidean", "exp_manhattan"
]
"""Comparison of an exemplar with a search region (`siamtrack.models.comparisons`)."""
DISTANCES: tuple[ComparisonName, ...] = ("euclidean", "squared_euclidean", "manhattan")
"""Comparisons that are low where the two are alike."""


class Frozen(BaseModel):
    """Base of all settings: immutable, and an unknown key is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class OnlineFilterSettings(Frozen):
    """Settings of the filter that is fitted while tracking (`siamtrack.tracking.online_filter.filter`)."""

    learning_rate: float = Field(0.05, gt=0, lt=1)
    """Weight of a new sample; the weights of earlier samples shrink to `1 - learning_rate`."""
    interval: int = Field(5, ge=1)
    """Frames from one sample to the next."""
    max_samples: int = Field(8, ge=1)
    """Number of samples that are kept beside those of the first frame."""
    first_sample_weight: float = Field(0.3, ge=0, lt=1)
    """Minimum weight of the first frame, the only one whose box is given."""
    min_response: float = Field(0.3, ge=0, le=1)
    """Minimum of the maximum filter response in a frame that becomes a sample."""
    tolerance: float = Field(0, ge=0)
    """A frame is not added when the squared error of the filter response is at most this fraction of the error of a
    zero response."""
    sigma: float = Field(0.275, gt=0, le=1)
    """Width of the Gaussian label of the filter, in side lengths of the target."""
    regularization: float = Field(0.1, gt=0)
    """Weight of the squared filter in the regression."""
    init_iterations: int = Field(30, ge=1)
    """Steps of the conjugate gradient in the first frame."""
    iterations: int = Field(2, ge=1)
    """Steps of the conjugate gradient after every new sample."""


class SignalWeights(Frozen):
    """Weights of the `siamtrack.tracking.confidence.Signals` in the logit of the confidence."""

    response: float = 0.0
    psr: float = 0.0
    apce: float = 0.0
    filter_response: float = 0.0
    box_quality: float = 0.0


class ConfidenceSettings(Frozen):
    """Settings of the confidence (`siamtrack.tracking.confidence`), and of when a target is lost and found.

    The weights are those of `siamtrack-lite`, fitted by `tools/fit_confidence.py`.
    """

    intercept: float = 0.609
    """Logit where all signals are 0."""
    level_weights: SignalWeights = SignalWeights(response=0.274, psr=0.976, apce=0.477)
    """Weights of the signals themselves."""
    change_weights: SignalWeights = SignalWeights(response=0.303, psr=0.606, apce=0.515)
    """Weights of their difference from the baseline of the target."""
    baseline_frames: int = Field(20, ge=1)
    """Frames after the first one whose mean is the baseline of a target; nearly all trackers are right in them."""
    smoothing: float = Field(0.5, gt=0, le=1)
    """Weight of a frame in the running mean of the confidence's logit, from which the status follows."""
    slow_smoothing: float = Field(0.2, gt=0, le=1)
    """Weight of a frame in the slower mean that the running mean is compared with."""
    filter_weight: float = Field(8.0, ge=0)
    """Weight of the filter's response in that comparison; the logit has weight 1."""
    drop: float = Field(3.0, ge=0)
    """Distance below the slower mean at which a target is lost."""
    lost_frames: int = Field(5, ge=1)
    """Frames in a row as far below, and below `lost_threshold`, before a target is lost."""
    found_threshold: float = Field(0.8, ge=0, le=1)
    """Confidence from which a lost target may be present again."""
    found_filter_ratio: float = Field(0.6, ge=0, le=1)
    """Fraction of its baseline that the filter response must reach for a lost target to be present again."""
    confirmations: int = Field(3, ge=1)
    """Frames in a row in which a lost target must be present before it is tracked again."""


class LocalSearchSettings(Frozen):
    """Settings of the smaller search crop (`siamtrack.tracking.local_search`)."""

    search_size: int = Field(192, ge=32)
    """Side of that crop in pixels at the scale of the exemplar's."""
    max_displacement: float = Field(0.1875, gt=0)
    """Maximum displacement per axis, in target side lengths, for which the small search crop is used. A target that
    moves further is searched in the full crop, in the same frame."""
    threshold: float = Field(0.8, ge=0, le=1)
    """Confidence from which the small crop is used."""
    interval: int = Field(5, ge=1)
    """Frames between two searches of the full crop in any case."""


class RedetectionSettings(Frozen):
    """Settings of the search for a lost target (`siamtrack.tracking.redetection`)."""

    crops: int = Field(3, ge=1, le=64)
    """Search crops a frame in addition to the usual one."""


class TemplateUpdateSettings(Frozen):
    """Settings of the template update (`siamtrack.tracking.template`)."""

    interval: int = Field(10, ge=1)
    """Frames from one exemplar to the next."""
    learning_rate: float = Field(0.1, gt=0, le=1)
    """Weight of a new exemplar in the running mean of the later ones."""
    weight: float = Field(0.3, ge=0, lt=1)
    """Weight of that mean in the template; the first exemplar has the rest."""
    threshold: float = Field(0.8, ge=0, le=1)
    """Minimum score of a frame that updates the template; the target must be tracked as well."""


class TrackingSettings(Frozen):
    """Settings of a tracker. The defaults are SiamFC-3s (Bertinetto et al. 2016, section 3 and the released code)."""

    context: float = Field(0.5, ge=0, le=2)
    """Context around the target: the exemplar side is `sqrt((w + p)(h + p))` with `p = context * (w + h)`."""
    search_size: int | None = Field(None, ge=32)
    """Side of the search crop in pixels at the scale of the exemplar's; None: the network's own. A smaller crop takes
    less time, and sees less of what surrounds the target."""
    scale_search: Literal["search", "exemplar", "alternate"] = "search"
    """Side that carries the scale pyramid: `search` crops every frame once a scale (the paper); `exemplar` embeds the
    exemplar once a scale when the target is set and correlates all of them with one search crop a frame; `alternate`
    crops a frame once, each frame at another scale, which is taken if its response exceeds the last one of the present
    size."""
    scales: int = Field(3, ge=1, le=9)
    """Number of scales, odd."""
    scale_step: float = Field(1.0375, gt=1, lt=2)
    """Ratio of neighboring scales."""
    scale_penalty: float = Field(0.9745, gt=0, le=1)
    """Factor on the response of every scale but the middle one (a negative response is divided by it)."""
    scale_lr: float = Field(0.59, ge=0, le=1)
    """Share of the measured scale change that the size follows (`scale_lr` elsewhere)."""
    window_influence: float = Field(0.176, ge=0, le=1)
    """Share of the cosine window in the score of a position."""
    upsample: int = Field(16, ge=1, le=32)
    """Bicubic upsampling of the response map before the peak is taken."""
    min_size: float = Field(0.2, gt=0, le=1)
    """Smallest size, as a ratio of the first."""
    max_size: float = Field(5.0, ge=1)
    """Largest size, as a ratio of the first."""
    box_size_lr: float = Field(0.4, ge=0, le=1)
    """Share of a size read by a box head that the smoothed size follows, for a reading of full quality."""
    box_size_weight: float = Field(0.75, ge=0, le=1)
    """Share of that size, against the scale search's, in the box that is reported (geometric mean)."""
    box_center_weight: float = Field(0.75, ge=0, le=1)
    """Share of the center read by a box head in the box that is reported, for a reading of full quality."""
    box_scale_lr: float = Field(0.0, ge=0, le=1)
    """Share of the difference between that size and the scale search's by which the search follows it every frame."""
    online_filter: OnlineFilterSettings | None = None
    """Fit a filter while tracking, which then gives the position; None uses the first exemplar only (SiamFC)."""
    confidence: ConfidenceSettings = ConfidenceSettings()
    """Settings of the confidence and of the status that follows it."""
    template_update: TemplateUpdateSettings | None = None
    """Let the template follow the target slowly; None keeps to the first exemplar (SiamFC)."""
    local_search: LocalSearchSettings | None = None
    """Search the middle of the crop alone while the target moves little; None searches the whole of it in every frame
    (SiamFC), and so does `scale_search = "alternate"`, where a frame does not show all scales."""
    redetection: RedetectionSettings | None = None
    """Search other places for a lost target; None goes on where it was lost (SiamFC)."""
    uncertain_threshold: float = Field(0.6, ge=0, le=1)
    """Smoothed confidence below which a target is reported as uncertain."""
    lost_threshold: float = Field(0.6, ge=0, le=1)
    """Smoothed confidence below which a target is reported as lost, if it has fallen to it (`confidence.drop`)."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.scales % 2 == 0:
            raise ValueError(f"scales must be odd, so that one of them is 'unchanged'; {self.scales} is not")
        if self.online_filter and self.scale_search != "exemplar":
            raise ValueError("online_filter learns from one search crop a frame: it needs scale_search = 'exemplar'")
        if self.lost_threshold > self.uncertain_threshold:
            raise ValueError(
                f"lost_threshold ({self.lost_threshold:g}) must not exceed "
                f"uncertain_threshold ({self.uncertain_threshold:g})"
            )
        if self.confidence.found_threshold < self.lost_threshold:
            raise ValueError(
                f"confidence.found_threshold ({self.confidence.found_threshold:g}) must not be less than "
                f"lost_threshold ({self.lost_threshold:g})"
            )
        return self
