"""`siamtrack report` on results of `siamtrack benchmark`, and one line for every error."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from command_clips import Outcome, Run

SHIFTS = {"near": 1, "far": 12}
"""Error of the boxes of each tracker in pixels."""


@pytest.fixture
def results(run: Run, videos: Path) -> Path:
    """Return results of two trackers in the current folder, without a record of the place of the videos."""
    for tracker, shift in SHIFTS.items():
        folder = Path("results/videos") / tracker
        (folder / "times").mkdir(parents=True)
        for sequence in ("early", "late"):
            truth = np.loadtxt(videos / sequence / "groundtruth_rect.txt", delimiter=",")
            np.savetxt(folder / f"{sequence}.txt", truth + np.array([shift, 0, 0, 0]), fmt="%.3f", delimiter=",")
            np.savetxt(folder / "times" / f"{sequence}_time.txt", np.full(len(truth), 0.02), fmt="%.8f")
    return Path("results")


@pytest.fixture
def report(run: Run, videos: Path, results: Path) -> Run:
    """Return the command on these results."""

    def call(*arguments: object) -> Outcome:
        return run("report", *(arguments or (results,)), "--data", videos, "--kind", "custom", "--out", "report")

    return call


def test_report_of_a_benchmark(run: Run, videos: Path) -> None:
    assert run("benchmark", videos, "--kind", "custom", "--tracker", "opencv:kcf").code == 0
    done = run("report", "results", "--out", "report")  # the record says where the videos are
    assert done.code == 0, done.err
    page = Path("report/report.html").read_text(encoding="utf-8")
    assert all(text in page for text in ("opencv-kcf", "workers", "machine.cpu"))


def test_report_has_the_same_figures_in_all_files(report: Run) -> None:
    done = report()
    assert done.code == 0, done.err
    written = [line.removeprefix("wrote ") for line in done.out.splitlines()]
    assert written[0] == "report/report.html"
    assert sorted(written) == sorted(map(str, Path("report").iterdir()))
    page = Path("report/report.html").read_text(encoding="utf-8")
    assert page.count("<template ") == 2
    assert page.count("data:image/jpeg") >= 2 * 6
    performance = json.loads(Path("report/performance.json").read_text())
    with Path("report/summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["tracker"] for row in rows] == ["near", "far"] == list(performance)
    for row in rows:
        overall = performance[row["tracker"]]["overall"]
        assert float(row["auc"]) == overall["success_score"]
        assert float(row["fps"]) == pytest.approx(50)
        assert f"{float(row['auc']):.3f}" in page


def test_report_of_one_tracker_on_one_sequence_without_pictures(report: Run) -> None:
    done = report("results/videos/near", "--only", "late", "--filmstrips", 0, "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    page = Path("report/report.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" not in page
    assert "far" not in re.findall(r'data-name="(.*?)"', page)
    assert re.findall(r'<template .*data-name="(.*?)"', page) == ["late"]


def test_report_with_the_other_convention(report: Run) -> None:
    assert report("results", "--convention", "pysot").code == 0
    assert "convention <b>pysot</b>" in Path("report/report.html").read_text(encoding="utf-8")


def test_report_names_a_damaged_result(report: Run) -> None:
    Path("results/videos/far/late.txt").write_text("1,2,3\n")
    done = report()
    assert done.code == 1
    assert "results/videos/far/late.txt" in done.err.splitlines()[-1]
    assert not Path("report").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("results",), "no record of a run in results says which data set it is of: give --data"),
        (("results", "--kind", "custom"), "give that as well"),
        (("results", "--data", "VIDEOS", "--only", "lat"), "late"),
        (("nowhere", "--data", "VIDEOS"), "nowhere holds no results on videos"),
        (("results", "--convention", "mine"), "mine"),
    ],
)
def test_report_refuses_wrong_options(
    run: Run, videos: Path, results: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    done = run("report", *(videos if each == "VIDEOS" else each for each in arguments), "--out", "report")
    assert done.code == 2
    assert complaint in done.err
