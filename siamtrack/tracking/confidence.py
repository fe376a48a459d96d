"""Confidence that a box shows the target, and the status that follows from it: tracked, uncertain or lost.

The signals of a frame are figures of its response map, the filter response and the box quality. Their level differs
between networks, targets and videos. When a target is covered or leaves, they fall below what they were for this target
(LMCF, Wang et al. 2017, section 3.3, compares APCE and peak with their history in the same way). Their baseline is the
mean over the first frames, not a running mean: a running mean would adapt to whatever the tracker has drifted to. A
logistic regression on the signals and on their change gives the probability that the box overlaps the truth by more
than 0.3. `tools/fit_confidence.py` fits it to rendered clips in which targets disappear.

The status follows with hysteresis, as the long-term DaSiamRPN (Zhu et al. 2018, section 3.4) and the long-term
SiamRPN++ decide between local and global search. A target is lost after several frames of a confidence that is low and
has dropped. It is tracked again only above a higher confidence, in several frames in a row. A target whose confidence
changes slowly may become uncertain but not lost, because a target that disappears does so within a second. The filter
response counts in the drop as well. It adapts to whatever is followed, so that its level says little; but an object
that covers the target is new.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from siamtrack.config import ConfidenceSettings, TrackingSettings
    from siamtrack.tracking.response import Peak

MIN_RATIO = 0.1
"""Lower limit of peak ratios: a map without evidence has 0, whose logarithm is not finite."""
MAX_RESPONSE = 30.0
"""Limit of the magnitude of a response."""
MAX_LOGIT = 12.0
"""Limit of the magnitude of a logit; the sigmoid of a greater one is 0 or 1 to five digits."""


class Status(StrEnum):
    """Status of a target in a frame."""

    TRACKED = "tracked"
    """The box is where the target is."""
    UNCERTAIN = "uncertain"
    """The response is weak or ambiguous; the box is the best guess."""
    LOST = "lost"
    """The response does not show the target; the box is a guess, and the search goes on from it."""
    SKIPPED = "skipped"
    """The frame could not be decoded; there is no box."""


class Signals(NamedTuple):
    """Figures of a frame for one target, each on a scale on which a difference means the same at every level."""

    response: float = 0.0
    """Logit of the response to the exemplar at the target's position."""
    psr: float = 0.0
    """Logarithm of the peak-to-sidelobe ratio of the response."""
    apce: float = 0.0
    """Logarithm of the average peak-to-correlation energy of the response."""
    filter_response: float = 0.0
    """Maximum of the filter response, about 1 at the target; 0 without an online filter."""
    box_quality: float = 0.0
    """Logit of the overlap with the truth that the box head expects; 0 without a box head."""


@dataclass(frozen=True, slots=True)
class TrackState:
    """Running means of the confidence of one target; a value."""

    baseline: Signals | None = None
    """Mean of the signals over the first frames."""
    baseline_frames: int = 0
    """Number of frames in the baseline."""
    smoothed: float | None = None
    """Running mean of the logit of the confidence; None before the first frame."""
    evidence: float | None = None
    """Running mean of the logit and the filter response together."""
    slow_mean: float | None = None
    """Slower running mean of the evidence, which is held while the target may be disappearing."""
    frames_weak: int = 0
    """Frames in a row in which the target may be disappearing."""
    confirmations: int = 0
    """Frames in a row in which a lost target is present again."""
    frames_lost: int = 0
    """Frames since the target was lost, 0 while it is tracked; the frames that confirm its return count as well."""

    @property
    def is_present(self) -> bool:
        """The last frame shows the target: it is tracked, or its return is being confirmed."""
        return not self.frames_lost or self.confirmations > 0


NO_SIGNALS = Signals()
INITIAL_TRACK_STATE = TrackState()
"""State of a target before its first search."""


