"""`siamtrack profile`: where the time of a frame goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli.options import Debug, Device, Precision, Quiet, Runtime, ScaleSearch, Threads
from siamtrack.cli.tables import figure_table
from siamtrack.models.registry import DEFAULT_MODEL

if TYPE_CHECKING:
    from rich.table import Table

    from siamtrack.profiling.report import ProfileReport


def profile(
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="A video file, a folder of images or a quoted glob.")
    ] = None,
    *,
    synthetic: Annotated[
        str | None,
        typer.Option("--synthetic", metavar="WxH", help="Measure on a rendered clip of this size instead of a SOURCE."),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            "--box",
            metavar="X,Y,W,H",
            help="Where the object is in the first frame of SOURCE, as of track. Give it once for each object.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|FILE",
            help=f"A shipped model or a file; give it several times to compare. Default: {DEFAULT_MODEL}.",
        ),
    ] = None,
    versus: Annotated[
        list[str] | None,
        typer.Option(
            "--vs",
            metavar="NAME",
            help="A tracker of OpenCV on the same frames: opencv:csrt, opencv:kcf, opencv:mil, opencv:nano=DIR with "
            "the folder of NanoTrack's two ONNX files, or opencv:vit=FILE with VitTrack's.",
        ),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", metavar="N", help="Frames to measure in a round.")] = 200,
    rounds: Annotated[
        int, typer.Option("--rounds", metavar="N", help="Rounds in which every tracker has its turn.")
    ] = 3,
    targets: Annotated[
        int,
        typer.Option("--targets", metavar="N", help="Objects in the rendered clip, or times each --box is tracked."),
    ] = 1,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Everything of the table, with machine and settings.")
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    scale_search: ScaleSearch = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure where the time of a frame goes, and how much of the machine the network uses.

    siamtrack profile --synthetic 640x480 --vs opencv:csrt
    """
    from siamtrack.boxes import parse_box
    from siamtrack.cli import console

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
            settings={"scale_search": scale_search} if scale_search else {},
            report=report,
        )
    if quiet:
        return
    out = console.output()
    out.print(_headline(result))
    for table in (_stages(result), _speeds(result), _limits(result)):
        out.print()
        console.show_table(table)
    if json is not None:
        out.print(f"\nwrote {json}")


def _headline(report: ProfileReport) -> str:
    source, machine = report.source, report.machine
    clip = "rendered clip" if report.synthetic else source.name
    targets = "1 target" if len(report.boxes) == 1 else f"{len(report.boxes)} targets"
    frames = report.trackers[0].frames
    rounds = "1 round" if report.rounds == 1 else f"{report.rounds} rounds"
    chip = machine["gpu"] if report.device.startswith("cuda") else machine["cpu"]
    threads = "1 thread" if machine["threads"] == 1 else f"{machine['threads']} threads"
    return (
        f"{clip}, {source.width}x{source.height}, {targets}, {frames} frames in {rounds}\n"
        f"{chip}, {threads} on {machine['cores']} cores"
    )


def _short(name: str) -> str:
    """The name of a tracker without folders: `opencv:nano` of `opencv:nano=DIR`, a file's or folder's own name."""
    return Path(name.partition("=")[0]).name


def _stages(report: ProfileReport) -> Table:
    table = figure_table("ms a frame", "median", "p95", "share")
    for tracker in report.trackers:
        table.add_row(_short(tracker.name))
        for stage, times in (tracker.stages | {"frame": tracker.frame}).items():
            table.add_row(f"  {stage}", f"{1000 * times.median:.2f}", f"{1000 * times.p95:.2f}", f"{times.share:.1%}")
    return table


def _speeds(report: ProfileReport) -> Table:
    """The trackers alone, without decoding, drawing and encoding."""
    peers = [tracker.name for tracker in report.trackers if tracker.model is None]
    table = figure_table("fps of the tracker", "median", "mean", *(f"x {_short(peer)}" for peer in peers))
    for tracker in report.trackers:
        ratios = (f"{tracker.ratios[peer]:.2f}" if peer in tracker.ratios else "" for peer in peers)
        table.add_row(_short(tracker.name), f"{tracker.median_fps:.1f}", f"{tracker.mean_fps:.1f}", *ratios)
    return table


def _limits(report: ProfileReport) -> Table:
    """The networks beside a large matrix product."""
    table = figure_table(
        "limit of the network", "run by", "precision", "GFLOP", "GFLOP/s", "limit ms", "took ms", "reached"
    )
    for tracker in report.trackers:
        limit = tracker.limit
        if limit is not None:
            table.add_row(
                _short(tracker.name),
                limit.runtime,
                limit.precision,
                f"{limit.flops / 1e9:.3f}",
                f"{limit.peak / 1e9:.1f}",
                f"{1000 * limit.seconds:.2f}",
                f"{1000 * limit.measured:.2f}",
                f"{limit.reached:.1%}",
            )
    return table
