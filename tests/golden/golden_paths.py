"""Paths of the shipped models on three clips: `python tests/golden/golden_paths.py` records them again.

They were recorded before the modules were moved and renamed, and show that the program still computes the same. Record
them again only when the path of a target is meant to change, and say why in the commit.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import siamtrack
from siamtrack.io.synthetic import SyntheticClip

FOLDER = Path(__file__).resolve().parent
DEMO = FOLDER.parents[1] / "data" / "demo"
MODELS = ("siamtrack-box", "siamtrack-lite", "siamfc-alexnet")
FRAMES = {"siamtrack-box": 60, "siamtrack-lite": 60, "siamfc-alexnet": 30}
HEADER = ("x", "y", "width", "height", "score", "status")


class Clip(NamedTuple):
    """A clip with the box of the target in its first frame."""

    box: tuple[float, float, float, float]
    file: str | None
    """Video in `data/demo`; None for the rendered clip."""


CLIPS = {
    "carphone": Clip((60, 15, 54, 84), "carphone_pristine.mp4"),
    "bikes": Clip((401, 16, 36, 54), "bikes.mp4"),
    "rendered": Clip((0, 0, 0, 0), None),
}


class Row(NamedTuple):
    """The answer to one frame."""

    box: tuple[float, float, float, float]
    score: float
    status: str


def frames_of(clip: Clip) -> tuple[tuple[float, float, float, float], Iterator[NDArray[np.uint8]]]:
    """Return the first box of a clip and its frames, `(H, W, 3)` uint8 BGR."""
    if clip.file is None:
        frames = list(SyntheticClip(320, 240, frames=61, seed=5))
        return frames[0][1][0], (image for image, _ in frames)
    source = siamtrack.open_source(str(DEMO / clip.file))
    return clip.box, (frame.image for frame in source if frame.image is not None)


def follow(model: str, clip: Clip) -> list[Row]:
    """Return the path of a model on a clip: PyTorch, float32, one thread."""
    tracker = siamtrack.load(model, device="cpu", threads=1, precision="float32", runtime="torch")
    box, images = frames_of(clip)
    tracker.init(next(images), box)
    results = (tracker.update(image) for image in islice(images, FRAMES[model]))
    return [Row(tuple(result.box), result.score, result.status.value) for result in results]


def golden_file(model: str, name: str) -> Path:
    """Return the file that holds the recorded path."""
    return FOLDER / f"{model}_{name}.csv"


def read_golden(model: str, name: str) -> list[Row]:
    """Read a recorded path."""
    with golden_file(model, name).open(newline="", encoding="utf-8") as file:
        rows = [(list(map(float, row[:5])), row[5]) for row in list(csv.reader(file))[1:]]
    return [Row((x, y, width, height), score, status) for (x, y, width, height, score), status in rows]


def record() -> None:
    """Write the paths of all models on all clips."""
    for model in MODELS:
        for name, clip in CLIPS.items():
            with golden_file(model, name).open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(HEADER)
                writer.writerows([*map(repr, row.box), repr(row.score), row.status] for row in follow(model, clip))


if __name__ == "__main__":
    record()
