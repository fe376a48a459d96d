"""Brings together what a report shows: scores, boxes, frames and records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet
from siamtrack.evaluation.records import RunRecord
from siamtrack.evaluation.report.contents import Failure, Moment, Origin, Picture, Report, rank
from siamtrack.evaluation.report.failures import find_moments
from siamtrack.evaluation.report.palette import Style, styles
from siamtrack.evaluation.report.pictures import Drawn, read_frames, spread, take_picture
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
    looks = styles(score.tracker for score in ranked)
    moments = find_moments(ranked)
    strips: dict[str, tuple[Picture, ...]] = {}
    seen: dict[Moment, tuple[Picture, ...]] = {}
    if frames > 0:
        for number, sequence in enumerate(dataset.sequences, 1):
            here = [moment for moment in moments if moment.sequence == sequence.name]
            shown = spread(len(sequence.frames), frames)
            wanted = {*shown, *(index for moment in here for index in moment.frames)}
            pictures = _take_pictures(sequence, wanted, looks, read_boxes)
            strips[sequence.name] = tuple(pictures[index] for index in shown)
            seen |= {moment: tuple(pictures[index] for index in moment.frames) for moment in here}
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
        failures=tuple(Failure(moment, seen.get(moment, ())) for moment in moments),
        records=records or {},
        notes=dataset.notes,
    )


def _take_pictures(
    sequence: EvaluationSequence, wanted: set[int], looks: Mapping[str, Style], read_boxes: ReadBoxes
) -> dict[int, Picture]:
    truth = sequence.read_truth().boxes
    boxes = {name: read_boxes(name, sequence) for name in looks}
    return {
        number: take_picture(
            number, frame, Drawn(truth[number], {name: each[number] for name, each in boxes.items()}), looks
        )
        for number, frame in read_frames(sequence, wanted)
    }
