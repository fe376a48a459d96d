"""`siamtrack tune`: search for tracking settings on one's own sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import Debug, Model, Quiet, Threads
from siamtrack.models.registry import DEFAULT_MODEL


def tune(
    model: Model = DEFAULT_MODEL,
    *,
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Sequences with boxes, as of train.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The same weights with the settings that were found.")
    ] = Path("tuned.safetensors"),
    trials: Annotated[int, typer.Option(metavar="N", min=1, help="How many settings to try.")] = 50,
    minutes: Annotated[float | None, typer.Option(metavar="N", help="Stop after so long.")] = None,
    frames: Annotated[
        int, typer.Option(metavar="N", min=0, help="About how many frames to track in a trial; 0 for all.")
    ] = 2000,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the sampler.")] = 0,
    threads: Threads = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Search for tracking settings on sequences with boxes: half of them are searched, the other half judges.

    siamtrack tune --model siamtrack-box --data data --output tuned.safetensors
    """
    from siamtrack.cli import console

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.training.tuning import TuningJob, read_setting, run_tuning

    job = TuningJob(model, data, output.expanduser(), trials, minutes, frames, seed, threads)
    with console.progress("tuning", keep=True) as report:
        summary = run_tuning(job, report)
    if quiet:
        return
    out = console.output()
    out.print(f"{summary.trials} trials")
    for what, count, (before, after) in zip(
        ("searched", "judged"), summary.tracks, (summary.searched, summary.judged), strict=True
    ):
        out.print(f"average overlap on {count} tracks {what}: {before:.3f} -> {after:.3f}")
    for name in summary.names:
        out.print(f"{name} = {read_setting(summary.settings, name):.4g}")
    out.print(f"wrote {job.output}")
