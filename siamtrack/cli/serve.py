"""`siamtrack serve`: follow objects in the browser."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Annotated

import typer

from siamtrack.cli.options import Debug, Device, Model, Precision, Quiet, Runtime, Threads
from siamtrack.models.registry import DEFAULT_MODEL

Access = "Access"
Limits = "Limits"

NEEDED = ("fastapi", "uvicorn", "websockets")


def serve(
    *,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 takes any that is free.")
    ] = 8765,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="NAME",
            help="Where to listen: this machine only, unless it is another address, which needs --token.",
            rich_help_panel=Access,
        ),
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TEXT",
            envvar="SIAMTRACK_TOKEN",
            help="What a browser has to know: it is part of the address that is printed.",
            rich_help_panel=Access,
        ),
    ] = None,
    allow_cameras: Annotated[
        bool,
        typer.Option(
            "--allow-cameras",
            help="Let pages open cameras of this machine, and addresses that it reaches.",
            rich_help_panel=Access,
        ),
    ] = False,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    max_sessions: Annotated[
        int, typer.Option("--max-sessions", metavar="N", help="Pages at once.", rich_help_panel=Limits)
    ] = 8,
    max_targets: Annotated[
        int, typer.Option("--max-targets", metavar="N", help="Targets of a page at once.", rich_help_panel=Limits)
    ] = 16,
    max_upload: Annotated[
        float, typer.Option("--max-upload", metavar="MB", help="Size of an uploaded video.", rich_help_panel=Limits)
    ] = 500.0,
    max_minutes: Annotated[
        float,
        typer.Option(
            "--max-minutes", metavar="N", help="What is followed and recorded of one source.", rich_help_panel=Limits
        ),
    ] = 10.0,
    max_side: Annotated[
        int, typer.Option("--max-side", metavar="N", help="Longer side of a frame, in pixels.", rich_help_panel=Limits)
    ] = 1920,
    max_message: Annotated[
        float, typer.Option("--max-message", metavar="MB", help="Size of one frame sent.", rich_help_panel=Limits)
    ] = 4.0,
    max_disk: Annotated[
        float,
        typer.Option(
            "--max-disk", metavar="MB", help="Files of a page; what is recorded counts twice.", rich_help_panel=Limits
        ),
    ] = 2000.0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Follow objects in the browser: its webcam, a video, or a camera of this machine.

    siamtrack serve, and open http://127.0.0.1:8765/
    """
    from siamtrack.cli import console
    from siamtrack.errors import UsageError

    console.configure_logging(quiet=quiet, debug=debug)
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"serve needs {', '.join(missing)}: pip install 'siamtrack[serve]'")
    # The browser and the encoders need the cores that waiting threads would spin on (see runner); read with PyTorch.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from siamtrack.live.server import serve as workflow
    from siamtrack.live.server.limits import Limits as Values

    job = workflow.ServeJob(
        host=host,
        port=port,
        token=token,
        model=model,
        device=device,
        threads=threads,
        precision=precision,
        runtime=runtime,
        cameras=allow_cameras,
        limits=Values(max_sessions, max_targets, max_upload, max_minutes, max_side, max_message, max_disk),
    )

    def ready(address: str) -> None:
        out = console.output()
        out.print(f"open {address} (Ctrl-C stops)")
        out.file.flush()

    workflow.serve(job, ready)
