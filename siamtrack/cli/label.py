"""`siamtrack label`: own videos to training data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from siamtrack.cli.options import Debug, Device, Quiet, Threads
from siamtrack.models.registry import DEFAULT_MODEL

if TYPE_CHECKING:
    from siamtrack.labelling.workflow import LabelSummary


def label(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="A video file, a folder of images or a quoted glob.")],
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Where the sequence goes, in a folder of its own; DATA/clips to train."
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of that folder; default: the name of the video.")
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes",
            metavar="FILE",
            help="Key frames, a line each: frame,x,y,w,h from 0; nan for x to h where the object goes out of sight. "
            "Without it a window opens to draw them in.",
        ),
    ] = None,
    between: Annotated[
        Literal["track", "interpolate"],
        typer.Option(
            help="Where the boxes between key frames come from: tracked from both sides, or on a straight way."
        ),
    ] = "track",
    tracker: Annotated[
        str, typer.Option("--tracker", metavar="NAME|FILE", help="A shipped model (see 'siamtrack models') or a file.")
    ] = DEFAULT_MODEL,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Track forwards and backwards, and keep only frames that agree, beyond the key frames too.",
        ),
    ] = False,
    agree: Annotated[
        float, typer.Option("--agree", metavar="IOU", help="Least overlap of both that counts as agreeing.")
    ] = 0.65,
    every: Annotated[int, typer.Option("--every", metavar="N", min=1, help="Write each Nth frame only.")] = 1,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Label an object in a video of your own: boxes on key frames, and those between are filled in.

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
    if not quiet:
        _show(summary)


def _show(summary: LabelSummary) -> None:
    from siamtrack.cli import console

    out = console.output()
    if not summary.parts:
        keys = "1 key frame" if summary.key_frames == 1 else f"{summary.key_frames} key frames"
        out.print(f"{keys} in {summary.folder}; run the same command again to go on")
        return
    if summary.confirmed is not None:
        kept, tried = summary.confirmed
        out.print(f"forwards and backwards agree in {kept} of {tried} frames ({kept / tried:.0%})")
    for path, frames in summary.parts:
        out.print(f"wrote {path}, {frames} frames")
