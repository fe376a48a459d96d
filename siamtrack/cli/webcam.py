"""`siamtrack webcam`: tracking of objects in front of a camera."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import (
    RESULTS,
    CsvFile,
    Debug,
    Device,
    Model,
    Precision,
    Quiet,
    Runtime,
    Threads,
    Update,
    tracking_settings,
)
from siamtrack.models.registry import DEFAULT_MODEL


def webcam(
    *,
    camera: Annotated[
        str,
        typer.Option(
            "--camera",
            "-c",
            metavar="N|DEVICE|URL|FILE",
            help="Number of a camera, /dev/video2, rtsp://... or http://....mjpg for a network camera, or a video "
            "file, which is played at its own rate.",
        ),
    ] = "0",
    box: Annotated[
        list[str] | None,
        typer.Option(
            "--box",
            metavar="X,Y,W,H",
            help="Box of the object in the first frame: left, top, width, height in pixels, from 0. Give it once for "
            "each object. Without a display, there is no window, and --record or --csv is needed.",
        ),
    ] = None,
    select_on_start: Annotated[
        bool, typer.Option("--select-on-start", help="Hold the first frame until boxes are drawn; Space goes on.")
    ] = False,
    model: Model = DEFAULT_MODEL,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Video to write, with boxes, ids and scores, in real time at a constant rate: frames are repeated or "
            "left out where the camera is slower or faster. An existing file is overwritten, but never the source.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    csv: CsvFile = None,
    snapshots: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder of the pictures that the key s saves; no file is overwritten. Default: the current folder.",
            show_default=False,
            rich_help_panel=RESULTS,
        ),
    ] = Path(),
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    update: Update = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Track objects in front of a camera: drag a box around an object in the window; h shows the keys.

    siamtrack webcam --record desk.mp4
    """
    from siamtrack.boxes import parse_box
    from siamtrack.cli import console
    from siamtrack.errors import UsageError

    console.configure_logging(quiet=quiet, debug=debug)
    boxes = tuple(parse_box(text) for text in box or ())

    from siamtrack.io.window import has_display

    display = has_display()
    if not display:
        if select_on_start or not boxes:
            raise UsageError(
                "boxes are drawn in a window, which needs a display, and there is none here: "
                "give --box X,Y,W,H with --record or --csv (and no --select-on-start)"
            )
        if record is None and csv is None:
            raise UsageError("without a display there would be no result: give --record FILE or --csv FILE")

    from siamtrack.io.live.open import open_live
    from siamtrack.live import webcam as workflow

    job = workflow.WebcamJob(
        source=camera,
        boxes=boxes,
        # A shell leaves the ~ of --csv=~/boxes.csv to the program.
        record=record and record.expanduser(),
        csv=csv and csv.expanduser(),
        snapshots=snapshots.expanduser(),
        frozen=select_on_start,
        model=model,
        device=device,
        threads=threads,
        precision=precision,
        runtime=runtime,
        settings=tracking_settings(update=update),
    )
    if display:
        summary = workflow.watch(job, open_live)
    else:
        with console.progress("tracking") as report:
            summary = workflow.follow(job, open_live, report)
    end = "" if summary.stopped_by is None else f", stopped by {summary.stopped_by.name}"
    frames, targets = console.plural(summary.frames, "frame"), console.plural(summary.targets, "target")
    console.show_result(
        f"followed {targets} through {frames} in {summary.seconds:.1f} s, {summary.dropped} dropped{end}",
        *(f"wrote {path}" for path in summary.files),
    )
    return console.exit_code(summary.stopped_by)
