"""How sure it is that a box shows the target, and what is said about it: tracked, uncertain or lost.

What a frame says about a target are a few figures of its response map, the filter's answer and the box head. Their
height differs between networks, targets and videos; what changes when a target is covered or leaves is that they fall
below what they were for this target (as APCE and the peak are judged by their history in LMCF, Wang et al. 2017,
section 3.3). What is usual for it is their mean over the first frames and not a running one: that would get used to
whatever the tracker has drifted to. A logistic regression on the figures and on their change gives the probability that
the box overlaps the truth by more than 0.3. `tools/fit_confidence.py` fits it to rendered clips in which targets
disappear.

The status follows with hysteresis (as the long-term DaSiamRPN, Zhu et al. 2018, section 3.4, and the long-term
SiamRPN++ decide between their local and their global search): a target is lost after some frames of a confidence that
is low and has fallen, and taken back only above a higher one, in several frames running. One that changes slowly may
become uncertain but not lost, for a target that disappears does so within a second. In the fall the filter's answer
counts as well: it gets used to whatever is followed, so that its height says little, but what covers a target is new.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from siamtrack.config import ConfidenceSettings, TrackingSettings
    from siamtrack.tracking.response import Peak

LEAST = 0.1
"""Peak ratios are not told apart below this: a map without evidence has 0, whose logarithm is not finite."""
MOST = 30.0
"""Greatest magnitude of a response that is told from greater ones."""
SURE = 12.0
"""Greatest magnitude of a logit; the sigmoid of a greater one is 0 or 1 to five digits."""


class Status(StrEnum):
    """State of a target in a frame."""

    TRACKED = "tracked"
    """The box is where the target is."""
    UNCERTAIN = "uncertain"
    """The response is weak or ambiguous; the box is the best guess."""
    LOST = "lost"
    """The response does not show the target; the box is a guess, and the search goes on from it."""
    SKIPPED = "skipped"
    """The frame could not be decoded; there is no box."""


class Signals(NamedTuple):
    """What a frame says about a target, each on a scale on which a difference means the same everywhere."""

    response: float = 0.0
    """Logit of the response to the exemplar at the target's place."""
    psr: float = 0.0
    """Logarithm of the peak-to-sidelobe ratio of the response."""
    apce: float = 0.0
    """Logarithm of the average peak-to-correlation energy of the response."""
    filter_response: float = 0.0
    """Greatest answer of the filter that is learnt, about 1 at the target; 0 without one."""
    box_quality: float = 0.0
    """Logit of the overlap with the truth that a box head expects; 0 without one."""


@dataclass(frozen=True, slots=True)
class TrackState:
    """What was believed of a target until now; a value."""

    usual: Signals | None = None
    """Mean of the signals over the first frames."""
    frames: int = 0
    """How many these are so far."""
    smoothed: float | None = None
    """Running mean of the logit of the confidence; None before the first frame."""
    evidence: float | None = None
    """The same of the logit and the filter's answer together."""
    lately: float | None = None
    """A slower mean of these, which stands still while the target may be disappearing."""
    weak: int = 0
    """Frames in a row in which it may be."""
    proofs: int = 0
    """Frames in a row in which a target that was lost was there again."""
    lost: int = 0
    """Frames since it was lost, 0 while it is followed; a target that proves to be there again counts on."""

    @property
    def there(self) -> bool:
        """Whether the last frame showed it: it is followed, or may have been found."""
        return not self.lost or self.proofs > 0


NO_SIGNALS = Signals()
INITIAL_TRACK_STATE = TrackState()
"""Of a target that has just been set."""


def read_signals(peak: Peak, bias: float, answer: float, quality: float | None) -> Signals:
    """Put what a frame says on common scales.

    Args:
        peak: of the response to the exemplar.
        bias: of the head: the peak's value and this are a logit.
        answer: greatest answer of the filter that is learnt; 0 without one.
        quality: overlap with the truth that the box head expects, in [0, 1]; None without one.
    """
    response = min(max(peak.value + bias, -MOST), MOST)
    signals = Signals(response, _ratio(peak.psr), _ratio(peak.apce), answer)
    if quality is not None:
        signals = signals._replace(box_quality=_logit(quality))
    return signals


def _ratio(value: float) -> float:
    return math.log(max(value, LEAST))


def confidence(signals: Signals, usual: Signals | None, settings: ConfidenceSettings) -> float:
    """Probability that the box overlaps the truth by more than 0.3.

    Args:
        signals: of this frame.
        usual: of this target so far; None where nothing is known yet, which counts as no change.
        settings: the fitted weights.
    """
    logit = settings.intercept
    for name, signal, before in zip(Signals._fields, signals, usual or signals, strict=True):
        logit += getattr(settings.level_weights, name) * signal + getattr(settings.change_weights, name) * (
            signal - before
        )
    return _probability(logit)


def update_state(
    known: TrackState, signals: Signals, sure: float, settings: TrackingSettings
) -> tuple[TrackState, Status]:
    """Take a frame into account.

    Args:
        known: until now.
        signals: of this frame.
        sure: their `confidence`.
        settings: the thresholds.

    Returns:
        What is believed now, and what is said.
    """
    rules, logit = settings.confidence, _logit(sure)
    now = logit + rules.filter_weight * signals.filter_response
    if known.lost:
        usual = known.usual or signals
        again = (
            sure >= rules.found_threshold
            and signals.filter_response >= rules.found_filter_ratio * usual.filter_response
        )
        proofs = known.proofs + 1 if again else 0
        if proofs < rules.confirmations:
            said = Status.UNCERTAIN if proofs else Status.LOST
            return replace(known, proofs=proofs, lost=known.lost + 1), said
        known = replace(known, smoothed=logit, evidence=now, lately=now, weak=0, proofs=0, lost=0)
    smoothed = _toward(known.smoothed, logit, rules.smoothing)
    evidence = _toward(known.evidence, now, rules.smoothing)
    lately = now if known.lately is None else known.lately
    probability = _probability(smoothed)
    fallen = evidence < lately - rules.drop
    weak = known.weak + 1 if fallen and probability < settings.lost_threshold else 0
    if not weak:
        lately = _toward(lately, now, rules.slow_smoothing)
    if not fallen:
        known = _get_used_to(known, signals, rules.baseline_frames)
    known = replace(known, smoothed=smoothed, evidence=evidence, lately=lately, weak=weak)
    if weak >= rules.lost_frames:
        return replace(known, lost=1), Status.LOST
    return known, Status.UNCERTAIN if probability < settings.uncertain_threshold else Status.TRACKED


def _toward(before: float | None, now: float, share: float) -> float:
    """The next value of a running mean, which begins with what is first."""
    return now if before is None else before + share * (now - before)


def _logit(probability: float) -> float:
    least = 1 / (1 + math.exp(SURE))
    bounded = min(max(probability, least), 1 - least)
    return math.log(bounded / (1 - bounded))


def _probability(logit: float) -> float:
    return 1 / (1 + math.exp(-min(max(logit, -SURE), SURE)))


def _get_used_to(known: TrackState, signals: Signals, first_frames: int) -> TrackState:
    """The same with these signals in what is usual, if they are among the first ones."""
    if known.frames >= first_frames:
        return known
    frames = known.frames + 1
    usual = [_toward(before, now, 1 / frames) for before, now in zip(known.usual or signals, signals, strict=True)]
    return replace(known, usual=Signals(*usual), frames=frames)
