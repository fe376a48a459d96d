"""Fit a model's confidence: `python tools/fit_confidence.py DIR --model NAME`.

It prints `[tracking.confidence]` for the recipe: a logistic regression, fitted by Newton's method with a small ridge,
on the signals of `siamtrack.tracking.confidence` and their change, to whether the box overlaps the truth by more than
0.3.
DIR is described in `disappearance_clips.py`; its clips of the first half are taken, and the sequences in OTB/, VOT/ and
UAV123_10fps/, whose targets are always in view. What is usual for a target depends on the weights that the tracker has:
fit again with `--settings` until they stay.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from disappearance_clips import DISAPPEAR, SEQUENCES, STAYING, Run, auc, follow, make_clips, read_stock, whole
from numpy.typing import NDArray

from siamtrack.data.sequences import read_tracks
from siamtrack.errors import SiamTrackError
from siamtrack.evaluation.disappearances import Ending
from siamtrack.models.registry import DEFAULT_MODEL
from siamtrack.tracking.confidence import Signals
from siamtrack.tracking.tracker import load

FIT_SEED = 100
RIDGE = 0.01


def main() -> int:
    """Track everything, fit, and print; return the exit code."""
    parser = argparse.ArgumentParser(description="Fit the weights of a model's confidence.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a shipped model or a file (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=18, help="in which the target disappears (default: %(default)s)")
    parser.add_argument("--staying", type=int, default=6, help="in which it does not (default: %(default)s)")
    parser.add_argument("--settings", default="{}", metavar="JSON", help="tracking settings to change")
    arguments = parser.parse_args()
    try:
        tracker = load(arguments.model, device="cpu", settings=json.loads(arguments.settings), precision="float32")
        stock = read_stock(arguments.folder, 0)
        clips = [*make_clips(stock, arguments.clips, DISAPPEAR, FIT_SEED)]
        clips += make_clips(stock, arguments.staying, [Ending.STAYS], FIT_SEED + STAYING)
        runs = [follow(tracker, name, clip) for name, clip in clips]
        tracks = [track for name in SEQUENCES for track in read_tracks(arguments.folder / name)]
        runs += [follow(tracker, track.name, whole(track)) for track in tracks]
    except SiamTrackError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    report(runs)
    return 0


def report(runs: Sequence[Run]) -> None:
    """Print the weights, and what they are worth."""
    signals, usual = (np.concatenate([getattr(run, name)[run.judged] for run in runs]) for name in ("signals", "usual"))
    right = np.concatenate([run.right[run.judged] for run in runs])
    features = np.hstack([signals, signals - usual])
    intercept, weights = fit(features, right)
    print(f"[tracking.confidence]\nintercept = {intercept:.3f}")
    for kind, part in zip(("level", "change"), np.split(weights, 2), strict=True):
        named = ", ".join(f"{name} = {each:.3f}" for name, each in zip(Signals._fields, part, strict=True) if each)
        print(f"{kind} = {{ {named} }}")
    print(f"# {len(right)} frames, AUC {auc(features @ weights, right):.4f}")


def fit(features: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """Intercept and weights of a logistic regression with a ridge; the weight of a constant feature is 0.

    Args:
        features: `(N, F)`.
        right: `(N,)`.
    """
    spread = features.std(axis=0)
    useful = spread > 1e-9
    design = np.column_stack([np.ones(len(features)), features[:, useful]])
    ridge = RIDGE * len(features) * np.concatenate([[0.0], spread[useful] ** 2])
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        sure = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (sure - right) + ridge * weights
        hessian = (design.T * (sure * (1 - sure))) @ design + np.diag(ridge)
        weights = weights - np.linalg.solve(hessian, gradient)
    full = np.zeros(features.shape[1])
    full[useful] = weights[1:]
    return float(weights[0]), full


if __name__ == "__main__":
    sys.exit(main())
