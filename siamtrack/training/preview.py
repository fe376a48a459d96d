"""Preview of the training pairs of a recipe: a picture of some pairs, and statistics of many."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import UsageError
from siamtrack.io.contact_sheet import contact_sheet
from siamtrack.io.images import write_image
from siamtrack.models.registry import build_network
from siamtrack.system.progress import Progress, Report, no_report
from siamtrack.training.dataset import TrainingData, read_training_data
from siamtrack.training.loader import make_pairs
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


@dataclass(frozen=True, slots=True)
class Holdings:
    """Counts of a folder of training data."""

    tracks: int
    frames: int
    """Frames of these tracks in which the target has a box."""
    validation: int
    """Tracks that are kept from training."""
    objects: int
    """Objects in photographs."""
    masked: int
    """Objects that can be cut out."""
    photos: int
    cutouts: int


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of a figure over pairs: its 5th, 50th and 95th percentile; NaN where no pair has it."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class FeedStats:
    """Figures of some pairs."""

    pairs: int
    groups: int
    """Different videos and photographs among them."""
    negatives: int
    """Pairs whose search crop shows another object."""
    gray: int
    """Pairs without color."""
    spreads: dict[str, Spread]
    """By name: `target side`, `aspect ratio`, `offset`, `scale`, `brightness`; lengths in pixels of the search crop."""
    most: tuple[tuple[str, int], ...]
    """The five groups that come most often, and how often."""


def count_holdings(data: TrainingData) -> Holdings:
    """Count what there is to train on and to validate with."""
    stills = data.stills
    return Holdings(
        tracks=len(data.tracks),
        frames=sum(len(track.visible) for track in data.tracks),
        validation=len(data.validation),
        objects=len(stills.objects) if stills else 0,
        masked=len(stills.masked) if stills else 0,
        photos=len(stills.photos) if stills else 0,
        cutouts=len(stills.cutouts) if stills else 0,
    )


def measure_pairs(samples: Iterable[PairSample]) -> FeedStats:
    """Go through pairs once; none is kept.

    Raises:
        UsageError: when there is none.
    """
    groups: Counter[str] = Counter()
    negatives = gray = 0
    values: dict[str, list[float]] = {
        "target side": [],
        "aspect ratio": [],
        "offset": [],
        "scale": [],
        "brightness": [],
    }
    for sample in samples:
        groups[sample.group] += 1
        search = sample.search
        values["brightness"].append(float(search.mean()))
        gray += bool((search[..., 0] == search[..., 1]).all() and (search[..., 1] == search[..., 2]).all())
        if math.isnan(sample.center[0]):
            negatives += 1
            continue
        width, height = sample.size
        middle = search.shape[0] / 2
        values["target side"].append(math.sqrt(width * height))
        values["aspect ratio"].append(width / height)
        values["offset"].append(math.hypot(sample.center[0] - middle, sample.center[1] - middle))
        if not math.isnan(sample.scale):
            values["scale"].append(sample.scale)
    if not groups:
        raise UsageError("no pairs to measure: ask for one or more")
    spreads = {name: spread(found) for name, found in values.items()}
    return FeedStats(groups.total(), len(groups), negatives, gray, spreads, tuple(groups.most_common(5)))


def spread(values: Sequence[float]) -> Spread:
    """Return the 5th, 50th and 95th percentile."""
    if not values:
        return Spread(math.nan, math.nan, math.nan)
    low, median, high = (float(value) for value in np.percentile(values, (5, 50, 95)))
    return Spread(low, median, high)


def measure_feed(recipe: Recipe, root: Path, count: int, report: Report = no_report) -> tuple[Holdings, FeedStats]:
    """Count what is in a folder, and measure the first pairs of a run.

    Args:
        recipe: of the run.
        root: folder of the training data.
        count: how many pairs; fewer where the run has fewer.
        report: called after every pair.

    Raises:
        UsageError: when no pair is asked for.
        DataError: when the data is not what the recipe asks for.
    """
    data = read_training_data(root, recipe.mix.validation)
    pairs = make_pairs(recipe, build_network(recipe.model.design), data)
    total = min(count, len(pairs))

    def samples() -> Iterable[PairSample]:
        for number in range(total):
            yield pairs[number]
            report(Progress(number + 1, total, "pairs"))

    return count_holdings(data), measure_pairs(samples())
