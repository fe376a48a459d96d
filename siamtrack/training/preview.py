"""A picture of training pairs, as a recipe makes them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import UsageError
from siamtrack.io.contact_sheet import contact_sheet
from siamtrack.io.images import write_image
from siamtrack.models.registry import build_network
from siamtrack.training.dataset import read_training_data
from siamtrack.training.feed import make_pairs
from siamtrack.training.pairs import PairSample
from siamtrack.training.recipe import Recipe

GREEN = (80, 220, 80)
COLUMNS = 6
TILE = (330, 224)


def write_preview(recipe: Recipe, data: Path, output: Path, numbers: Iterable[int]) -> None:
    """Draw pairs of a run into one picture.

    Args:
        recipe: of the run.
        data: folder of the training data.
        output: a .png or .jpg file.
        numbers: which pairs, counted from 0.

    Raises:
        UsageError: when there are no such pairs, or the file is no picture by its name.
        DataError: when the data is not what the recipe asks for.
        OutputError: when the picture cannot be written.
    """
    pairs = make_pairs(recipe, build_network(recipe.model.design), read_training_data(data, recipe.mix.validation))
    wanted = [number for number in numbers if number < len(pairs)]
    if not wanted:
        raise UsageError(f"the run has {len(pairs)} pairs, counted from 0: none of those asked for exists")
    samples = [pairs[number] for number in wanted]
    sheet = contact_sheet([draw_pair(sample) for sample in samples], COLUMNS, TILE, [describe(s) for s in samples])
    write_image(output, sheet)


def draw_pair(sample: PairSample) -> NDArray[np.uint8]:
    """Return the middle exemplar beside the search crop with the target's box: `(H, W, 3)` uint8 BGR."""
    search = sample.search.copy()
    if not math.isnan(sample.center[0]):
        (x, y), (width, height) = sample.center, sample.size
        corners = [(round(x - width / 2), round(y - height / 2)), (round(x + width / 2), round(y + height / 2))]
        cv2.rectangle(search, corners[0], corners[1], GREEN, 1)
    exemplar = sample.exemplars[len(sample.exemplars) // 2]
    column = np.zeros((search.shape[0], exemplar.shape[1], 3), np.uint8)
    column[: exemplar.shape[0]] = exemplar
    return np.hstack([column, search])


def describe(sample: PairSample) -> str:
    """Return one line under the picture of a pair."""
    if math.isnan(sample.center[0]):
        return f"{sample.group}: not here"
    return sample.group if math.isnan(sample.scale) else f"{sample.group}, {sample.scale:+.1f} steps"
