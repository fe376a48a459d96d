"""`siamtrack track`: what it writes, and that it follows the object."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_clips import NTSC, Clip, Run, read_rows, read_video, render, write_video

from siamtrack.boxes import Box, iou


def boxes_of(rows: list[dict[str, str]]) -> np.ndarray:
    return np.array([[float(row[key]) for key in ("x", "y", "w", "h")] for row in rows])


def test_the_table_follows_the_object(track: Run, clip: Clip, tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    outcome = track(clip.path, "--box", clip.box, "--csv", table)
    assert outcome.code == 0
    assert table.read_text().splitlines()[0] == "frame,time,target,x,y,w,h,score,status"
    rows = read_rows(table)
    assert [int(row["frame"]) for row in rows] == list(range(16))
    assert [float(row["time"]) for row in rows] == pytest.approx([float(i / NTSC) for i in range(16)], abs=1e-6)
    assert {row["target"] for row in rows} == {"1"}
    assert boxes_of(rows)[0].tolist() == list(clip.boxes[0])
    assert iou(boxes_of(rows), np.array(clip.boxes)).min() > 0.6


def test_json_holds_the_same_rows_and_how_they_were_made(track: Run, clip: Clip, tmp_path: Path) -> None:
    table, report, video = tmp_path / "boxes.csv", tmp_path / "boxes.json", tmp_path / "out.mp4"
    assert track(clip.path, "--box", clip.box, "--csv", table, "--json", report, "--output", video).code == 0
    content = json.loads(report.read_text())
    for row, entry in zip(read_rows(table), content["frames"], strict=True):
        for key in ("frame", "time", "target", "x", "y", "w", "h", "score"):
            assert float(row[key]) == pytest.approx(entry[key])
        assert row["status"] == entry["status"]
    assert content["settings"]["scale_search"] == "exemplar"
    assert content["model"]["name"] == "imagenet"
    assert content["source"]["rate"] == "30000/1001"
    assert content["machine"]["cores"] >= 1
    assert content["machine"]["threads"] == 1
    stages = content["run"]["stages"]
    tracked = ["crop", "transfer", "network", "correlation", "postprocess"]
    assert list(stages) == ["decode", "start", *tracked, "draw", "convert", "encode", "tables"]
    for thread in (
        ("crop", "network", "postprocess", "tables"),
        ("draw", "convert"),
        ("encode",),
    ):  # each has the time of the run
        assert sum(stages[stage]["seconds"] for stage in thread) <= content["run"]["seconds"]
    for stage in stages.values():
        assert stage["ms_per_frame"] == pytest.approx(1000 * stage["seconds"] / 16, abs=1e-3)


def test_otb_text_counts_from_one(track: Run, clip: Clip, tmp_path: Path) -> None:
    table, text = tmp_path / "boxes.csv", tmp_path / "boxes.txt"
    assert track(clip.path, "--box", clip.box, "--csv", table, "--otb", text).code == 0
    one_based = np.loadtxt(text, delimiter=",")
    assert one_based == pytest.approx(boxes_of(read_rows(table)) + np.array([1, 1, 0, 0]))


def test_the_video_has_every_frame_at_the_exact_rate_and_boxes_drawn(track: Run, clip: Clip, tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    assert track(clip.path, "--box", clip.box, "--output", video).code == 0
    drawn, rate = read_video(video)
    plain, _ = read_video(clip.path)
    assert rate == NTSC
    assert len(drawn) == len(plain)
    for index, (with_box, without) in enumerate(zip(drawn, plain, strict=True)):
        assert with_box.shape == without.shape
        x, y, width, _ = (int(value) for value in clip.boxes[index])
        difference = np.abs(with_box.astype(int) - without).sum(2)
        middle = difference[y + 12 : y + 24, x + 12 : x + 24]
        assert difference[max(y - 4, 0) : y + 5, x : x + width].max() > 3 * middle.max()


def test_several_boxes_are_several_targets_and_each_is_as_if_alone(track: Run, clip: Clip, tmp_path: Path) -> None:
    both, alone = tmp_path / "both.csv", tmp_path / "alone.csv"
    other = "90,60,40,30"
    assert track(clip.path, "--box", clip.box, "--box", other, "--csv", both).code == 0
    assert track(clip.path, "--box", other, "--csv", alone).code == 0
    rows = read_rows(both)
    assert [(int(row["frame"]), int(row["target"])) for row in rows] == [(i, t) for i in range(16) for t in (1, 2)]
    assert boxes_of(rows[1::2]) == pytest.approx(boxes_of(read_rows(alone)), abs=0.1)


def test_start_and_end_are_indices_of_the_source(track: Run, clip: Clip, tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    box = ",".join(f"{value:g}" for value in clip.boxes[4])
    assert track(clip.path, "--box", box, "--start", 4, "--end", 9, "--csv", table).code == 0
    rows = read_rows(table)
    assert [int(row["frame"]) for row in rows] == [4, 5, 6, 7, 8]
    assert float(rows[0]["time"]) == pytest.approx(float(4 / NTSC), abs=1e-6)
    assert iou(boxes_of(rows), np.array(clip.boxes[4:9])).min() > 0.6


@pytest.mark.parametrize("spelling", [("--box=-5,10,40,40",), ("--box", "-5,10,40,40")])
def test_a_box_may_begin_left_of_the_frame(track: Run, images: Clip, tmp_path: Path, spelling: tuple[str, ...]) -> None:
    table = tmp_path / "boxes.csv"
    assert track(images.path, *spelling, "--csv", table).code == 0
    assert boxes_of(read_rows(table))[0].tolist() == [-5, 10, 40, 40]


def test_a_glob_is_a_source(track: Run, images: Clip, tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    assert track(images.path / "[0-2].png", "--box", images.box, "--csv", table).code == 0
    assert len(read_rows(table)) == 3


def test_one_frame_is_enough(track: Run, images: Clip, tmp_path: Path) -> None:
    table, video = tmp_path / "boxes.csv", tmp_path / "one.mp4"
    outcome = track(images.path / "0.png", "--box", images.box, "--csv", table, "--output", video)
    assert outcome.code == 0
    assert len(read_rows(table)) == len(read_video(video)[0]) == 1
    assert "tracked 1 frame " in outcome.out


@pytest.mark.parametrize(
    ("source", "name"), [("square.mp4", "square"), ("images", "images"), ("images/*.png", "images"), (".", "work")]
)
def test_the_video_goes_to_the_current_folder_by_default(
    run: Run, weights: Path, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str
) -> None:
    folder = tmp_path / "work"
    (folder / "images").mkdir(parents=True)
    monkeypatch.chdir(folder)
    (folder / "square.mp4").write_bytes(clip.path.read_bytes())
    for place in (folder, folder / "images"):
        cv2.imwrite(str(place / "0.png"), render(1)[0][0])
    outcome = run("track", source, "--box", clip.box, "--end", 1, "--model", weights)
    assert outcome.code == 0
    assert f"wrote {name}-tracked.mp4" in outcome.out
    assert len(read_video(folder / f"{name}-tracked.mp4")[0]) == 1


@pytest.mark.parametrize(
    ("wanted", "output", "then"),
    [(None, ("--output", "out.mp4"), "PASSIVE"), ("ACTIVE", ("--output", "out.mp4"), "ACTIVE"), (None, (), None)],
)
def test_threads_that_wait_leave_the_cores_to_the_encoder_unless_told_otherwise(
    track: Run,
    images: Clip,
    monkeypatch: pytest.MonkeyPatch,
    wanted: str | None,
    output: tuple[str, ...],
    then: str | None,
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", wanted or "")
    if wanted is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    assert track(images.path, "--box", images.box, *output).code == 0
    assert os.environ.get("OMP_WAIT_POLICY") == then


def test_files_that_exist_are_overwritten(track: Run, images: Clip, tmp_path: Path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("old\n" * 100)
    assert track(images.path, "--box", images.box, "--csv", table).code == 0
    assert "old" not in table.read_text()


def test_quiet_says_nothing_and_otherwise_the_summary_says_what_was_done(
    track: Run, images: Clip, tmp_path: Path
) -> None:
    table = tmp_path / "boxes.csv"
    assert track(images.path, "--box", images.box, "--csv", table, "--quiet").out == ""
    outcome = track(images.path, "--box", images.box, "--csv", table)
    assert outcome.err == ""
    assert "tracked 6 frames" in outcome.out
    assert "fps" in outcome.out
    assert f"wrote {table}\n" in outcome.out


def test_without_a_terminal_there_is_a_line_now_and_then(
    track: Run, images: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siamtrack.cli.console.SECONDS_BETWEEN_LINES", 0.0)
    lines = track(images.path, "--box", images.box).err.splitlines()
    assert len(lines) == 6
    assert lines[-1].startswith("siamtrack: 6 of 6 frames, ")


def test_boxes_can_be_drawn_in_a_window(
    track: Run, images: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "boxes.csv"
    monkeypatch.setattr("siamtrack.io.window.has_display", lambda: True)
    monkeypatch.setattr(
        "siamtrack.workflows.track.select_boxes", lambda image, title: [Box(1, 2, 30, 40), Box(50, 60, 20, 20)]
    )
    assert track(images.path, "--csv", table).code == 0
    assert boxes_of(read_rows(table)[:2]).tolist() == [[1, 2, 30, 40], [50, 60, 20, 20]]


def test_closing_the_window_ends_the_run_and_keeps_the_results(
    track: Run, images: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[np.ndarray] = []

    class ClosedAfterTwo:
        def __init__(self, title: str) -> None: ...

        def __enter__(self) -> ClosedAfterTwo:
            return self

        def __exit__(self, *_: object) -> None: ...

        def show(self, image: np.ndarray) -> bool:
            shown.append(image)
            return len(shown) < 2

    table = tmp_path / "boxes.csv"
    monkeypatch.setattr("siamtrack.io.window.has_display", lambda: True)
    monkeypatch.setattr("siamtrack.workflows.track.Window", ClosedAfterTwo)
    assert track(images.path, "--box", images.box, "--show", "--csv", table).code == 0
    assert len(read_rows(table)) == len(shown) == 2


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_whole_files(weights: Path, tmp_path: Path, sent: signal.Signals) -> None:
    source, video = tmp_path / "long.mp4", tmp_path / "out.mp4"
    table, report = tmp_path / "boxes.csv", tmp_path / "boxes.json"
    frames, boxes = render(100)
    write_video(source, frames * 6, Fraction(25))
    box = ",".join(f"{value:g}" for value in boxes[0])
    outputs = ("--output", video, "--csv", table, "--json", report)
    process = subprocess.Popen(
        [sys.executable, "-m", "siamtrack", "track", source, "--box", box, "--model", weights, "--threads=1", *outputs],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    while not table.exists() or table.read_text().count("\n") < 20:
        assert process.poll() is None, process.communicate()
    process.send_signal(sent)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + sent
    assert "Traceback" not in err
    assert "interrupted" in err
    assert f"stopped by {sent.name}" in out
    content = json.loads(report.read_text())
    assert content["run"]["stopped_by"] == sent.name
    written = len(read_rows(table))
    assert 19 <= written < 600
    assert len(read_video(video)[0]) == len(content["frames"]) == written
