"""Benchmarks over rendered sets: the same results on any number of processes, and nothing is lost or done twice."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from distributed import LocalCluster
from rendered_sets import (
    Broken,
    Factory,
    Interrupted,
    Orange,
    Random,
    ReadTruth,
    RenderedFrames,
    evaluation_set,
    process_of,
    square_boxes,
)

from siamtrack.boxes import iou
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, Kind
from siamtrack.errors import DataError, SiamTrackError, UsageError
from siamtrack.evaluation.benchmark import (
    BenchmarkJob,
    RunFailure,
    average_overlap,
    run_benchmark,
    select_sequences,
)
from siamtrack.evaluation.cluster import on_cluster
from siamtrack.evaluation.experiments import WithResets, follow_once
from siamtrack.evaluation.processes import in_processes, one_thread
from siamtrack.evaluation.records import RunRecord, read_run
from siamtrack.evaluation.results import boxes_file, find_trackers, read_result, times_file
from siamtrack.evaluation.trajectories import read_trajectory
from siamtrack.system.progress import Progress

ORANGE = Factory()
PAIR = (ORANGE, Factory(Orange, "second"))


def make(root: Path, kind: Kind = Kind.OTB2015, *, names: str = "abc", **changes: Any) -> BenchmarkJob:
    settings = {"dataset": evaluation_set(kind, names), "trackers": (ORANGE,), "results": root}
    return BenchmarkJob(**(settings | changes))


def results_of(root: Path) -> dict[str, str]:
    """Every file of boxes; times differ from run to run."""
    files = [path for path in root.rglob("*.txt") if not path.name.endswith("_time.txt")]
    return {str(path.relative_to(root)): path.read_text() for path in files}


def record_of(root: Path) -> RunRecord:
    """How the results of the orange tracker came about."""
    record = read_run(root / "OTB2015" / "orange")
    assert record is not None
    return record


# Results


def test_every_tracker_on_every_sequence(tmp_path: Path) -> None:
    job = make(tmp_path, trackers=PAIR)
    assert run_benchmark(job) == ()
    assert find_trackers(tmp_path, job.dataset) == ["orange", "second"]
    for sequence in job.dataset.sequences:
        result = read_result(tmp_path, job.dataset, "second", sequence)
        expected = follow_once(Orange(), sequence, lambda: None)
        np.testing.assert_allclose(result.boxes, expected.boxes, atol=1e-3)
        assert result.seconds is not None


@pytest.mark.parametrize(
    ("factory", "files"),
    [(ORANGE, 1), (Factory(Random, "random", deterministic=False), 3)],
    ids=["deterministic", "random"],
)
def test_got10k_repeats_what_is_not_deterministic(tmp_path: Path, factory: Factory, files: int) -> None:
    job = make(tmp_path, Kind.GOT10K, trackers=(factory,))
    run_benchmark(job)
    folder = tmp_path / "GOT-10k" / factory.name / "a"
    assert len(list(folder.glob("a_[0-9]*.txt"))) == files
    assert np.loadtxt(folder / "a_time.txt", delimiter=",", ndmin=2).shape == (6, files)
    result = read_result(tmp_path, job.dataset, factory.name, job.dataset.sequences[0])
    assert len(result.repeats) == files - 1
    assert all((boxes != result.boxes).any() for boxes in result.repeats)


def test_repetitions_go_on_where_they_stopped(tmp_path: Path) -> None:
    job = make(tmp_path, Kind.GOT10K, trackers=(Factory(Random, "random", deterministic=False),))
    run_benchmark(job)
    before = results_of(tmp_path)
    boxes_file(tmp_path, job.dataset, "random", "b", 3).unlink()
    run_benchmark(job)
    after = results_of(tmp_path)
    assert [name for name in after if after[name] != before[name]] == ["GOT-10k/random/b/b_003.txt"]
    assert np.loadtxt(tmp_path / "GOT-10k/random/b/b_time.txt", delimiter=",").shape == (7, 3)


def test_processes_find_the_same(tmp_path: Path) -> None:
    run_benchmark(make(tmp_path / "one", trackers=PAIR))
    run_benchmark(make(tmp_path / "two", trackers=PAIR, workers=2))
    assert results_of(tmp_path / "two") == results_of(tmp_path / "one")
    assert len(results_of(tmp_path / "one")) == 6
    assert [record_of(tmp_path / name).workers for name in ("one", "two")] == [1, 2]


def local_cluster(workers: int) -> LocalCluster:
    return LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.CRITICAL
    )


def test_a_cluster_finds_the_same(tmp_path: Path) -> None:
    run_benchmark(make(tmp_path / "one", trackers=PAIR))
    with local_cluster(workers=2) as cluster:
        run_benchmark(make(tmp_path / "dask", trackers=PAIR, dask=cluster.scheduler_address))
        cluster.scale(1)  # joblib's own backend would do the work of a single worker in this process
        (process,) = on_cluster(process_of, ["a task"], cluster.scheduler_address)
    assert process != os.getpid()
    assert results_of(tmp_path / "dask") == results_of(tmp_path / "one")
    assert record_of(tmp_path / "dask").workers == 0


def test_a_cluster_without_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siamtrack.evaluation.cluster.PATIENCE", 0.5)
    with local_cluster(workers=0) as cluster, pytest.raises(UsageError, match="has no workers"):
        run_benchmark(make(tmp_path, dask=cluster.scheduler_address))
    assert results_of(tmp_path) == {}


def test_resets(tmp_path: Path) -> None:
    job = make(tmp_path, Kind.VOT, experiment=WithResets())
    run_benchmark(job)
    run = read_trajectory(tmp_path, job.dataset, "orange", job.dataset.sequences[0])
    assert run.codes.tolist() == [1, 3, 3, 3, 3, 3]
    written = results_of(tmp_path)
    assert sorted(written) == [f"VOT/orange/baseline/{name}/{name}_001.txt" for name in "abc"]
    run_benchmark(job)
    assert results_of(tmp_path) == written


# Going on


class Counting(Orange):
    """Knows how often any of its kind was set."""

    started = 0

    def init(self, *arguments: Any) -> None:
        Counting.started += 1
        super().init(*arguments)


@pytest.fixture
def counting() -> Factory:
    Counting.started = 0
    return Factory(Counting)


def test_what_is_there_is_not_run_again(tmp_path: Path, counting: Factory) -> None:
    job = make(tmp_path, trackers=(counting,))
    run_benchmark(job)
    assert Counting.started == 3
    boxes_file(tmp_path, job.dataset, "orange", "b").unlink()
    run_benchmark(job)
    assert Counting.started == 4
    run_benchmark(job)
    assert Counting.started == 4


def test_a_damaged_result_is_told_and_run_again(
    tmp_path: Path, counting: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    job = make(tmp_path, trackers=(counting,))
    run_benchmark(job)
    before = results_of(tmp_path)
    path = boxes_file(tmp_path, job.dataset, "orange", "b")
    path.write_text(path.read_text()[:60])  # as another program that was killed leaves it
    run_benchmark(job)
    assert Counting.started == 4
    assert results_of(tmp_path) == before
    assert str(path) in caplog.text


def test_damaged_times_are_told_and_made_again(
    tmp_path: Path, counting: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    job = make(tmp_path, trackers=(counting,))
    run_benchmark(job)
    path = times_file(tmp_path, job.dataset, "orange", "b")
    path.write_text("no times\n")
    run_benchmark(job)
    assert Counting.started == 4
    assert str(path) in caplog.text
    assert read_result(tmp_path, job.dataset, "orange", job.dataset.sequences[1]).seconds is not None


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(make(tmp_path, trackers=(Factory(Interrupted),)))
    assert sorted(results_of(tmp_path)) == ["OTB2015/orange/a.txt"]
    run_benchmark(make(tmp_path))
    run_benchmark(make(tmp_path / "whole"))
    assert results_of(tmp_path / "OTB2015") == results_of(tmp_path / "whole" / "OTB2015")


# Trackers that fail


@pytest.mark.parametrize("workers", [1, 2])
def test_the_other_sequences_go_on(tmp_path: Path, workers: int) -> None:
    job = make(tmp_path, trackers=(Factory(Broken, "broken"), ORANGE), workers=workers, names="abcd")
    failures = run_benchmark(job)
    failed = {each.sequence for each in failures}
    assert failed
    assert failed < set("abcd")
    assert set(failures) == {RunFailure("broken", name, "RuntimeError: two lines") for name in failed}
    assert str(failures[0]).startswith(f"tracker 'broken' failed on sequence {failures[0].sequence}: ")
    there = {name for name in "abcd" if boxes_file(tmp_path, job.dataset, "broken", name).is_file()}
    assert there == set("abcd") - failed
    assert all(boxes_file(tmp_path, job.dataset, "orange", name).is_file() for name in "abcd")


def test_a_set_that_cannot_be_read_fails_there_only(tmp_path: Path) -> None:
    dataset = evaluation_set()
    bad = replace(dataset.sequences[1], read_truth=unreadable)
    job = make(tmp_path, dataset=replace(dataset, sequences=(dataset.sequences[0], bad, dataset.sequences[2])))
    assert run_benchmark(job) == (RunFailure("orange", "b", "b.txt is damaged"),)


def unreadable() -> Any:
    raise DataError("b.txt is damaged")


def test_a_process_that_is_killed() -> None:
    with pytest.raises(SiamTrackError, match="fewer --workers"):
        list(in_processes(os._exit, [1, 2], 2))


# Records


def test_a_record_says_how_results_came_about(tmp_path: Path) -> None:
    run_benchmark(make(tmp_path, command="siamtrack benchmark x", subset="val"))
    record = record_of(tmp_path)
    assert (record.tracker, record.spec, record.dataset, record.kind) == ("orange", "test", "OTB2015", Kind.OTB2015)
    assert (record.root, record.subset, record.command) == ("rendered", "val", "siamtrack benchmark x")
    assert {"cpu", "cores", "torch"} <= set(record.machine)
    assert (record.card, record.digest, record.precision, record.device) == (None, None, None, None)
    assert (record.workers, record.machine["threads"]) == (1, 1)
    assert record.commit
    assert record.date[:2] == "20"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"spec": "other"}, "tracker 'test'"),
        ({"digest": "1234"}, "other weights"),
        ({"card": {"name": "other"}}, "another model card"),
        ({"precision": "bfloat16"}, "precision 'float32'"),
        ({"device": "cuda"}, "device 'cpu'"),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in-part"])
def test_results_of_two_makings_are_never_mixed(
    tmp_path: Path, changes: dict[str, Any], word: str, whole: bool
) -> None:
    """Nor are whole ones taken for those that are asked for."""
    first = Factory(precision="float32", device="cpu")
    job = make(tmp_path, trackers=(first,))
    run_benchmark(job)
    if not whole:
        boxes_file(tmp_path, job.dataset, "orange", "b").unlink()
    before = results_of(tmp_path)
    with pytest.raises(UsageError, match=f"OTB2015/orange has results that were made with {word}.*NAME@SPEC"):
        run_benchmark(replace(job, trackers=(replace(first, **changes),)))
    assert results_of(tmp_path) == before


def test_results_of_nobody_knows_what_are_left_alone(tmp_path: Path) -> None:
    job = make(tmp_path)
    run_benchmark(job)
    (tmp_path / "OTB2015" / "orange" / "run.json").unlink()
    with pytest.raises(UsageError, match=r"OTB2015/orange has results but no run\.json"):
        run_benchmark(job)


def test_a_record_of_another_commit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = make(tmp_path)
    run_benchmark(job)
    path = tmp_path / "OTB2015" / "orange" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"commit": "abc", "of a later version": 1}))
    boxes_file(tmp_path, job.dataset, "orange", "b").unlink()
    run_benchmark(job)
    assert "results of 'orange' were begun with commit abc, now " in caplog.text
    assert "torch" not in caplog.text


def test_records_that_are_none(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None
    for text in ("no json", "{}", '{"tracker": 1}'):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(DataError, match=r"run\.json is no record of a run"):
            read_run(tmp_path)


# Progress


def test_progress_counts_frames_and_knows_the_overlap(tmp_path: Path) -> None:
    told: list[Progress] = []
    job = make(tmp_path, names="ab")
    run_benchmark(job, told.append)
    assert [each.done for each in told] == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12, 13, 13]
    assert [each.part for each in told] == [f"{done} of 2 sequences" for done in [0] * 6 + [1] * 8 + [2]]
    assert {each.total for each in told} == {13}
    assert {each.figures for each in told[:6]} == {""}
    shift = np.array([0.25, 0, 0, 0])
    expected = iou(square_boxes(6)[1:] + shift, square_boxes(6)[1:]).mean()
    assert told[-1].figures == f"orange AO {expected:.3f}"

    told.clear()
    run_benchmark(job, told.append)  # everything is there
    assert [(each.part, each.done) for each in told] == [("1 of 2 sequences", 6), ("2 of 2 sequences", 13)]
    assert told[-1].figures == f"orange AO {expected:.3f}"


def test_frames_without_truth_and_sets_without_it(tmp_path: Path) -> None:
    absent = EvaluationSequence("a", RenderedFrames(6), ReadTruth(6, absent=3))
    run = follow_once(Orange(), absent, lambda: None)
    run.boxes[2] += 1000
    truth = absent.read_truth()
    shift = np.array([0.25, 0, 0, 0])
    one = iou(square_boxes(1) + shift, square_boxes(1))[0]
    assert average_overlap([run], truth) == pytest.approx((0 + 3 * one) / 4)  # frames 2 (missed), 1, 4 and 5

    told: list[Progress] = []
    run_benchmark(make(tmp_path, dataset=evaluation_set(Kind.GOT10K, has_truth=False)), told.append)
    assert {each.figures for each in told} == {""}


def test_inside_a_benchmark_there_is_one_thread() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before[0])
    assert cv2.getNumThreads() == before[1]


# What makes no sense


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"trackers": ()}, "nothing to run: 0 trackers"),
        ({"names": ""}, "on 0 sequences"),
        ({"workers": 0}, "--workers 0"),
        ({"dask": "tcp://127.0.0.1:1"}, "no dask scheduler answers at 'tcp://127.0.0.1:1'"),
        ({"dask": "nonsense"}, "no dask scheduler answers at 'nonsense'"),
    ],
)
def test_jobs_that_cannot_be(
    tmp_path: Path, changes: dict[str, Any], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siamtrack.evaluation.cluster.PATIENCE", 0.5)
    with pytest.raises(UsageError, match=word):
        run_benchmark(make(tmp_path, **changes))


def test_dask_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "siamtrack.evaluation.cluster", None)
    with pytest.raises(UsageError, match=r"pip install 'siamtrack\[cluster\]'"):
        run_benchmark(make(tmp_path, dask="tcp://127.0.0.1:1"))


def test_some_sequences() -> None:
    dataset = evaluation_set(names="abc")
    assert [each.name for each in select_sequences(dataset, ["c", "a"]).sequences] == ["a", "c"]
    with pytest.raises(UsageError, match="OTB2015 has no sequence 'aa', did you mean 'a'"):
        select_sequences(dataset, ["a", "aa"])
