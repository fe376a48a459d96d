"""Real clips through the installed command, with the model it ships."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from siamtrack.boxes import iou
from siamtrack.models.registry import DEFAULT_MODEL, list_models

Command = Callable[..., "subprocess.CompletedProcess[str]"]

HEAD = {0: (60, 15, 54, 84), 40: (45, 17, 58, 86), 80: (31, 9, 64, 88), 119: (40, 12, 59, 88)}
"""The driver's head in carphone_pristine.mp4, boxes drawn by hand."""
HEAD_BOX = "60,15,54,84"
STREET = {
    110: {"the cyclist's head": (401, 16, 36, 54), "the helmet on the motorcycle": (580, 146, 40, 42)},
    129: {"the cyclist's head": (407, 0, 35, 53), "the helmet on the motorcycle": (587, 128, 40, 42)},
}
"""Two that stand still in bikes.mp4 while the camera tilts, boxes drawn by hand."""
ONE = ("--threads", 1)
"""Two threads on two cores wait for each other whenever something else runs beside the tests."""


def read_boxes(path: Path) -> np.ndarray:
    with path.open(newline="") as file:
        return np.array([[float(row[key]) for key in ("x", "y", "w", "h")] for row in csv.DictReader(file)])


@pytest.mark.parametrize("model", ["siamtrack-box", "siamtrack-lite", "siamfc-alexnet"])
def test_every_shipped_model_follows_the_head(siamtrack: Command, demo: Path, tmp_path: Path, model: str) -> None:
    done = siamtrack(
        "track",
        demo / "carphone_pristine.mp4",
        "--box",
        HEAD_BOX,
        "--model",
        model,
        "--csv",
        "head.csv",
        "--no-video",
        *ONE,
    )
    assert done.returncode == 0, done.stderr
    boxes = read_boxes(tmp_path / "head.csv")
    assert len(boxes) == 120
    overlaps = iou(boxes[list(HEAD)], np.array(list(HEAD.values())))
    assert overlaps.min() > 0.5, overlaps


def test_a_video_in_a_video_out(siamtrack: Command, demo: Path, tmp_path: Path) -> None:
    done = siamtrack(
        "track", demo / "carphone_pristine.mp4", "--box", HEAD_BOX, "--end", 40, "--json", "head.json", *ONE
    )
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "carphone_pristine-tracked.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == Fraction(30000, 1001)
        assert (stream.width, stream.height) == (176, 144)
        assert sum(1 for _ in container.decode(video=0)) == 40
    report = json.loads((tmp_path / "head.json").read_text())
    assert report["model"]["name"] == DEFAULT_MODEL
    assert report["run"]["frames"] == len(report["frames"]) == 40
    assert "tracked 40 frames" in done.stdout
    assert "wrote carphone_pristine-tracked.mp4" in done.stdout


def test_the_middle_of_a_longer_video(siamtrack: Command, demo: Path, tmp_path: Path) -> None:
    first = np.array(list(STREET[110].values()))
    last = np.array(list(STREET[129].values()))
    done = siamtrack(
        "track",
        demo / "bikes.mp4",
        "--start",
        110,
        "--end",
        130,
        *(word for box in first for word in ("--box", ",".join(map(str, box)))),
        "--csv",
        "two.csv",
        "--no-video",
        "--quiet",
        *ONE,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with (tmp_path / "two.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["frame"]) for row in rows] == [frame for frame in range(110, 130) for _ in range(2)]
    assert [int(row["target"]) for row in rows] == [1, 2] * 20
    assert iou(first, last).max() < 0.5  # who stays where it began fails
    overlaps = iou(read_boxes(tmp_path / "two.csv")[-2:], last)
    assert overlaps.min() > 0.7, overlaps


def test_models_and_info_show_what_is_shipped(siamtrack: Command) -> None:
    listed = siamtrack("models")
    assert listed.returncode == 0, listed.stderr
    for name in ("siamtrack-box", "siamtrack-lite", "siamfc-alexnet"):
        assert name in listed.stdout
        card = siamtrack("info", name)
        assert card.returncode == 0, card.stderr
        for key in (f"name: {name}", "architecture: ", "training:", "license: "):
            assert key in card.stdout
    assert list_models()[0] == DEFAULT_MODEL


def test_bad_input_is_one_line(siamtrack: Command, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    done = siamtrack("track", "text.mp4", "--box", "1,2,30,40")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("siamtrack: error: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "text.mp4"]
