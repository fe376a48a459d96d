"""Explanations of failures: our own models track once more up to that frame, and it is drawn."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Literal, cast

import cv2

from siamtrack.boxes import Box, trackable_box
from siamtrack.config import Precision
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet
from siamtrack.errors import SiamTrackError
from siamtrack.evaluation.explain import draw, explain_frame
from siamtrack.evaluation.records import RunRecord
from siamtrack.evaluation.report.contents import Failure, Picture
from siamtrack.evaluation.trackers import ModelFactory
from siamtrack.io.frames import Frame
from siamtrack.system.progress import Progress, Report, no_report

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

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
    names = {failure.moment.tracker for failure in failures}
    trackers = {name: tracker for name in sorted(names) if (tracker := _load(name, records.get(name))) is not None}
    explained = []
    for failure in failures:
        moment = failure.moment
        picture = None
        if moment.tracker in trackers and moment.first > 0:
            _logger.info("explaining %s in frame %d of %s", moment.tracker, moment.first, moment.sequence)
            try:
                picture = _explain(trackers[moment.tracker], sequences[moment.sequence], moment.first)
            except SiamTrackError as error:
                _logger.warning("%s in %s is not explained: %s", moment.tracker, moment.sequence, error)
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
