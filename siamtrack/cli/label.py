"""`siamtrack label`: training data from own videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from siamtrack.cli.options import Debug, Device, Quiet, Threads
from siamtrack.models.registry import DEFAULT_MODEL


def label(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="Video file, folder of images or quoted glob.")],
    *,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Parent folder of the sequence; DATA/clips for training."),
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the sequence. Default: name of the video.")
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes",
            metavar="FILE",
            help="Key frames, one a line: frame,x,y,w,h from 0; nan for x to h where the object goes out of sight. "
            "Without it, a window opens to draw them.",
        ),
    ] = None,
    between: Annotated[
        Literal["track", "interpolate"],
        typer.Option(help="Boxes between key frames: tracked from both sides, or interpolated linearly."),
    ] = "track",
    tracker: Annotated[
        str,
        typer.Option("--tracker", metavar="NAME|FILE", help="Shipped model (see 'siamtrack models') or weights file."),
    ] = DEFAULT_MODEL,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Track forwards and backwards, also beyond the key frames, and keep only frames in which both agree.",
        ),
    ] = False,
    agree: Annotated[
        float, typer.Option("--agree", metavar="IOU", help="Minimum overlap of both boxes for an agreement.")
    ] = 0.65,
    every: Annotated[int, typer.Option("--every", metavar="N", min=1, help="Write every Nth frame only.")] = 1,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Label an object in a video: give boxes on key frames, and the boxes between them are filled in.

    siamtrack label street.mp4 --out data/clips
    """
    from siamtrack.cli import console

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.labelling import workflow

    job = workflow.LabelJob(
        source=video,
        out=out.expanduser(),
        name=name,
        boxes=boxes and boxes.expanduser(),
        between=between,
        check=check,
        agree=agree,
        every=every,
        tracker=tracker,
        device=device,
        threads=threads,
    )
    with console.progress("tracking") as report:
        summary = workflow.label(job, report)
    if not summary.parts:
        saved = console.plural(summary.key_frames, "key frame")
        console.show_result(f"{saved} in {summary.folder}; run the same command again to go on")
        return
    if summary.confirmed is not None:
        kept, tried = summary.confirmed
        console.show_result(f"forwards and backwards agree in {kept} of {tried} frames ({kept / tried:.0%})")
    console.show_result(*(f"wrote {path}, {frames} frames" for path, frames in summary.parts))
