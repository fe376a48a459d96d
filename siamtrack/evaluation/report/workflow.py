"""From folders of results to a report: trackers are found, scored and compared."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets import open_dataset
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, parse_kind
from siamtrack.errors import UsageError
from siamtrack.evaluation.benchmark import select_sequences
from siamtrack.evaluation.conventions import convention as find_convention
from siamtrack.evaluation.records import RECORD_NAME, read_run
from siamtrack.evaluation.report.collect import collect_report
from siamtrack.evaluation.report.contents import Origin, Report, rank
from siamtrack.evaluation.report.failures import explain_failures
from siamtrack.evaluation.report.output import write_report
from siamtrack.evaluation.results import find_trackers, read_result, tracker_folder
from siamtrack.evaluation.scoring import score_tracker
from siamtrack.evaluation.statistics import compare
from siamtrack.system.machine import source_commit
from siamtrack.system.progress import Progress, no_report
from siamtrack.system.progress import Report as ReportProgress


@dataclass(frozen=True, slots=True)
class DatasetLocation:
    """A data set on disk, as `open_dataset` takes it."""

    root: Path
    kind: Kind | None
    subset: str | None


def recorded_dataset(folders: Sequence[Path]) -> DatasetLocation:
    """Return the data set that the records of runs in some folders of results name.

    Args:
        folders: folders of all results, of those on a data set, or of a tracker.

    Raises:
        UsageError: when there is no record, they name several data sets, or the named one is not there.
        DataError: when a record is damaged.
    """
    depths = (RECORD_NAME, f"*/{RECORD_NAME}", f"*/*/{RECORD_NAME}")
    paths = sorted(path for folder in folders for depth in depths for path in folder.glob(depth))
    records = [record for path in paths if (record := read_run(path.parent)) is not None]
    places = {DatasetLocation(Path(record.root), record.kind, record.subset) for record in records}
    if not places:
        where = ", ".join(map(str, folders))
        raise UsageError(f"no record of a run in {where} says which data set it is of: give --data")
    if len(places) > 1:
        names = ", ".join(sorted(str(place.root / (place.subset or "")) for place in places))
        raise UsageError(f"the results are of several data sets ({names}): give --data, and --kind or --subset, of one")
    place = places.pop()
    if not place.root.is_dir():
        raise UsageError(f"the data set of the results was in {place.root}, which is not there: give --data")
    return place


@dataclass(frozen=True, slots=True)
class TrackerResults:
    """The results of a tracker on a data set."""

    root: Path
    """Folder that holds a folder for each data set."""
    tracker: str

    def folder(self, dataset: EvaluationSet) -> Path:
        """Return the folder of the results."""
        return tracker_folder(self.root, dataset, self.tracker)


def find_results(folders: Sequence[Path], dataset: EvaluationSet) -> list[TrackerResults]:
    """Return the trackers that have results on a data set.

    Args:
        folders: folders of all results, of those on a data set, or of a tracker.
        dataset: decides the layout.

    Raises:
        UsageError: when there are none in a folder, or two are of one name.
    """
    found: list[TrackerResults] = []
    for folder in folders:
        here = _results_in(folder.absolute(), dataset)
        if not here:
            raise UsageError(
                f"{folder} holds no results on {dataset.name}: give the folder that 'siamtrack benchmark --results' had"
            )
        found += here
    times = Counter(each.tracker for each in set(found))
    twice = next((name for name, count in times.items() if count > 1), None)
    if twice is not None:
        places = " and ".join(str(each.folder(dataset)) for each in found if each.tracker == twice)
        raise UsageError(f"two trackers are called '{twice}', in {places}: rename the folder of one")
    return list(dict.fromkeys(found))


def _results_in(folder: Path, dataset: EvaluationSet) -> list[TrackerResults]:
    all_here = [TrackerResults(folder, name) for name in find_trackers(folder, dataset)]
    if all_here:
        return all_here
    if folder.name == dataset.name:
        return [TrackerResults(folder.parent, name) for name in find_trackers(folder.parent, dataset)]
    if folder.parent.name == dataset.name and folder.name in find_trackers(folder.parent.parent, dataset):
        return [TrackerResults(folder.parent.parent, folder.name)]
    return []


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
    """Add how our own models decided in the worst periods: they are tracked once more."""
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
        explain: show how our own models decided in their worst periods. They are tracked once more.
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
    place = (
        recorded_dataset(folders)
        if data is None
        else DatasetLocation(Path(data).expanduser(), parse_kind(kind), subset)
    )
    dataset = open_dataset(place.root, place.kind, place.subset)
    if only:
        dataset = select_sequences(dataset, only)
    made = make_report(ReportJob(dataset, folders, convention, frames, explain, command), progress)
    if output is not None:
        write_report(made, Path(output).expanduser())
    return made