def read_signals(peak: Peak, bias: float, filter_peak: float, box_quality: float | None) -> Signals:
    """Put the figures of a frame on common scales.

    Args:
        peak: of the response to the exemplar.
        bias: of the correlation head: peak value plus bias is a logit.
        filter_peak: maximum of the filter response; 0 without an online filter.
        box_quality: overlap with the truth that the box head expects, in [0, 1]; None without a box head.
    """
    return Signals(
        response=min(max(peak.value + bias, -MAX_RESPONSE), MAX_RESPONSE),
        psr=math.log(max(peak.psr, MIN_RATIO)),
        apce=math.log(max(peak.apce, MIN_RATIO)),
        filter_response=filter_peak,
        box_quality=0.0 if box_quality is None else _logit(box_quality),
    )


def confidence(signals: Signals, baseline: Signals | None, settings: ConfidenceSettings) -> float:
    """Return the probability that the box overlaps the truth by more than 0.3.

    Args:
        signals: of this frame.
        baseline: of this target; None before the first frame, which counts as no change.
        settings: the fitted weights.
    """
    logit = settings.intercept
    for name, signal, before in zip(Signals._fields, signals, baseline or signals, strict=True):
        level, change = getattr(settings.level_weights, name), getattr(settings.change_weights, name)
        logit += level * signal + change * (signal - before)
    return _sigmoid(logit)


def update_state(
    state: TrackState, signals: Signals, confidence: float, settings: TrackingSettings
) -> tuple[TrackState, Status]:
    """Add a frame to the running means of a target.

    Args:
        state: before this frame.
        signals: of this frame.
        confidence: that follows from them, see `confidence`.
        settings: the thresholds.

    Returns:
        The state after this frame, and the status.
    """
    rules, logit = settings.confidence, _logit(confidence)
    evidence = logit + rules.filter_weight * signals.filter_response
    if state.frames_lost:
        usual_filter_response = (state.baseline or signals).filter_response
        confirmed = (
            confidence >= rules.found_threshold
            and signals.filter_response >= rules.found_filter_ratio * usual_filter_response
        )
        confirmations = state.confirmations + 1 if confirmed else 0
        if confirmations < rules.confirmations:
            status = Status.UNCERTAIN if confirmations else Status.LOST
            return replace(state, confirmations=confirmations, frames_lost=state.frames_lost + 1), status
        state = TrackState(state.baseline, state.baseline_frames, logit, evidence, evidence)
    smoothed = _running_mean(state.smoothed, logit, rules.smoothing)
    smoothed_evidence = _running_mean(state.evidence, evidence, rules.smoothing)
    slow_mean = evidence if state.slow_mean is None else state.slow_mean
    probability = _sigmoid(smoothed)
    dropped = smoothed_evidence < slow_mean - rules.drop
    frames_weak = state.frames_weak + 1 if dropped and probability < settings.lost_threshold else 0
    if not frames_weak:
        slow_mean = _running_mean(slow_mean, evidence, rules.slow_smoothing)
    if not dropped and state.baseline_frames < rules.baseline_frames:
        state = _with_baseline(state, signals)
    lost = frames_weak >= rules.lost_frames
    state = replace(
        state,
        smoothed=smoothed,
        evidence=smoothed_evidence,
        slow_mean=slow_mean,
        frames_weak=frames_weak,
        frames_lost=int(lost),
    )
    if lost:
        return state, Status.LOST
    return state, Status.UNCERTAIN if probability < settings.uncertain_threshold else Status.TRACKED


def _running_mean(before: float | None, value: float, rate: float) -> float:
    """Return the next value of an exponential mean, which begins with the first value."""
    return value if before is None else before + rate * (value - before)


def _with_baseline(state: TrackState, signals: Signals) -> TrackState:
    """Return the state with these signals in the mean of its baseline."""
    frames, before = state.baseline_frames + 1, state.baseline or signals
    means = [_running_mean(mean, signal, 1 / frames) for mean, signal in zip(before, signals, strict=True)]
    return replace(state, baseline=Signals(*means), baseline_frames=frames)


def _logit(probability: float) -> float:
    least = 1 / (1 + math.exp(MAX_LOGIT))
    bounded = min(max(probability, least), 1 - least)
    return math.log(bounded / (1 - bounded))


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-min(max(logit, -MAX_LOGIT), MAX_LOGIT)))
