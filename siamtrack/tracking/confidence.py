"""How sure it is that a box shows the target, and what is said about it: tracked, uncertain or lost.

What a frame says about a target are a few figures of its response map, the filter's answer and the box head. Their
height differs between networks, targets and videos; what changes when a target is covered or leaves is that they fall
below what they were for this target until then (as APCE and the peak are judged by their history in LMCF, Wang et al.
2017, section 3.3). A logistic regression on the figures and on their change gives the probability that the box overlaps
the truth by more than 0.3. `tools/fit_confidence.py` fits it to rendered clips in which targets disappear.

The status follows with hysteresis (as the long-term DaSiamRPN, Zhu et al. 2018, section 3.4, and the long-term
SiamRPN++ decide between their local and their global search): a target is lost after some frames of low confidence, and
taken back only above a higher one, in several frames running.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from siamtrack.config import ConfidenceSettings, TrackingSettings
from siamtrack.tracking.kernels import Peak
from siamtrack.tracking.status import Status

LEAST = 0.1
"""Peak ratios are not told apart below this: a map without evidence has 0, whose logarithm is not finite."""
MOST = 30.0
"""Greatest magnitude of a response that is told from greater ones."""
SURE = 12.0
"""Greatest magnitude of a logit; the sigmoid of a greater one is 0 or 1 to five digits."""


class Signals(NamedTuple):
    """What a frame says about a target, each on a scale on which a difference means the same everywhere."""

    response: float = 0.0
    """Logit of the response to the exemplar at the target's place."""
    psr: float = 0.0
    """Logarithm of the peak-to-sidelobe ratio of the response."""
    apce: float = 0.0
    """Logarithm of the average peak-to-correlation energy of the response."""
    answer: float = 0.0
    """Greatest answer of the filter that is learnt, about 1 at the target; 0 without one."""
    quality: float = 0.0
    """Logit of the overlap with the truth that a box head expects; 0 without one."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What was believed of a target until now; a value."""

    usual: Signals | None = None
    """Running mean of the signals over the frames in which it was tracked."""
    frames: int = 0
    """How many these are."""
    smoothed: float = 1.0
    """Running mean of the confidence."""
    weak: int = 0
    """Frames in a row in which that was low enough to be lost."""
    proofs: int = 0
    """Frames in a row in which a target that was lost was there again."""
    lost: int = 0
    """Frames since it was lost, 0 while it is followed; a target that proves to be there again counts on."""

    @property
    def there(self) -> bool:
        """Whether the last frame showed it: it is followed, or may have been found."""
        return not self.lost or self.proofs > 0


NO_SIGNALS = Signals()
NOTHING_KNOWN = Belief()
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
        least = 1 / (1 + math.exp(SURE))
        bounded = min(max(quality, least), 1 - least)
        signals = signals._replace(quality=math.log(bounded / (1 - bounded)))
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
        logit += getattr(settings.level, name) * signal + getattr(settings.change, name) * (signal - before)
    return 1 / (1 + math.exp(-min(max(logit, -SURE), SURE)))


def believe(known: Belief, signals: Signals, sure: float, settings: TrackingSettings) -> tuple[Belief, Status]:
    """Take a frame into account.

    Args:
        known: until now.
        signals: of this frame.
        sure: their `confidence`.
        settings: the thresholds.

    Returns:
        What is believed now, and what is said.
    """
    rules = settings.confidence
    if known.lost:
        usual = known.usual or signals
        again = sure >= rules.found_above and signals.answer >= rules.found_answer * usual.answer
        proofs = known.proofs + 1 if again else 0
        if proofs < rules.proofs:
            said = Status.UNCERTAIN if proofs else Status.LOST
            return replace(known, proofs=proofs, lost=known.lost + 1), said
        known = replace(known, smoothed=sure, weak=0, proofs=0, lost=0)
    smoothed = known.smoothed + rules.smoothing * (sure - known.smoothed)
    weak = known.weak + 1 if smoothed < settings.lost_below else 0
    if weak >= rules.patience:
        return replace(known, smoothed=smoothed, weak=weak, lost=1), Status.LOST
    if smoothed < settings.uncertain_below:
        return replace(known, smoothed=smoothed, weak=weak), Status.UNCERTAIN
    usual = _mean(known.usual, signals, max(1 / (known.frames + 1), rules.rate))
    return Belief(usual, known.frames + 1, smoothed), Status.TRACKED


def _mean(usual: Signals | None, signals: Signals, share: float) -> Signals:
    if usual is None:
        return signals
    return Signals(*(before + share * (now - before) for before, now in zip(usual, signals, strict=True)))
