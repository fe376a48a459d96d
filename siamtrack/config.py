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
"""Comparisons whose value is low for similar inputs."""


class Frozen(BaseModel):
    """Base of all settings: immutable, and an unknown key is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class OnlineFilterSettings(Frozen):
    """Settings of the filter that is fitted while tracking (`siamtrack.tracking.online_filter.filter`)."""

    learning_rate: float = Field(0.05, gt=0, lt=1)
    """Weight of a new sample; the weights of earlier samples shrink to `1 - learning_rate`."""
    interval: int = Field(5, ge=1)
    """Number of frames from one sample to the next."""
    max_samples: int = Field(8, ge=1)
    """Maximum number of stored samples, without those of the first frame."""
    first_sample_weight: float = Field(0.3, ge=0, lt=1)
    """Minimum weight of the first frame, the only one whose box is given."""
    min_response: float = Field(0.3, ge=0, le=1)
    """Minimum peak of the filter response for a frame to become a sample."""
    tolerance: float = Field(0, ge=0)
    """A frame is not added when the squared error of the filter response is at most this fraction of the error of a
    zero response."""
    sigma: float = Field(0.275, gt=0, le=1)
    """Width of the Gaussian label of the filter, in side lengths of the target."""
    regularization: float = Field(0.1, gt=0)
    """Weight of the squared filter in the regression."""
    init_iterations: int = Field(30, ge=1)
    """Number of conjugate gradient steps in the first frame."""
    iterations: int = Field(2, ge=1)
    """Number of conjugate gradient steps after every new sample."""


class SignalWeights(Frozen):
    """Weights of the `siamtrack.tracking.confidence.Signals` in the logit of the confidence."""

    response: float = 0.0
    psr: float = 0.0
    apce: float = 0.0
    filter_response: float = 0.0
    box_quality: float = 0.0


class ConfidenceSettings(Frozen):
    """Settings of the confidence, and of when a target is lost and found (`siamtrack.tracking.confidence`).

    The weights are those of `siamtrack-lite`, fitted by `tools/fit_confidence.py`.
    """

    intercept: float = 0.609
    """Logit of the confidence when all signals are 0."""
    level_weights: SignalWeights = SignalWeights(response=0.274, psr=0.976, apce=0.477)
    """Weights of the signals themselves."""
    change_weights: SignalWeights = SignalWeights(response=0.303, psr=0.606, apce=0.515)
    """Weights of the differences between the signals and the baseline of the target."""
    baseline_frames: int = Field(20, ge=1)
    """Number of frames after the first one whose mean is the baseline of a target. Trackers rarely fail in them."""
    smoothing: float = Field(0.5, gt=0, le=1)
    """Weight of a frame in the running mean of the confidence's logit. This mean decides the status."""
    slow_smoothing: float = Field(0.2, gt=0, le=1)
    """Weight of a frame in the slower mean that the running mean is compared with."""
    filter_weight: float = Field(8.0, ge=0)
    """Weight of the filter response in the comparison of the two means; the logit has weight 1."""
    drop: float = Field(3.0, ge=0)
    """Minimum distance below the slower mean for a target to be lost."""
    lost_frames: int = Field(5, ge=1)
    """Number of successive frames below both limits (`drop` and `lost_threshold`) before a target is lost."""
    found_threshold: float = Field(0.8, ge=0, le=1)
    """Minimum confidence for a lost target to be present again."""
    found_filter_ratio: float = Field(0.6, ge=0, le=1)
    """Minimum filter response, as a fraction of its baseline, for a lost target to be present again."""
    confirmations: int = Field(3, ge=1)
    """Number of successive frames in which a lost target must be present before it is tracked again."""


class LocalSearchSettings(Frozen):
    """Settings of the smaller search crop (`siamtrack.tracking.local_search`)."""

    search_size: int = Field(192, ge=32)
    """Side of the small search crop in pixels, at the scale of the exemplar crop."""
    max_displacement: float = Field(0.1875, gt=0)
    """Maximum displacement per axis, in target side lengths, for which the small search crop is used. After a
    larger displacement, the tracker searches the full crop in the same frame."""
    threshold: float = Field(0.8, ge=0, le=1)
    """Minimum confidence for which the small search crop is used."""
    interval: int = Field(5, ge=1)
    """Maximum number of frames from one search of the full crop to the next."""


