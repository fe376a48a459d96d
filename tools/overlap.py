"""Measure the overlap with changed tracking settings: `python tools/overlap.py DIR [DIR ...] --set NAME=JSON`.

DIR holds one folder a sequence, as `siamtrack train` reads them: img/*.jpg or NAME.mp4, and groundtruth_rect.txt.
One pass, the first frame is not scored; overlap is IoU. The interval is a bootstrap over the sequences.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import iou
from siamtrack.config import PRECISIONS
from siamtrack.datasets.training_tracks import Track, decode_frames, read_tracks
from siamtrack.errors import SiamTrackError, UsageError
from siamtrack.evaluation.statistics import bootstrap_intervals
from siamtrack.models.registry import DEFAULT_MODEL
from siamtrack.tracking.factory import load
from siamtrack.tracking.loop import track as track_frames
from siamtrack.tracking.tracker import Tracker


def main() -> int:
    """Track everything and print a table; return the exit code."""
    parser = argparse.ArgumentParser(description="How well a model follows the sequences of a folder.")
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a shipped model or a file (default: %(default)s)")
    parser.add_argument("--only", default="", help="names of sequences, separated by commas (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a tracking setting to change")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--precision", default="auto", choices=["auto", *PRECISIONS], help="of the network")
    arguments = parser.parse_args()
    try:
        settings = parsed(arguments.set)
        tracker = load(
            arguments.model,
            device=arguments.device,
            settings=settings,
            precision=arguments.precision,
            runtime="torch",  # the same wherever it is measured
            autotune=True,
        )
        tracks = [track for folder in arguments.folders for track in read_tracks(folder)]
        wanted = {name for name in arguments.only.split(",") if name}
        table(tracker, [track for track in tracks if not wanted or track.folder.name in wanted])
    except SiamTrackError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parsed(changes: Iterable[str]) -> dict[str, object]:
    """Parse `NAME=JSON` as settings.

    Raises:
        UsageError: when one is not of that form.
    """
    try:
        return {name: json.loads(value) for name, value in (change.split("=", 1) for change in changes)}
    except ValueError as error:
        raise UsageError(f"--set takes NAME=JSON, such as online_filter=null: {error}") from error


def table(tracker: Tracker, tracks: Iterable[Track]) -> None:
    """Print a line a track, and the means."""
    rows = []
    for track in tracks:
        overlaps = follow(tracker, track)
        if len(overlaps):
            rows.append([overlaps.mean(), (overlaps > 0.5).mean(), (overlaps > 0.75).mean()])
            print(
                f"{track.name:24s} AO {rows[-1][0]:.3f}  SR@0.5 {rows[-1][1]:.3f}  SR@0.75 {rows[-1][2]:.3f}",
                flush=True,
            )
    figures = np.array(rows)
    low, high = bootstrap_intervals(figures, np.ones(len(figures)), np.random.default_rng(0))[0]
    mean = figures.mean(axis=0)
    print(
        f"mean of {len(figures)}: AO {mean[0]:.3f} (95 % interval {low:.3f} to {high:.3f}),"
        f" SR@0.5 {mean[1]:.3f}, SR@0.75 {mean[2]:.3f}"
    )


def follow(tracker: Tracker, track: Track) -> NDArray[np.float64]:
    """Return the IoU with the truth in every frame after the first that has a box."""
    visible = track.visible
    if len(visible) < 2:
        return np.empty(0)
    first, last = int(visible[0]), int(visible[-1])
    frames = islice(decode_frames(track.folder), first, last + 1)
    tracker.init(next(frames), track.box(first))
    found = np.array([result.box for _, result in track_frames(frames, tracker)])
    return iou(found[visible[1:] - first - 1], track.boxes[visible[1:]])


if __name__ == "__main__":
    sys.exit(main())
