"""Render sequences of a domain that no model was trained on: a cell among similar cells, as under a microscope.

    python tools/render_cells.py cells/clips --sequences 12

Each sequence is a folder in OTB's layout, with exact boxes. Cells are gray, soft and alike; they drift, turn and pass
close to each other, and the picture is noisy. It is the domain of the example in docs/train-your-own.md.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 320, 240
CELLS = 10
TEXTURE = 64
"""Side of the picture of a cell, of which its ellipse fills three quarters."""
FILLED = 0.75
NOISE = 7.0
"""Standard deviation of the noise, in gray levels."""


@dataclass(frozen=True)
class Cell:
    """Appearance of a cell, and its path: `(frames,)` center, angle and half axes."""

    gray: NDArray[np.float32]
    alpha: NDArray[np.float32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    angle: NDArray[np.float64]
    long: NDArray[np.float64]
    short: NDArray[np.float64]

    def box(self, frame: int) -> tuple[float, float, float, float]:
        """Return the upright box of the ellipse: x, y, width, height, 0-based."""
        cos, sin = np.cos(self.angle[frame]), np.sin(self.angle[frame])
        half_width = float(np.hypot(self.long[frame] * cos, self.short[frame] * sin))
        half_height = float(np.hypot(self.long[frame] * sin, self.short[frame] * cos))
        return (
            float(self.x[frame]) - half_width,
            float(self.y[frame]) - half_height,
            2 * half_width,
            2 * half_height,
        )

    def draw(self, picture: NDArray[np.float32], frame: int) -> None:
        """Blend the cell into a picture, in place."""
        cos, sin = np.cos(self.angle[frame]), np.sin(self.angle[frame])
        unit = TEXTURE * FILLED / 2
        along, across = self.long[frame] / unit, self.short[frame] / unit
        turn = np.array([[along * cos, -across * sin], [along * sin, across * cos]])
        shift = np.array([self.x[frame], self.y[frame]]) - 0.5 - turn @ np.full(2, (TEXTURE - 1) / 2)
        matrix = np.column_stack([turn, shift])
        gray = cv2.warpAffine(self.gray, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        alpha = cv2.warpAffine(self.alpha, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        picture += alpha * (gray - picture)


def smooth_walk(
    frames: int, start: float, speed: float, low: float, high: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a coordinate that drifts with a slowly changing velocity and turns at the borders."""
    velocity = np.cumsum(rng.normal(0, speed / 8, frames)) + rng.normal(0, speed)
    way = start + np.cumsum(np.clip(velocity, -2 * speed, 2 * speed))
    span = high - low
    return low + np.abs((way - low + span) % (2 * span) - span)


def make_cell(frames: int, rng: np.random.Generator) -> Cell:
    """Return a cell with granules and a nucleus of its own."""
    rows, columns = np.mgrid[:TEXTURE, :TEXTURE].astype(np.float32) - (TEXTURE - 1) / 2
    distance = np.hypot(rows, columns) / (TEXTURE * FILLED / 2)
    alpha = np.clip((1 - distance) * 8, 0, 1).astype(np.float32) * 0.9
    granules = cv2.GaussianBlur(rng.normal(0, 1, (TEXTURE, TEXTURE)).astype(np.float32), (0, 0), 3)
    nucleus = rng.uniform(-8, 8, 2)
    core = np.exp(-((rows - nucleus[0]) ** 2 + (columns - nucleus[1]) ** 2) / (2 * rng.uniform(4, 8) ** 2))
    ring = np.exp(-((distance - 0.9) ** 2) / 0.02)
    gray = 120 + 20 * granules / granules.std() - rng.uniform(20, 50) * core + 30 * ring
    size = rng.uniform(13, 17)
    ratio = rng.uniform(1.15, 1.4)
    breath = 1 + 0.08 * np.sin(np.arange(frames) * rng.uniform(0.05, 0.15) + rng.uniform(0, 6))
    return Cell(
        gray.astype(np.float32),
        alpha,
        smooth_walk(frames, rng.uniform(30, WIDTH - 30), 1.2, 20, WIDTH - 20, rng),
        smooth_walk(frames, rng.uniform(30, HEIGHT - 30), 1.2, 20, HEIGHT - 20, rng),
        rng.uniform(0, np.pi) + np.cumsum(rng.normal(0, 0.03, frames)),
        size * ratio * breath,
        size / breath,
    )


def render(folder: Path, frames: int, seed: int) -> None:
    """Write one sequence: pictures, and the boxes of its first cell, 1-based."""
    rng = np.random.default_rng(seed)
    cells = [make_cell(frames, rng) for _ in range(CELLS)]
    light = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 40)
    background = 90 + 12 * light / light.std()
    (folder / "img").mkdir(parents=True)
    lines = []
    for frame in range(frames):
        picture = background.astype(np.float32)
        for cell in reversed(cells):  # the target is on top
            cell.draw(picture, frame)
        noisy = picture + rng.normal(0, NOISE, picture.shape)
        image = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / "img" / f"{frame + 1:04d}.jpg"), cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        x, y, width, height = cells[0].box(frame)
        lines.append(f"{x + 1:.2f},{y + 1:.2f},{width:.2f},{height:.2f}\n")
    (folder / "groundtruth_rect.txt").write_text("".join(lines))


def main() -> None:
    """Render the sequences that are asked for."""
    parser = argparse.ArgumentParser(description="Render sequences of cells under a microscope.")
    parser.add_argument("output", type=Path, help="folder that gets a folder a sequence")
    parser.add_argument("--sequences", type=int, default=12)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for index in range(arguments.sequences):
        name = f"cell{index + 1:02d}"
        render(arguments.output / name, arguments.frames, seed=1000 * arguments.seed + index)
        print(arguments.output / name)


if __name__ == "__main__":
    main()
