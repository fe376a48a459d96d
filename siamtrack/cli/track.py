"""`siamtrack track`: tracking of objects through a video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import (
    RESULTS,
    Boxes,
    CsvFile,
    Debug,
    Device,
    Model,
    Precision,
    Quiet,
    Runtime,
    ScaleSearch,
    Source,
    Threads,
    Update,
    tracking_settings,
)
from siamtrack.models.registry import DEFAULT_MODEL


def track(
    source: Source,
    *,
    box: Boxes = None,
    model: Model = DEFAULT_MODEL,
    start: Annotated[int, typer.Option("--start", metavar="N", help="First frame, from 0.")] = 0,
    end: Annotated[
        int | None, typer.Option("--end", metavar="N", help="Frame to stop before. Default: the end of the source.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Video to write, with boxes, ids and scores. Default: NAME-tracked.mp4 in the current folder. "
            "Existing files are overwritten, but never the source.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    no_video: Annotated[bool, typer.Option("--no-video", help="Write no video.", rich_help_panel=RESULTS)] = False,
    csv: CsvFile = None,
    json: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The rows of --csv with settings, model card, machine and times.",
            rich_help_panel=RESULTS,
        ),
    ] = None,
    otb: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Boxes of one object as x,y,w,h, from 1 (OTB).", rich_help_panel=RESULTS),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Show the frames while they are tracked; q or Esc stops.")
    ] = False,
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    update: Update = False,
    scale_search: ScaleSearch = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Track one or more objects through a video.

    siamtrack track street.mp4 --box 120,80,64,48 --csv street.csv
    """
    from siamtrack.boxes import parse_box
    from siamtrack.cli import console
    from siamtrack.errors import UsageError

    console.configure_logging(quiet=quiet, debug=debug)
    if no_video and output is not None:
        raise UsageError(f"--no-video and --output {output} contradict each other: give one of them")
    boxes = tuple(parse_box(text) for text in box or ())

    from siamtrack.io.window import require_display
    from siamtrack.workflows import track as runner

    if show or not boxes:
        purpose = "--show" if show else "without --box a window is opened to draw it, and it"
        require_display(purpose, "give --box X,Y,W,H (and no --show)")
    video = None if no_video else output or runner.default_video(source)
    # A shell leaves the ~ of --csv=~/boxes.csv to the program.
    video, csv, json, otb = (path and path.expanduser() for path in (video, csv, json, otb))
    job = runner.Job(
        source=source,
        boxes=boxes,
        outputs=runner.Outputs(video=video, csv=csv, json=json, otb=otb),
        model=model,
        start=start,
        end=end,
        device=device,
        threads=threads,
        precision=precision,
        runtime=runtime,
        settings=tracking_settings(scale_search, update),
        show=show,
    )
    with console.progress("tracking") as report:
        summary = runner.run(job, report)
    end_of_run = "" if summary.stopped_by is None else f", stopped by {summary.stopped_by.name}"
    skipped = f" ({summary.skipped} skipped)" if summary.skipped else ""
    targets = "" if summary.targets == 1 else f", {summary.targets} targets"
    console.show_result(
        f"tracked {console.plural(summary.frames, 'frame')}{skipped}{targets} in {summary.seconds:.1f} s{end_of_run}",
        f"tracking {summary.tracking_fps:.1f} fps, end to end {summary.end_to_end_fps:.1f} fps",
        *(f"wrote {path}" for path in summary.files),
    )
    return console.exit_code(summary.stopped_by)
