"""Fit a model's confidence: `python tools/fit_confidence.py DIR --model NAME`.

It prints `[tracking.confidence]` for the recipe: a logistic regression, fitted by Newton's method with a small ridge,
on the signals of `siamtrack.tracking.confidence` and their change, to whether the box overlaps the truth by more than
0.3. A signal that would count less the greater it is is left out, and so is the filter's answer: the filter learns what
it follows, so that its answer is high on what it drifted to. DIR is described in `disappearance_clips.py`; its clips of
the first half are taken, and the sequences in OTB/, VOT/ and UAV123_10fps/, whose targets are always in view. The
tracker goes on as if it were sure of everything, which shows how it is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from disappearance_clips import DISAPPEAR, SEQUENCES, STAYING, Run, auc, follow, make_clips, read_stock, whole
from disappearances import Ending
from numpy.typing import NDArray

from siamtrack.config import TrackingSettings
from siamtrack.datasets.training_tracks import read_tracks
from siamtrack.errors import SiamTrackError
from siamtrack.models.registry import DEFAULT_MODEL
from siamtrack.tracking.confidence import INITIAL_TRACK_STATE, Signals, update_state
from siamtrack.tracking.factory import load

FIT_SEED = 100
REGARDLESS = {"redetection": None, "uncertain_threshold": 0, "lost_threshold": 0}
RIDGE = 0.01
"""Weight of the squared weights, in variances of their signals."""
STEPS = 50
"""Of Newton's method, which needs about ten."""
FLAT = 1e-9
"""A signal that varies less is one that the model does not have."""


def main() -> int:
    """Track everything, fit, and print; return the exit code."""
    parser = argparse.ArgumentParser(description="Fit the weights of a model's confidence.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a shipped model or a file (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=36, help="in which the target disappears (default: %(default)s)")
    parser.add_argument("--staying", type=int, default=12, help="in which it does not (default: %(default)s)")
    parser.add_argument("--settings", default="{}", metavar="JSON", help="tracking settings to change")
    arguments = parser.parse_args()
    try:
        settings = {**json.loads(arguments.settings), **REGARDLESS}
        tracker = load(arguments.model, device="cpu", settings=settings, precision="float32")
        stock = read_stock(arguments.folder, 0)
        clips = [*make_clips(stock, arguments.clips, DISAPPEAR, FIT_SEED)]
        clips += make_clips(stock, arguments.staying, [Ending.STAYS], FIT_SEED + STAYING)
        runs = [follow(tracker, name, clip) for name, clip in clips]
        tracks = [track for name in SEQUENCES for track in read_tracks(arguments.folder / name)]
        runs += [follow(tracker, track.name, whole(track)) for track in tracks]
    except SiamTrackError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    report(runs, load(arguments.model, device="cpu", precision="float32").settings)
    return 0


def report(runs: Sequence[Run], settings: TrackingSettings) -> None:
    """Print the weights, and what they are worth."""
    signals = np.concatenate([np.array(run.signals)[run.judged] for run in runs])
    baseline = np.concatenate([history(run, settings)[run.judged] for run in runs])
    right = np.concatenate([run.right[run.judged] for run in runs])
    features = np.hstack([signals, signals - baseline])
    names = [(kind, name) for kind in ("level_weights", "change_weights") for name in Signals._fields]
    fitted = [
        index for index, (_, name) in enumerate(names) if name != "filter_response" and features[:, index].std() > FLAT
    ]
    intercept, weights = fit(features[:, fitted], right)
    while weights.min() < 0:
        del fitted[int(weights.argmin())]
        intercept, weights = fit(features[:, fitted], right)
    print(f"[tracking.confidence]\nintercept = {intercept:.3f}")
    for kind in ("level_weights", "change_weights"):
        chosen = [(names[i][1], weight) for i, weight in zip(fitted, weights, strict=True) if names[i][0] == kind]
        print(f"{kind} = {{ {', '.join(f'{name} = {weight:.3f}' for name, weight in chosen)} }}")
    logit = np.concatenate([run.logit[run.judged] for run in runs])
    worth = auc(features[:, fitted] @ weights, right)
    print(f"# {len(right)} frames, AUC {worth:.4f}; that of the network's own logit is {auc(logit, right):.4f}")


def history(run: Run, settings: TrackingSettings) -> NDArray[np.float64]:
    """Return `(N, 5)`: the baseline of the signals before each frame."""
    state, baselines = INITIAL_TRACK_STATE, []
    for signals in run.signals:
        baselines.append(state.baseline or signals)
        state, _ = update_state(state, signals, 1.0, settings)
    return np.array(baselines)


def fit(features: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """Intercept and weights of a logistic regression with a ridge.

    Args:
        features: `(N, F)`.
        right: `(N,)`.
    """
    design = np.column_stack([np.ones(len(features)), features])
    ridge = RIDGE * len(features) * np.concatenate([[0.0], features.var(axis=0)])
    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        sure = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        gradient = design.T @ (sure - right) + ridge * weights
        hessian = (design.T * (sure * (1 - sure))) @ design + np.diag(ridge)
        weights = weights - np.linalg.solve(hessian, gradient)
    return float(weights[0]), weights[1:]


if __name__ == "__main__":
    sys.exit(main())
