"""Failures of trackers: found in their overlaps, and explained by tracking up to them once more."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, trackable_box
from siamtrack.config import Precision
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet
from siamtrack.errors import SiamTrackError
from siamtrack.evaluation.explain import explain_frame
from siamtrack.evaluation.explain_figure import draw
from siamtrack.evaluation.records import RunRecord
from siamtrack.evaluation.report.contents import Failure, FailurePeriod, Picture
from siamtrack.evaluation.report.plots import true_runs
from siamtrack.evaluation.scores import SequenceScore, TrackerScore
from siamtrack.evaluation.trackers import ModelFactory
from siamtrack.io.frames import Frame
from siamtrack.system.progress import Progress, Report, no_report

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker


SHORTEST_LOSS = 5
"""Scored frames without overlap that make a target lost; fewer are a stumble."""
WINDOW = 10
"""Scored frames before and after a fall of the overlap that it is measured over."""
LEAST_DROP = 0.2
"""A smaller fall is no failure."""


def find_failure_periods(scores: Sequence[TrackerScore], count: int = 10) -> tuple[FailurePeriod, ...]:
    """Return the worst periods of all trackers: the longest times without overlap, then the steepest falls of the
    overlap.

    Where several trackers fail at the same time in a sequence, the one that does worst is taken.

    Args:
        scores: of the same sequences.
        count: how many are wanted.

    Returns:
        At most so many, the worst first.
    """
    found = [period for score in scores for each in score.sequences for period in _failure_periods(score.tracker, each)]
    found.sort(key=lambda period: (-period.lost, -period.drop, period.sequence, period.first))
    chosen: list[FailurePeriod] = []
    for period in found:
        if len(chosen) == count:
            break
        if not any(_at_once(period, other) for other in chosen):
            chosen.append(period)
    return tuple(chosen)


def _at_once(a: FailurePeriod, b: FailurePeriod) -> bool:
    return a.sequence == b.sequence and a.first <= b.last and b.first <= a.last


def _failure_periods(tracker: str, score: SequenceScore) -> Iterator[FailurePeriod]:
    """Yield all losses of a sequence, and its steepest fall."""
    frames = np.flatnonzero(np.isfinite(score.overlaps))
    overlaps = score.overlaps[frames].astype(np.float64)
    falls = _falls(overlaps)
    for begin, end in true_runs(overlaps == 0):
        if end - begin >= SHORTEST_LOSS:
            drop = float(falls[begin])
            yield FailurePeriod(tracker, score.name, int(frames[begin]), int(frames[end - 1]), end - begin, drop)
    if len(falls):
        steepest = int(falls.argmax())
        if falls[steepest] >= LEAST_DROP:
            last = int(frames[min(steepest + WINDOW, len(frames)) - 1])
            yield FailurePeriod(tracker, score.name, int(frames[steepest]), last, 0, float(falls[steepest]))


def _falls(overlaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(N,)` mean of up to `WINDOW` overlaps before each place, minus that of as many from it on; 0 at the first."""
    sums = np.concatenate([[0.0], np.cumsum(overlaps)])
    places = np.arange(len(overlaps))
    before, after = np.maximum(places - WINDOW, 0), np.minimum(places + WINDOW, len(overlaps))
    earlier = (sums[places] - sums[before]) / np.maximum(places - before, 1)
    later = (sums[after] - sums[places]) / np.maximum(after - places, 1)
    falls: NDArray[np.float64] = np.where(places > 0, earlier - later, 0.0)
    return falls


_logger = logging.getLogger(__name__)

WIDTH = 1200
"""Pixels of an explanation."""
QUALITY = 82
"""Quality of JPEG: about 100 kB a picture."""


def explain_failures(
    failures: Sequence[Failure],
    dataset: EvaluationSet,
    records: Mapping[str, RunRecord],
    progress: Report = no_report,
) -> tuple[Failure, ...]:
    """Add how the first bad frame was decided, where the record of a tracker names a model that is still the same.

    What cannot be explained is warned of and stays as it is.

    Args:
        failures: of trackers on the data set.
        dataset: whose frames are tracked.
        records: how results came about, by tracker.
        progress: called after every failure.
    """
    sequences = {sequence.name: sequence for sequence in dataset.sequences}
    names = {failure.period.tracker for failure in failures}
    trackers = {name: tracker for name in sorted(names) if (tracker := _load(name, records.get(name))) is not None}
    explained = []
    for failure in failures:
        period = failure.period
        picture = None
        if period.tracker in trackers and period.first > 0:
            _logger.info("explaining %s in frame %d of %s", period.tracker, period.first, period.sequence)
            try:
                picture = _explain(trackers[period.tracker], sequences[period.sequence], period.first)
            except SiamTrackError as error:
                _logger.warning("%s in %s is not explained: %s", period.tracker, period.sequence, error)
        explained.append(replace(failure, explanation=picture))
        progress(Progress(len(explained), len(failures), "failures", part="explaining"))
    return tuple(explained)


def _load(name: str, record: RunRecord | None) -> Tracker | None:
    """Return the model that made the results; None, with a warning, where something else did, or it has gone or
    changed.
    """
    if record is None or record.card is None or record.digest is None:
        _logger.warning("%s is not explained: its results are of no known model of siamtrack with a card", name)
        return None
    precision = cast(Literal["auto"] | Precision, record.precision or "auto")
    made = ModelFactory(name, record.spec, record.device or "auto", precision)
    try:
        if made.digest == record.digest:
            return made.load()
        _logger.warning("%s is not explained: %s has other weights by now", name, record.spec)
    except SiamTrackError as error:
        _logger.warning("%s is not explained: %s", name, error)
    return None


def _explain(tracker: Tracker, sequence: EvaluationSequence, number: int) -> Picture:
    frames = (Frame(index, 0.0, image) for index, image in enumerate(sequence.frames))
    first = next(frames)
    assert first.image is not None
    truth = Box(*sequence.read_truth().boxes[0].tolist())
    box = trackable_box(truth, first.image.shape[1], first.image.shape[0])
    explanation = explain_frame(tracker, chain([first], frames), box, number, source=sequence.name, model="")
    drawn = draw(explanation)
    height = round(drawn.shape[0] * WIDTH / drawn.shape[1])
    small = cv2.resize(drawn, (WIDTH, height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return Picture(number, WIDTH, height, data.tobytes())
