"""Small rendered evaluation sets, and trackers that are cheap enough to run over them many times."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from got10k.trackers import Tracker as ToolkitTracker
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, Truth
from siamtrack.evaluation.trackers import BoxTracker

WIDTH, HEIGHT, SIDE = 80, 60, 12


def square_boxes(length: int, seed: int = 0) -> NDArray[np.float64]:
    """`(length, 4)` boxes of a square that moves by whole pixels and turns at the border."""
    start = np.random.default_rng(seed).integers(5, 20, 2)
    steps = np.arange(length)
    x = 4 + np.abs((start[0] + 3 * steps) % 80 - 40)
    y = 4 + np.abs((start[1] + 2 * steps) % 60 - 30)
    return np.stack([x, y, np.full(length, SIDE), np.full(length, SIDE)], axis=1).astype(np.float64)


def draw(box: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A frame with an orange square on gray: channels differ, so that a wrong color order shows."""
    frame = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    x, y, width, height = box.astype(int)
    frame[max(y, 0) : y + height, max(x, 0) : x + width] = (10, 120, 250)
    return frame


@dataclass(frozen=True)
class RenderedFrames:
    """Frames that are drawn when they are asked for."""

    length: int
    seed: int = 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (draw(box) for box in square_boxes(self.length, self.seed))

    def paths(self) -> None:
        return None


@dataclass(frozen=True)
class ReadTruth:
    """The truth, with NaN in one frame if it is to be absent there."""

    length: int
    seed: int = 0
    absent: int | None = None

    def __call__(self) -> Truth:
        boxes = square_boxes(self.length, self.seed)
        if self.absent is not None:
            boxes[self.absent] = np.nan
        return Truth(boxes)


def sequence(name: str, length: int = 6, seed: int = 0, absent: int | None = None) -> EvaluationSequence:
    return EvaluationSequence(name, RenderedFrames(length, seed), ReadTruth(length, seed, absent))


def evaluation_set(kind: Kind = Kind.OTB2015, names: str = "abc", **changes: Any) -> EvaluationSet:
    """Sequences of 6, 7, 8, ... frames."""
    sequences = tuple(sequence(name, 6 + index, index) for index, name in enumerate(names))
    return EvaluationSet(str(kind), kind, Path("rendered"), sequences, **changes)


class Orange:
    """Finds the orange pixels, which it knows in BGR only."""

    def init(self, frame: NDArray[np.uint8], box: Box) -> None:
        self.size = box.width, box.height

    def update(self, frame: NDArray[np.uint8]) -> Box | None:
        rows, columns = np.nonzero((frame == (10, 120, 250)).all(axis=2))
        return Box(float(columns.min()) + 0.25, float(rows.min()), *self.size) if len(rows) else None


class Random(Orange):
    """Finds another place every time."""

    def update(self, frame: NDArray[np.uint8]) -> Box | None:
        return Box(*np.random.default_rng().uniform(1, 40, 2).tolist(), *self.size)


class Broken(Orange):
    """Fails in frames in which the square is far to the right."""

    def update(self, frame: NDArray[np.uint8]) -> Box | None:
        found = super().update(frame)
        if found is not None and found.x > 25:
            raise RuntimeError("two\nlines")
        return found


class Interrupted(Orange):
    """Ctrl-C comes while it tracks a sequence of 7 frames."""

    def init(self, frame: NDArray[np.uint8], box: Box) -> None:
        super().init(frame, box)
        self.frames = 0

    def update(self, frame: NDArray[np.uint8]) -> Box | None:
        self.frames += 1
        if self.frames == 6:
            raise KeyboardInterrupt
        return super().update(frame)


@dataclass(frozen=True)
class Factory:
    """Makes one of these trackers."""

    kind: type[BoxTracker] = Orange
    name: str = "orange"
    deterministic: bool = True
    spec: str = "test"
    card: dict[str, Any] | None = None
    digest: str | None = None
    precision: str | None = None
    device: str | None = None

    def make(self) -> BoxTracker:
        return self.kind()


def process_of(_: object) -> int:
    """Where a task is done."""
    return os.getpid()


class OrangeOfTheToolkit(ToolkitTracker):
    """The same in the toolkit's protocol: RGB pictures of PIL, 1-based boxes."""

    def __init__(self) -> None:
        super().__init__(name="orange toolkit", is_deterministic=True)

    def init(self, image: Any, box: NDArray[np.float64]) -> None:
        assert image.mode == "RGB"
        self.first = box
        self._tracker = Orange()
        self._tracker.init(np.asarray(image)[..., ::-1], Box.from_one_based(*box))

    def update(self, image: Any) -> NDArray[np.float64]:
        found = self._tracker.update(np.asarray(image)[..., ::-1])
        return self.first if found is None else np.array(found.to_one_based())


def write_pictures(folder: Path, boxes: NDArray[np.float64]) -> None:
    """The frames as `00000001.jpg` and on, which data sets are looked through for.

    They are PNG in truth, which readers find out by themselves: JPEG would change the colors.
    """
    folder.mkdir(parents=True)
    for index, box in enumerate(boxes, 1):
        (folder / f"{index:08d}.jpg").write_bytes(cv2.imencode(".png", draw(box))[1].tobytes())


def write_boxes(path: Path, boxes: NDArray[np.float64]) -> None:
    """Boxes as a data set has them, 1-based."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, boxes + np.array([1, 1, 0, 0]), fmt="%.4f", delimiter=",")
