"""Finds the results that a report is to show, and the data set that they are of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from siamtrack.datasets.evaluation_sequences import EvaluationSet, Kind
from siamtrack.errors import UsageError
from siamtrack.evaluation.records import RECORD_NAME, read_run
from siamtrack.evaluation.results import find_trackers, tracker_folder


@dataclass(frozen=True, slots=True)
class Place:
    """A data set on disk, as `open_dataset` takes it."""

    root: Path
    kind: Kind | None
    subset: str | None


def recorded_place(folders: Sequence[Path]) -> Place:
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
    places = {Place(Path(record.root), record.kind, record.subset) for record in records}
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
class Results:
    """The results of a tracker on a data set."""

    root: Path
    """Folder that holds a folder for each data set."""
    tracker: str

    def folder(self, dataset: EvaluationSet) -> Path:
        """Folder of the results."""
        return tracker_folder(self.root, dataset, self.tracker)


def find_results(folders: Sequence[Path], dataset: EvaluationSet) -> list[Results]:
    """Return the trackers that have results on a data set.

    Args:
        folders: folders of all results, of those on a data set, or of a tracker.
        dataset: decides the layout.

    Raises:
        UsageError: when there are none in a folder, or two are of one name.
    """
    found: list[Results] = []
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


def _results_in(folder: Path, dataset: EvaluationSet) -> list[Results]:
    all_here = [Results(folder, name) for name in find_trackers(folder, dataset)]
    if all_here:
        return all_here
    if folder.name == dataset.name:
        return [Results(folder.parent, name) for name in find_trackers(folder.parent, dataset)]
    if folder.parent.name == dataset.name and folder.name in find_trackers(folder.parent.parent, dataset):
        return [Results(folder.parent.parent, folder.name)]
    return []
