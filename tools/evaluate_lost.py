"""Measure how well a model reports LOST and finds its target again: `python tools/evaluate_lost.py DIR --model NAME`.

DIR is described in `disappearance_clips.py`. Tracked are rendered clips of the second half, in which the target
disappears and returns or stays; the sequences in OTB/, VOT/ and UAV123_10fps/ as they are; and windows of these, and of
the videos kept from training, that look away from the target and back. Printed are, for each kind:

- in how many of the clips LOST is said within 15 frames of the disappearance, and in how many the target is tracked
  again, with the box on it, within 30 frames of its return;
- how many frames without the target are said to be tracked after these 15;
- where the target stays in view, how many frames are said to be lost, and how many are though the box is on the target;
- the average overlap, and the area under the ROC curve of the network's own logit, and of the score,
  against the overlap being above 0.3.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from disappearance_clips import (
    DISAPPEAR,
    SEQUENCES,
    STAYING,
    Run,
    auc,
    follow,
    kept_tracks,
    make_clips,
    pictures,
    read_stock,
    whole,
)
from disappearances import BACK_ABOVE, RETURN_FRAMES, SIGNAL_FRAMES, Ending, judge, pan_away

from siamtrack.datasets.training_tracks import Track, read_tracks
from siamtrack.errors import SiamTrackError
from siamtrack.models.registry import DEFAULT_MODEL
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.factory import load
from siamtrack.tracking.tracker import Tracker

JUDGE_SEED = 101


def main() -> int:
    """Track everything and print the table; return the exit code."""
    parser = argparse.ArgumentParser(description="How well a model knows when its target is lost.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a shipped model or a file (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=48, help="in which the target disappears (default: %(default)s)")
    parser.add_argument("--staying", type=int, default=16, help="in which it does not (default: %(default)s)")
    parser.add_argument("--settings", default="{}", metavar="JSON", help="tracking settings to change")
    arguments = parser.parse_args()
    try:
        tracker = load(arguments.model, device="cpu", settings=json.loads(arguments.settings), precision="float32")
        for kind, runs in kinds(tracker, arguments.folder, arguments.clips, arguments.staying):
            for run in runs:
                print(f"  {run.name}: {describe([run])}", flush=True)
            print(f"{kind}, {len(runs)}: {describe(runs)}", flush=True)
    except SiamTrackError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def kinds(tracker: Tracker, folder: Path, clips: int, staying: int) -> Iterator[tuple[str, list[Run]]]:
    """Yield every kind of clip with the runs of the tracker."""
    stock = read_stock(folder, 1)
    rendered = make_clips(stock, clips, DISAPPEAR, JUDGE_SEED)
    yield "rendered, disappears", [follow(tracker, name, clip) for name, clip in rendered]
    rendered = make_clips(stock, staying, [Ending.STAYS], JUDGE_SEED + STAYING)
    yield "rendered, stays", [follow(tracker, name, clip) for name, clip in rendered]
    real = [track for name in SEQUENCES for track in read_tracks(folder / name)]
    yield "real", [follow(tracker, track.name, whole(track)) for track in real]
    yield "real, panned away from", list(panned(tracker, [*real, *kept_tracks(folder)]))


def panned(tracker: Tracker, tracks: Sequence[Track]) -> Iterator[Run]:
    """Yield the runs in windows of videos that look away from the target and back."""
    for track in tracks:
        images = pictures(track)
        moments = list(pan_away(images, [track.box(index) for index in range(len(images))]))
        if moments:
            yield follow(tracker, track.name, moments)


def describe(runs: Sequence[Run]) -> str:
    """Return the figures of some runs as one line."""
    outcomes = [judge(run.shown, run.overlap, run.said) for run in runs]
    parts = []
    gone = [each for each in outcomes if each.disappeared is not None]
    for group, label in ((gone, ""), ([each for each in gone if each.followed], " of those followed until then")):
        if group:
            signalled = sum(each.signalled is not None and each.signalled <= SIGNAL_FRAMES for each in group)
            found = sum(each.found is not None and each.found <= RETURN_FRAMES for each in group)
            parts.append(f"lost signalled {signalled}/{len(group)}, found again {found}/{len(group)}{label}")
    if gone:
        parts.append(f"certain of an absent target {np.mean([each.certain for each in gone]):.1%}")
    lost = np.concatenate([np.array([status is Status.LOST for status in run.said]) for run in runs])
    if not gone:
        hit = np.concatenate([run.right for run in runs])
        parts.append(f"said to be lost {lost.mean():.2%}, and on the target {(lost & hit).mean():.2%}")
    parts.append(f"AO {np.mean([run.overlap[run.shown >= BACK_ABOVE].mean() for run in runs]):.4f}")
    judged = np.concatenate([run.judged for run in runs])
    right = np.concatenate([run.right for run in runs])[judged]
    if 0 < right.sum() < len(right):
        for name in ("logit", "score"):
            values = np.concatenate([getattr(run, name) for run in runs])[judged]
            parts.append(f"AUC of the {name} {auc(values, right):.4f}")
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
