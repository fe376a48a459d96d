"""Commands by name. Neither this module nor the commands import torch, numba, cv2 or pydantic before a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from siamtrack.cli import (
    benchmark,
    compare,
    data,
    explain,
    export,
    info,
    label,
    match,
    oneshot,
    profile,
    report,
    serve,
    track,
    train,
    tune,
    warmup,
    webcam,
)

app = typer.Typer(
    name="siamtrack",
    help="Track objects in videos: give a video and a box, and siamtrack follows the object.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import siamtrack

        typer.echo(f"siamtrack {siamtrack.__version__}")
        raise typer.Exit


@app.callback()
def _siamtrack(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


app.command("track")(track.track)
app.command("webcam")(webcam.webcam)
app.command("serve")(serve.serve)
app.command("explain")(explain.explain)
app.command("profile")(profile.profile)
app.command("export")(export.export)
app.command("benchmark")(benchmark.benchmark)
app.command("report")(report.report)
app.command("label")(label.label)
app.command("compare")(compare.compare)
app.command("match")(match.match)
app.command("oneshot")(oneshot.oneshot)
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.add_typer(data.app, name="data")
app.command("warmup")(warmup.warmup)
app.command("models")(info.models)
app.command("info")(info.info)
