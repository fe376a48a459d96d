"""Which results a report is of, and which data set they are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up import Length, run_record

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, Truth
from siamtrack.errors import UsageError
from siamtrack.evaluation.records import write_run
from siamtrack.evaluation.report.workflow import DatasetLocation, TrackerResults, find_results, recorded_dataset
from siamtrack.evaluation.results import write_result

SEQUENCE = EvaluationSequence("a", Length(2), lambda: Truth(np.ones((2, 4))))
DATASET = EvaluationSet("OTB2015", Kind.OTB2015, Path("otb"), (SEQUENCE,))


def write(root: Path, *trackers: str) -> None:
    for tracker in trackers:
        write_result(root, DATASET, tracker, SEQUENCE, np.ones((2, 4)), np.ones(2))


def test_all_results_those_on_a_data_set_or_of_a_tracker(tmp_path: Path) -> None:
    write(tmp_path, "x", "y")
    both = [TrackerResults(tmp_path, "x"), TrackerResults(tmp_path, "y")]
    assert find_results([tmp_path], DATASET) == find_results([tmp_path / "OTB2015"], DATASET) == both
    assert find_results([tmp_path / "OTB2015" / "y"], DATASET) == both[1:]
    assert find_results([tmp_path / "OTB2015" / "y", tmp_path], DATASET) == both[::-1]
    assert both[0].folder(DATASET) == tmp_path / "OTB2015" / "x"


def test_a_folder_from_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "x")
    monkeypatch.chdir(tmp_path / "OTB2015" / "x")
    assert find_results([Path()], DATASET) == [TrackerResults(tmp_path, "x")]


def test_a_folder_without_results(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing holds no results on OTB2015"):
        find_results([tmp_path / "nothing"], DATASET)


def test_two_trackers_of_one_name(tmp_path: Path) -> None:
    write(tmp_path / "a", "x")
    write(tmp_path / "b", "x")
    with pytest.raises(UsageError, match=r"two trackers are called 'x', in .*a/OTB2015/x and .*b/OTB2015/x"):
        find_results([tmp_path / "a", tmp_path / "b"], DATASET)


@pytest.mark.parametrize("given", ["", "OTB2015", "OTB2015/x"])
def test_records_say_where_the_data_set_is(tmp_path: Path, given: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_run(tmp_path / "results" / "OTB2015" / "x", run_record("x", root=str(data), subset="tb50"))
    assert recorded_dataset([tmp_path / "results" / given]) == DatasetLocation(data, Kind.OTB2015, "tb50")


def test_records_that_do_not_help(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no record of a run in .*: give --data"):
        recorded_dataset([tmp_path])
    write_run(tmp_path / "OTB2015" / "x", run_record("x", root="gone"))
    with pytest.raises(UsageError, match="was in gone, which is not there: give --data"):
        recorded_dataset([tmp_path])
    write_run(tmp_path / "VOT" / "x", run_record("x", root="elsewhere", kind=Kind.VOT))
    with pytest.raises(UsageError, match=r"several data sets \(elsewhere, gone\)"):
        recorded_dataset([tmp_path])
