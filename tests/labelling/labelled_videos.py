"""Rendered videos with boxes."""

from __future__ import annotations

from pathlib import Path

import cv2
from scenes import render, texture

from siamtrack.boxes import Box, Image
from siamtrack.io.sources import open_source
from siamtrack.labelling.frames import FrameStore

COVERED = range(19, 28)
"""Frames in which at most a fifth of the target of `behind_a_board` is visible."""


def straight_on(count: int = 50) -> tuple[list[Image], list[Box]]:
    """Return frames and boxes of a target that moves four pixels in each frame."""
    track = [Box(10 + 4.0 * index, 90.0, 40.0, 48.0) for index in range(count)]
    return render([track]).frames, track


def behind_a_board() -> tuple[list[Image], list[Box]]:
    """Return frames and boxes of a target that passes behind a board."""
    frames, track = straight_on()
    board = texture(240, 56, 55)
    for frame in frames:
        frame[:, 96:152] = board
    return frames, track


def write_pictures(folder: Path, frames: list[Image]) -> Path:
    """Write a video as a folder of pictures."""
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{index}.png"), frame)
    return folder


def make_store(folder: Path) -> FrameStore:
    """Return the frames of a folder of pictures."""
    with open_source(folder) as source:
        return FrameStore(source, folder.parent, lambda: None)
