"""`siamtrack label`: from a video and a file of key frames to a folder that training reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from command_clips import Clip, Run

from siamtrack.boxes import iou
from siamtrack.training.dataset import read_training_data


def write_keys(path: Path, clip: Clip, *frames: int) -> Path:
    lines = [",".join(f"{value:g}" for value in (frame, *clip.boxes[frame])) for frame in frames]
    path.write_text("\n".join(["frame,x,y,w,h", *lines]) + "\n")
    return path


def test_label_makes_training_data_from_a_video(run: Run, clip: Clip, weights: Path, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.csv", clip, 0, 15)
    outcome = run("label", clip.path, "--out", tmp_path / "data" / "clips", "--boxes", keys, "--tracker", weights)
    assert outcome.code == 0
    assert outcome.out == f"wrote {tmp_path / 'data' / 'clips' / 'square'}, 16 frames\n"
    data = read_training_data(tmp_path / "data")
    (track,) = data.tracks
    assert iou(track.boxes, np.array(clip.boxes)).min() > 0.6
    assert data.cache is not None
    assert data.cache.frame(track.folder, 15).shape == (120, 160, 3)


def test_label_with_a_check_prints_the_confirmed_share(run: Run, clip: Clip, weights: Path, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.csv", clip, 0)
    options = ("--boxes", keys, "--check", "--agree", 0.5, "--tracker", weights, "--name", "mine")
    outcome = run("label", clip.path, "--out", tmp_path, *options)
    assert outcome.code == 0
    first, *rest = outcome.out.splitlines()
    assert first == "forwards and backwards agree in 16 of 16 frames (100%)"
    assert rest == [f"wrote {tmp_path / 'mine'}, 16 frames"]


def test_label_in_a_window_needs_a_display(run: Run, clip: Clip, tmp_path: Path) -> None:
    outcome = run("label", clip.path, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.err.startswith("siamtrack: error: without --boxes a window is opened")
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_label_names_bad_input_in_one_line(run: Run, clip: Clip, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.csv", clip, 0, 15)
    text = tmp_path / "text.mp4"
    text.write_text("This is not a video.\n" * 50)
    for video, code, word in ((text, 1, "cannot open"), (tmp_path / "missing.mp4", 1, "does not exist")):
        outcome = run("label", video, "--out", tmp_path / "out", "--boxes", keys)
        assert (outcome.code, outcome.out) == (code, "")
        assert outcome.err.startswith("siamtrack: error: ")
        assert outcome.err.count("\n") == 1
        assert word in outcome.err
    assert not (tmp_path / "out").exists()
