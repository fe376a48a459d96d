"""`siamtrack tune`: search for tracking settings on own sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import Debug, Model, Quiet, Threads, TrainingFolder
from siamtrack.models.registry import DEFAULT_MODEL


def tune(
    model: Model = DEFAULT_MODEL,
    *,
    data: TrainingFolder,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Weights file with the settings that were found.")
    ] = Path("tuned.safetensors"),
    trials: Annotated[int, typer.Option(metavar="N", min=1, help="Number of settings to try.")] = 50,
    minutes: Annotated[float | None, typer.Option(metavar="N", help="Stop after N minutes.")] = None,
    frames: Annotated[
        int, typer.Option(metavar="N", min=0, help="Approximate number of frames to track in a trial; 0 for all.")
    ] = 2000,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the sampler.")] = 0,
    threads: Threads = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Search for tracking settings on half of the sequences, and measure them on the other half.

    siamtrack tune --model siamtrack-box --data data --output tuned.safetensors
    """
    from siamtrack.cli import console

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.training.tuning import TuningJob, read_setting, run_tuning

    job = TuningJob(model, data, output.expanduser(), trials, minutes, frames, seed, threads)
    with console.progress("tuning", keep=True) as report:
        summary = run_tuning(job, report)
    console.show_result(f"{summary.trials} trials")
    parts = zip(("searched", "judged"), summary.tracks, (summary.searched, summary.judged), strict=True)
    for part, count, (before, after) in parts:
        console.show_result(f"average overlap on {count} tracks {part}: {before:.3f} -> {after:.3f}")
    for name in summary.names:
        console.show_result(f"{name} = {read_setting(summary.settings, name):.4g}")
    console.show_result(f"wrote {job.output}")
