"""What goes to the GOT-10k server: the same files as the toolkit packs, or nothing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from got10k.utils.ioutils import compress
from rendered_sets import Factory, evaluation_set

from siamtrack.datasets.evaluation_sequences import Kind
from siamtrack.errors import DataError, OutputError, UsageError
from siamtrack.evaluation.benchmark import BenchmarkJob, run_benchmark
from siamtrack.evaluation.results import boxes_file, write_submission

TEST_SET = evaluation_set(Kind.GOT10K, has_truth=False)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Of a tracker whose name has a dot in it."""
    run_benchmark(BenchmarkJob(TEST_SET, (Factory(name="net-v1.5"),), tmp_path))
    return tmp_path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def test_files_are_those_that_the_toolkit_packs(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_submission(results, TEST_SET, "net-v1.5")
    assert path == results / "GOT-10k" / "net-v1.5.zip"
    monkeypatch.chdir(results / "GOT-10k" / "net-v1.5")
    compress(".", str(results / "toolkit"))  # as `ExperimentGOT10k.report` does it
    theirs = members(results / "toolkit.zip")
    del theirs["run.json"]  # a record for us: the server did not ask for it
    assert members(path) == theirs
    assert sorted(theirs) == [f"{name}/{name}_{what}.txt" for name in "abc" for what in ("001", "time")]


def test_the_same_results_make_the_same_bytes(results: Path) -> None:
    first = write_submission(results, TEST_SET, "net-v1.5").read_bytes()
    boxes_file(results, TEST_SET, "net-v1.5", "a").touch()
    assert write_submission(results, TEST_SET, "net-v1.5").read_bytes() == first


def test_a_missing_result_is_found_here_and_not_by_the_server(results: Path) -> None:
    boxes_file(results, TEST_SET, "net-v1.5", "b").unlink()
    with pytest.raises(DataError, match=r"b_001\.txt is missing"):
        write_submission(results, TEST_SET, "net-v1.5")
    assert not (results / "GOT-10k" / "net-v1.5.zip").exists()


def test_other_sets_have_no_such_server(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="OTB2015 is no GOT-10k"):
        write_submission(tmp_path, evaluation_set(Kind.OTB2015), "t")


def test_a_zip_that_cannot_be_written(results: Path) -> None:
    (results / "GOT-10k" / "net-v1.5.zip").mkdir()
    with pytest.raises(OutputError, match=r"net-v1\.5\.zip cannot be written"):
        write_submission(results, TEST_SET, "net-v1.5")
