"""`siamtrack profile`: time of every stage of a frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli.options import (
    Boxes,
    Debug,
    Device,
    Precision,
    Quiet,
    Runtime,
    ScaleSearch,
    Threads,
    tracking_settings,
)
from siamtrack.models.registry import DEFAULT_MODEL

if TYPE_CHECKING:
    from siamtrack.profiling.report import ProfileReport


def profile(
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="Video file, folder of images or quoted glob.")
    ] = None,
    *,
    synthetic: Annotated[
        str | None,
        typer.Option("--synthetic", metavar="WxH", help="Measure on a rendered clip of this size instead of a SOURCE."),
    ] = None,
    box: Boxes = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|FILE",
            help=f"Shipped model or weights file; give it several times to compare. Default: {DEFAULT_MODEL}.",
        ),
    ] = None,
    versus: Annotated[
        list[str] | None,
        typer.Option(
            "--vs",
            metavar="NAME",
            help="Tracker of OpenCV to compare with: opencv:csrt, opencv:kcf, opencv:mil, opencv:nano=DIR with the "
            "folder of NanoTrack's two ONNX files, or opencv:vit=FILE with VitTrack's file.",
        ),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", metavar="N", help="Number of frames to measure in a round.")] = 200,
    rounds: Annotated[
        int, typer.Option("--rounds", metavar="N", help="Number of rounds; every tracker runs once in each.")
    ] = 3,
    targets: Annotated[
        int,
        typer.Option(
            "--targets", metavar="N", help="Number of objects in the rendered clip, or of times to track each --box."
        ),
    ] = 1,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="The table with machine and settings, as JSON.")
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    scale_search: ScaleSearch = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure the time of every stage of a frame, and how close the network is to the limit of the machine.

    siamtrack profile --synthetic 640x480 --vs opencv:csrt
    """
    from siamtrack.boxes import parse_box
    from siamtrack.cli import console
    from siamtrack.cli.tables import profile_tables

    console.configure_logging(quiet=quiet, debug=debug)
    boxes = tuple(parse_box(text) for text in box or ())

    from siamtrack.io.synthetic import parse_size
    from siamtrack.profiling.workflow import profile as measure

    json = json and json.expanduser()  # a shell leaves the ~ of --json=~/profile.json to the program
    with console.progress("tracking") as report:
        result = measure(
            source,
            synthetic=None if synthetic is None else parse_size(synthetic),
            boxes=boxes,
            models=model or (DEFAULT_MODEL,),
            peers=versus or (),
            frames=frames,
            rounds=rounds,
            targets=targets,
            json=json,
            device=device,
            threads=threads,
            precision=precision,
            runtime=runtime,
            settings=tracking_settings(scale_search),
            report=report,
        )
    console.show_result(_headline(result))
    for table in profile_tables(result):
        console.show_result("")
        console.show_table(table)
    if json is not None:
        console.show_result(f"\nwrote {json}")


def _headline(report: ProfileReport) -> str:
    """Return the clip and the machine in two lines."""
    from siamtrack.cli.console import plural

    source, machine = report.source, report.machine
    clip = "rendered clip" if report.synthetic else source.name
    targets, rounds = plural(len(report.boxes), "target"), plural(report.rounds, "round")
    chip = machine["gpu"] if report.device.startswith("cuda") else machine["cpu"]
    return (
        f"{clip}, {source.width}x{source.height}, {targets}, {report.trackers[0].frames} frames in {rounds}\n"
        f"{chip}, {plural(machine['threads'], 'thread')} on {machine['cores']} cores"
    )
