"""`siamtrack webcam`: follow objects before a camera."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli.options import Debug, Device, Model, Precision, Quiet, Runtime, Threads, Update
from siamtrack.models.registry import DEFAULT_MODEL

if TYPE_CHECKING:
    from siamtrack.live.loop import Summary

Results = "Results"


def webcam(
    *,
    camera: Annotated[
        str,
        typer.Option(
            "--camera",
            "-c",
            metavar="N|DEVICE|URL|FILE",
            help="A camera by number or as /dev/video2, a network camera as rtsp://... or http://....mjpg, or a video "
            "file, which is played at its own rate.",
        ),
    ] = "0",
    box: Annotated[
        list[str] | None,
        typer.Option(
            "--box",
            metavar="X,Y,W,H",
            help="Where an object is in the first frame: left, top, width, height in pixels, from 0; once for each "
            "object. Without a display, these are followed without a window, which needs --record or --csv.",
        ),
    ] = None,
    select_on_start: Annotated[
        bool, typer.Option("--select-on-start", help="Freeze the first frame until boxes are drawn; Space goes on.")
    ] = False,
    model: Model = DEFAULT_MODEL,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The video to write, with boxes, ids and scores drawn. It has a constant rate and plays as fast as "
            "things happened: where a camera gives fewer frames they are repeated, where it gives more, left out. "
            "A file that exists is overwritten, never the source.",
            rich_help_panel=Results,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="frame,time,target,x,y,w,h,score,status", rich_help_panel=Results),
    ] = None,
    snapshots: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where the key s saves pictures; they never overwrite anything. Default: the current folder.",
            show_default=False,
            rich_help_panel=Results,
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
    """Follow objects before a camera: a window opens, drag a box around an object in it; h shows the keys.

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
            raise UsageError("without a display nothing would be seen of this: give --record FILE or --csv FILE")

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
        settings={"template_update": {}} if update else {},
    )
    if display:
        summary = workflow.watch(job, open_live)
    else:
        with console.progress("tracking") as report:
            summary = workflow.follow(job, open_live, report)
    if not quiet:
        _show(summary)
    return 0 if summary.stopped_by is None else 128 + summary.stopped_by


def _show(summary: Summary) -> None:
    from siamtrack.cli import console

    out = console.output()
    end = "" if summary.stopped_by is None else f", stopped by {summary.stopped_by.name}"
    frames = "1 frame" if summary.frames == 1 else f"{summary.frames} frames"
    targets = "1 target" if summary.targets == 1 else f"{summary.targets} targets"
    out.print(f"followed {targets} through {frames} in {summary.seconds:.1f} s, {summary.dropped} dropped{end}")
    for path in summary.files:
        out.print(f"wrote {path}")
