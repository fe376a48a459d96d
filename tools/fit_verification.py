"""Fit the calibration of the cosine of two exemplars for the shipped tracking models.

The result goes into `siamtrack.verification.verifier.SHIPPED_CALIBRATIONS`.

    python tools/fit_verification.py data/stills

A pair of the same are two views of an object: the crops of its box, shaken as a careless user or a tracker would draw
it, in other light. A pair of different ones are two objects. Only objects that a person outlined are taken, whether
named or not; every fifth photograph serves, the others are left to whoever trains on them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from siamtrack.datasets.frames import read_picture
from siamtrack.datasets.stills import read_stills
from siamtrack.errors import SiamTrackError
from siamtrack.models.cards import Calibration
from siamtrack.models.registry import find_model, list_models
from siamtrack.models.weights import load_network
from siamtrack.verification.augmentation import PatchAugmentation, augment_patches
from siamtrack.verification.dataset import PatchDataset, to_patch
from siamtrack.verification.metrics import Reliability, best_threshold, fit_calibration, reliability, roc
from siamtrack.verification.verifier import ExemplarVerifier
from siamtrack.verification.workflow import sample_pair_values

VIEWS = PatchAugmentation(shift=0.1, rotation=10, scale=0.15, aspect_ratio=0.1, brightness=0.15, contrast=0.2)
"""Maximum difference between two views of an object."""
EVERY = 5
"""Interval between the photographs that are used."""
LARGER = 1.25
"""Size of a crop relative to the box: half of the context that an exemplar has."""
SMALLEST_DOT = 6
"""Area in square points of the dot of a bin without pairs."""


def main() -> int:
    """Print a line of the table for each model."""
    parser = argparse.ArgumentParser(description="Fit what a cosine of two exemplars means.")
    parser.add_argument("folder", type=Path, help="the folder that holds objects.csv")
    parser.add_argument("--objects", type=int, default=400, help="how many to take at most")
    parser.add_argument("--pairs", type=int, default=4000, help="how many pairs to fit with, and to measure with")
    parser.add_argument("--plot", type=Path, help="PNG of what the probabilities are worth")
    arguments = parser.parse_args()
    trusted: dict[str, Reliability] = {}
    try:
        for name in list_models():
            line, trusted[name] = fitted(name, arguments.folder, arguments.objects, arguments.pairs)
            print(line, flush=True)
    except SiamTrackError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if arguments.plot is not None:
        draw_reliability(arguments.plot, trusted, "Reliability, objects that were not fitted on")
    return 0


def fitted(name: str, folder: Path, objects: int, count: int) -> tuple[str, Reliability]:
    """Return the line of a model, and its reliability on objects that it was not fitted on."""
    network, _ = load_network(find_model(name))
    verifier = ExemplarVerifier(network, name, Calibration(intercept=0, slope=0), 0)
    views = two_views(folder, network.exemplar_size, objects)
    number = len(views.names) // 2
    values, same = zip(
        *(
            sample_pair_values(verifier, views.select(part), count, seed=0)
            for part in (views.names[:number], views.names[number:])
        ),
        strict=True,
    )
    threshold, calibration = best_threshold(values[0], same[0]), fit_calibration(values[0], same[0])
    trusted = reliability(calibration.probability(values[1]), same[1])
    line = (
        f'    "{name}": (Calibration(intercept={calibration.intercept:.3f}, slope={calibration.slope:.3f}), '
        f"{threshold:.4f}),  # AUC {roc(values[1], same[1]).auc:.4f}, calibration error {trusted.error:.3f}"
    )
    return line, trusted


def two_views(folder: Path, size: int, objects: int) -> PatchDataset:
    """Return every object as a class of two patches."""
    found = [item for item in read_stills(folder, 32.0).objects if item.trusted and item.mask]
    photos = sorted({item.photo for item in found})[::EVERY]
    chosen = [item for item in found if item.photo in photos]
    rng = np.random.default_rng(0)
    rng.shuffle(chosen)
    patches = []
    for item in chosen[:objects]:
        image = read_picture(item.photo)
        x, y, width, height = item.box
        margin_x, margin_y = (LARGER - 1) * width / 2, (LARGER - 1) * height / 2
        top, bottom = max(round(y - margin_y), 0), round(y + height + margin_y)
        left, right = max(round(x - margin_x), 0), round(x + width + margin_x)
        patch = to_patch(image[top:bottom, left:right], size, 3)
        patches.append(augment_patches(np.stack([patch, patch]), VIEWS, rng))
    names = tuple(f"{index}" for index in range(len(patches)))
    return PatchDataset(names, np.concatenate(patches), np.repeat(np.arange(len(patches)), 2))


def draw_reliability(path: Path, found: Mapping[str, Reliability], title: str) -> None:
    """Draw probabilities against what was true, a line for each name, with the diagonal of what can be trusted.

    The area of a dot grows with the share of the pairs that are in its bin.

    Args:
        path: of a PNG, overwritten if it exists.
        found: by name, for the legend.
        title: of the picture.
    """
    figure = Figure(figsize=(5, 4.4), dpi=80, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", linestyle="--")
    for name, line in found.items():
        (drawn,) = axes.plot(line.predicted, line.observed, alpha=0.6, label=f"{name}: error {line.error:.3f}")
        shares = line.counts / line.counts.sum()
        axes.scatter(line.predicted, line.observed, s=SMALLEST_DOT + 300 * shares, color=drawn.get_color())
    axes.set(xlabel="probability of the same", ylabel="share that is the same", title=title)
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
