"""Brings together what a report shows: scores, boxes, frames and records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet
from siamtrack.evaluation.records import RunRecord
from siamtrack.evaluation.report.contents import Failure, FailurePeriod, Origin, Picture, Report, rank
from siamtrack.evaluation.report.failures import find_failure_periods
from siamtrack.evaluation.report.palette import Style, make_styles
from siamtrack.evaluation.report.pictures import FrameBoxes, read_frames, spread, take_picture
from siamtrack.evaluation.scores import Comparison, TrackerScore
from siamtrack.system.progress import Progress, no_report
from siamtrack.system.progress import Report as ReportProgress

ReadBoxes = Callable[[str, EvaluationSequence], NDArray[np.float64]]
"""Gives the `(N, 4)` boxes of a tracker, by name, on a sequence."""


def collect_report(
    dataset: EvaluationSet,
    scores: Sequence[TrackerScore],
    read_boxes: ReadBoxes,
    origin: Origin,
    comparisons: Sequence[Comparison] = (),
    records: Mapping[str, RunRecord] | None = None,
    frames: int = 6,
    progress: ReportProgress = no_report,
) -> Report:
    """Put a report together; the frames of one sequence are in memory at a time.

    Args:
        dataset: whose frames are shown.
        scores: of all its sequences, one a tracker.
        read_boxes: gives the boxes to draw.
        origin: where the report comes from.
        comparisons: of pairs of these trackers.
        records: how the results came about, by tracker.
        frames: pictures of each sequence; 0 leaves all pictures out, those of failures as well.
        progress: called after every sequence.

    Raises:
        UsageError: when scores do not belong together.
        DataError: when frames, truth or boxes cannot be read.
    """
    ranked = rank(scores)
    styles = make_styles(score.tracker for score in ranked)
    periods = find_failure_periods(ranked)
    strips: dict[str, tuple[Picture, ...]] = {}
    seen: dict[FailurePeriod, tuple[Picture, ...]] = {}
    if frames > 0:
        for number, sequence in enumerate(dataset.sequences, 1):
            here = [period for period in periods if period.sequence == sequence.name]
            shown = spread(len(sequence.frames), frames)
            wanted = {*shown, *(index for period in here for index in period.frames)}
            pictures = _take_pictures(sequence, wanted, styles, read_boxes)
            strips[sequence.name] = tuple(pictures[index] for index in shown)
            seen |= {period: tuple(pictures[index] for index in period.frames) for period in here}
            progress(Progress(number, len(dataset), "sequences", part="pictures"))
    sizes = Counter(attribute for sequence in dataset.sequences for attribute in sorted(sequence.attributes))
    return Report(
        dataset=dataset.name,
        kind=dataset.kind,
        scores=ranked,
        origin=origin,
        comparisons=tuple(comparisons),
        attribute_sizes=sizes,
        strips=strips,
        failures=tuple(Failure(period, seen.get(period, ())) for period in periods),
        records=records or {},
        notes=dataset.notes,
    )


def _take_pictures(
    sequence: EvaluationSequence, wanted: set[int], styles: Mapping[str, Style], read_boxes: ReadBoxes
) -> dict[int, Picture]:
    truth = sequence.read_truth().boxes
    boxes = {name: read_boxes(name, sequence) for name in styles}
    return {
        number: take_picture(
            number, frame, FrameBoxes(truth[number], {name: each[number] for name, each in boxes.items()}), styles
        )
        for number, frame in read_frames(sequence, wanted)
    }
