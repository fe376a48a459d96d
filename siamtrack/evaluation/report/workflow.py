"""From folders of results to a report: trackers are found, scored and compared."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets import open_dataset
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, parse_kind
from siamtrack.errors import UsageError
from siamtrack.evaluation.benchmark import select_sequences
from siamtrack.evaluation.conventions import convention as find_convention
from siamtrack.evaluation.records import read_run
from siamtrack.evaluation.report.collect import collect_report
from siamtrack.evaluation.report.contents import Origin, Report, rank
from siamtrack.evaluation.report.explanations import explain_failures
from siamtrack.evaluation.report.inputs import Place, find_results, recorded_place
from siamtrack.evaluation.report.output import write_report
from siamtrack.evaluation.results import read_result
from siamtrack.evaluation.scoring import score_tracker
from siamtrack.evaluation.statistics import compare
from siamtrack.system.machine import source_commit
from siamtrack.system.progress import Progress, no_report
from siamtrack.system.progress import Report as ReportProgress

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportJob:
    """Request for a report."""

    dataset: EvaluationSet
    folders: Sequence[Path]
    """Folders of results, see `find_results`."""
    convention: str = "got10k"
    """Convention of the figures, see `siamtrack.evaluation.conventions`."""
    frames: int = 6
    """Pictures of each sequence."""
    explain: bool = False
    """Add how our own models decided in the worst moments: they are tracked once more."""
    command: str = ""
    """The command line that makes the report again."""


def make_report(job: ReportJob, progress: ReportProgress = no_report) -> Report:
    """Score all trackers that have results, and put the report together.

    Args:
        job: what to report.
        progress: called for every scored tracker, every sequence with pictures and every explained failure.

    Raises:
        UsageError: when there are no results, for an unknown convention, or a data set without truth.
        DataError: when results, truth, frames or a record cannot be read; nothing is scored in part.
    """
    dataset = job.dataset
    found = {each.tracker: each for each in find_results(job.folders, dataset)}
    how = find_convention(job.convention, dataset.kind)
    scores = []
    for number, (name, each) in enumerate(found.items()):
        progress(Progress(number, len(found), "trackers", part="scoring"))
        _logger.info("scoring %s", name)
        scores.append(score_tracker(name, dataset, partial(read_result, each.root, dataset, name), how))
    ranked = rank(scores)
    records = {name: read_run(each.folder(dataset)) for name, each in found.items()}

    def read_boxes(tracker: str, sequence: EvaluationSequence) -> NDArray[np.float64]:
        return read_result(found[tracker].root, dataset, tracker, sequence).boxes

    report = collect_report(
        dataset,
        ranked,
        read_boxes,
        Origin(job.command, source_commit(), datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")),
        [compare(first, second) for first, second in combinations(ranked, 2)],
        {name: record for name, record in records.items() if record is not None},
        job.frames,
        progress,
    )
    if not job.explain:
        return report
    return replace(report, failures=explain_failures(report.failures, dataset, report.records, progress))


def report(
    results: str | Path | Sequence[str | Path] = "results",
    *,
    data: str | Path | None = None,
    kind: str | None = None,
    subset: str | None = None,
    only: Sequence[str] = (),
    convention: str = "got10k",
    frames: int = 6,
    explain: bool = False,
    output: str | Path | None = None,
    command: str = "",
    progress: ReportProgress = no_report,
) -> Report:
    """Score the trackers that have results and put the report together.

    >>> siamtrack.report("results", output="report")

    Args:
        results: folders of results, as `siamtrack.benchmark` or the GOT-10k toolkit writes them.
        data: folder of the data set; None: as the results say.
        kind: kind of the data set, see `siamtrack.benchmark`; goes with `data`.
        subset: part of the data set; goes with `data`.
        only: names of the sequences to take; none: all.
        convention: `got10k` or `pysot`: how the figures are computed.
        frames: pictures of each sequence; 0 for none.
        explain: show how our own models decided in their worst moments. They are tracked once more.
        output: folder for the page; None writes nothing.
        command: command line that makes the report again.
        progress: called for every scored tracker, every sequence with pictures and every explained failure.

    Raises:
        UsageError: for `kind` or `subset` without `data`, no results, an unknown convention or sequence.
        DataError: when results, truth or frames cannot be read.
        OutputError: when the page cannot be written.
    """
    if data is None and (kind, subset) != (None, None):
        raise UsageError("--kind and --subset say how to read --data: give that as well")
    several = [results] if isinstance(results, str | Path) else results
    folders = [Path(folder).expanduser() for folder in several]
    place = recorded_place(folders) if data is None else Place(Path(data).expanduser(), parse_kind(kind), subset)
    dataset = open_dataset(place.root, place.kind, place.subset)
    if only:
        dataset = select_sequences(dataset, only)
    made = make_report(ReportJob(dataset, folders, convention, frames, explain, command), progress)
    if output is not None:
        write_report(made, Path(output).expanduser())
    return made