class RedetectionSettings(Frozen):
    """Settings of the search for a lost target (`siamtrack.tracking.redetection`)."""

    crops: int = Field(3, ge=1, le=64)
    """Number of additional search crops in each frame."""


class TemplateUpdateSettings(Frozen):
    """Settings of the template update (`siamtrack.tracking.template`)."""

    interval: int = Field(10, ge=1)
    """Number of frames from one exemplar to the next."""
    learning_rate: float = Field(0.1, gt=0, le=1)
    """Weight of a new exemplar in the running mean of the later ones."""
    weight: float = Field(0.3, ge=0, lt=1)
    """Weight of the mean of later exemplars in the template; the first exemplar has the remaining weight."""
    threshold: float = Field(0.8, ge=0, le=1)
    """Minimum score of a frame for a template update. The status of the target must be tracked as well."""


class TrackingSettings(Frozen):
    """Settings of a tracker. The defaults are SiamFC-3s (Bertinetto et al. 2016, section 3 and the released code)."""

    context: float = Field(0.5, ge=0, le=2)
    """Context around the target: the exemplar side is `sqrt((w + p)(h + p))` with `p = context * (w + h)`."""
    search_size: int | None = Field(None, ge=32)
    """Side of the search crop in pixels, at the scale of the exemplar crop; None uses the size of the network. A
    smaller crop takes less time and shows less of the surroundings."""
    scale_search: Literal["search", "exemplar", "alternate"] = "search"
    """Kind of scale search. `search` crops every frame once per scale (the paper). `exemplar` embeds the exemplar once
    per scale when the target is set, and correlates all of them with one search crop per frame. `alternate` makes one
    crop per frame, at alternating scales; a new scale is accepted if its response exceeds the last response of the
    present size."""
    scales: int = Field(3, ge=1, le=9)
    """Number of scales, odd."""
    scale_step: float = Field(1.0375, gt=1, lt=2)
    """Ratio of neighboring scales."""
    scale_penalty: float = Field(0.9745, gt=0, le=1)
    """Factor on the response of every scale but the middle one (a negative response is divided by it)."""
    scale_lr: float = Field(0.59, ge=0, le=1)
    """Learning rate of the target size from the scale search."""
    window_influence: float = Field(0.176, ge=0, le=1)
    """Weight of the cosine window in the score of a position."""
    upsample: int = Field(16, ge=1, le=32)
    """Factor of the bicubic upsampling of the response map, before the peak search."""
    min_size: float = Field(0.2, gt=0, le=1)
    """Minimum target size, as a ratio of the first size."""
    max_size: float = Field(5.0, ge=1)
    """Maximum target size, as a ratio of the first size."""
    box_size_lr: float = Field(0.4, ge=0, le=1)
    """Learning rate of the smoothed size from the box head, for a prediction of quality 1."""
    box_size_weight: float = Field(0.75, ge=0, le=1)
    """Weight of the smoothed size in the reported box; the size from the scale search has the remaining weight
    (geometric mean)."""
    box_center_weight: float = Field(0.75, ge=0, le=1)
    """Weight of the predicted center in the reported box, for a prediction of quality 1."""
    box_scale_lr: float = Field(0.0, ge=0, le=1)
    """Learning rate, in each frame, of the scale search's size from the smoothed size of the box head."""
    online_filter: OnlineFilterSettings | None = None
    """Settings of the online filter, which gives the position; None uses the first exemplar only (SiamFC)."""
    confidence: ConfidenceSettings = ConfidenceSettings()
    """Settings of the confidence and of the status."""
    template_update: TemplateUpdateSettings | None = None
    """Settings of the template update; None keeps the first exemplar (SiamFC)."""
    local_search: LocalSearchSettings | None = None
    """Settings of the small search crop, used while the target moves little. None searches the full crop in every frame
    (SiamFC). `scale_search = "alternate"` also searches the full crop, because a frame does not show all scales."""
    redetection: RedetectionSettings | None = None
    """Settings of the search for a lost target; None searches only the last position (SiamFC)."""
    uncertain_threshold: float = Field(0.6, ge=0, le=1)
    """Minimum smoothed confidence of a tracked target; a target below it is reported as uncertain."""
    lost_threshold: float = Field(0.6, ge=0, le=1)
    """Minimum smoothed confidence of a target that is not lost. A target below it is reported as lost if the confidence
    has also dropped (see `confidence.drop`)."""

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
