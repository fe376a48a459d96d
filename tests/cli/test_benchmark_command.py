"""`siamtrack benchmark` on rendered sequences: the table, the kept results, and one line for every error."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from command_clips import Outcome, Run

BROKEN = """
import numpy as np
from got10k.trackers import Tracker


class Broken(Tracker):
    def __init__(self):
        super().__init__("broken", is_deterministic=True)

    def init(self, image, box):
        self.box = box

    def update(self, image):
        if self.box[0] < 40:
            raise RuntimeError("no idea where it is")
        return self.box
"""


@pytest.fixture
def command(run: Run, videos: Path) -> Run:
    """Return the command on these videos; it writes the results to the current folder."""

    def call(*arguments: object) -> Outcome:
        return run("benchmark", videos, "--kind", "custom", *arguments)

    return call


def test_benchmark_of_a_model_and_a_peer(command: Run) -> None:
    done = command("--tracker", "siamtrack-lite", "--tracker", "kcf@opencv:kcf", "--device", "cpu")
    assert done.code == 0, done.err
    title, _, head, *rows = done.out.splitlines()
    assert title == "videos, 2 sequences, convention got10k, 95 % intervals"
    assert head.split() == ["tracker", "AO", "SR@0.5", "SR@0.75", "AUC", "P@20", "fps", "failures"]
    names = [rows[0].split()[0], rows[2].split()[0]]
    assert sorted(names) == ["kcf", "siamtrack-lite"]
    for figures, intervals in zip(rows[::2], rows[1::2], strict=True):
        values = [float(value) for value in figures.split()[1:6]]
        for value, interval in zip(values, intervals.split(), strict=True):
            low, high = map(float, interval.split("-"))
            assert low - 0.005 <= value <= high + 0.005  # two decimals
    assert float(rows[0].split()[1]) >= float(rows[2].split()[1]) > 0.3
    record = json.loads(Path("results/videos/siamtrack-lite/run.json").read_text())
    assert record["command"].startswith("siamtrack benchmark ")
    assert (record["precision"], record["device"], record["card"]["name"]) == ("float32", "cpu", "siamtrack-lite")
    assert json.loads(Path("results/videos/kcf/run.json").read_text())["precision"] is None


def test_benchmark_run_again_shows_the_same_and_runs_nothing(command: Run) -> None:
    first = command("--tracker", "opencv:kcf", "--only", "late, early", "--results", "kept")
    times = Path("kept/videos/opencv-kcf/times/early_time.txt")
    before = times.read_bytes()
    assert command("--tracker", "opencv:kcf", "--results", "kept").out == first.out
    assert times.read_bytes() == before


def test_benchmark_scores_results_of_any_program_without_a_run(command: Run, videos: Path) -> None:
    folder = Path("results/videos/perfect")
    folder.mkdir(parents=True)
    for name in ("early", "late"):
        shutil.copy(videos / name / "groundtruth_rect.txt", folder / f"{name}.txt")
    done = command()
    assert done.code == 0, done.err
    assert done.out.splitlines()[3].split() == ["perfect", "1.000", "1.000", "1.000", "0.952", "1.000", "0"]
    assert sorted(path.name for path in folder.iterdir()) == ["early.txt", "late.txt"]
    (folder / "late.txt").unlink()
    done = command()
    assert done.code == 1
    assert f"{folder / 'late.txt'} is missing" in done.err


def test_benchmark_with_nothing_to_score_and_nothing_to_run(command: Run) -> None:
    done = command("--results", "nowhere")
    assert done.code == 2
    assert "nowhere/videos holds no results: give a tracker to run with --tracker" in done.err


def test_benchmark_with_some_sequences_and_another_convention(command: Run) -> None:
    done = command("--tracker", "opencv:kcf", "--only", "late", "--convention", "pysot")
    assert done.out.startswith("videos, 1 sequence, convention pysot")
    assert sorted(path.name for path in Path("results/videos/opencv-kcf").iterdir()) == [
        "late.txt",
        "run.json",
        "times",
    ]


def test_benchmark_with_resets(command: Run) -> None:
    done = command("--tracker", "opencv:kcf", "--resets")
    assert done.code == 0, done.err
    assert done.out.startswith("videos, 2 sequences, with resets; robustness is failures in 100 frames\n")
    name, accuracy, robustness, failures = done.out.splitlines()[-1].split()
    assert name == "opencv-kcf"
    assert accuracy == "nan"  # all frames are within the first ten, which say little
    assert float(robustness) == pytest.approx(100 * int(failures) / 16, abs=1e-3)
    assert Path("results/videos/opencv-kcf/baseline/late/late_001.txt").is_file()


def test_benchmark_packs_a_test_set_of_got10k_for_its_server(run: Run, videos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "GOT-10k" / "test"
    for name in ("early", "late"):
        shutil.copytree(videos / name / "img", folder / name)
        first, *_ = (videos / name / "groundtruth_rect.txt").read_text().splitlines()
        (folder / name / "groundtruth.txt").write_text(first + "\n")
    (folder / "list.txt").write_text("early\nlate\n")
    job = ("benchmark", folder.parent, "--subset", "test", "--tracker", "opencv:kcf")
    done = run(*job, "--only", "late")
    assert done.out == "GOT-10k keeps its boxes on a server\nresults in results/GOT-10k/opencv-kcf\n"
    done = run(*job)
    assert done.code == 0, done.err
    assert done.out == "GOT-10k keeps its boxes on a server\nwrote results/GOT-10k/opencv-kcf.zip\n"
    with zipfile.ZipFile("results/GOT-10k/opencv-kcf.zip") as archive:
        assert "late/late_001.txt" in archive.namelist()
        assert len(archive.read("early/early_001.txt").splitlines()) == 8


def test_benchmark_names_a_failed_tracker_and_shows_the_others(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_tracker.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    done = command("--tracker", "broken_tracker:Broken", "--tracker", "opencv:kcf")
    assert done.code == 1
    failures = [line for line in done.err.splitlines() if "error" in line]
    assert failures
    for line in failures:
        assert line.startswith("siamtrack: error: tracker 'broken' failed on sequence ")
        assert line.endswith("RuntimeError: no idea where it is")
    assert "opencv-kcf" in done.out
    assert "broken" not in done.out


def test_benchmark_progress_has_sequences_frames_and_the_overlap_so_far(
    command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siamtrack.cli.console.SECONDS_BETWEEN_LINES", 0.0)
    lines = command("--tracker", "opencv:kcf").err.splitlines()
    assert lines[0] == "siamtrack: 0 of 2 sequences, 1 of 16 frames"
    assert lines[8].startswith("siamtrack: 1 of 2 sequences, 8 of 16 frames, opencv-kcf AO 0.")
    assert lines[-1].startswith("siamtrack: 2 of 2 sequences, 16 of 16 frames, opencv-kcf AO 0.")


def test_benchmark_quiet_prints_nothing(command: Run) -> None:
    done = command("--tracker", "opencv:kcf", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tracker", "opencv:kfc"), "did you mean 'opencv:kcf'"),
        (("--tracker", "opencv:kcf", "--only", "lat"), "videos has no sequence 'lat', did you mean 'late'"),
        (("--tracker", "opencv:kcf", "--workers", "0"), "--workers"),
        (("--tracker", "opencv:kcf", "--workers", "2", "--dask", "tcp://a:1"), "leave --workers 2 out"),
        (("--tracker", "opencv:kcf", "--kind", "OBT"), "unknown kind of data set 'OBT'"),
        (("--tracker", "opencv:kcf", "--convention", "vot"), "--convention"),
        ((), "--tracker"),
    ],
)
def test_benchmark_refuses_wrong_options(command: Run, arguments: tuple[str, ...], words: str) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert words in done.err
    assert done.err.count("\n") == 1


def test_benchmark_refuses_results_of_another_precision(command: Run) -> None:
    assert command("--tracker", "m@siamtrack-lite", "--only", "late").code == 0
    done = command("--tracker", "m@siamtrack-lite", "--only", "late", "--precision", "auto")
    assert done.code == 2
    assert "made with precision 'float32'" in done.err
