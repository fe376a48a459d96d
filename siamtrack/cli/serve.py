"""`siamtrack serve`: tracking in the browser."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Annotated

import typer

from siamtrack.cli.options import Debug, Device, Model, Precision, Quiet, Runtime, Threads
from siamtrack.models.registry import DEFAULT_MODEL

ACCESS, LIMITS = "Access", "Limits"
"""Headings of the help."""

REQUIRED = ("fastapi", "uvicorn", "websockets")
"""Packages of the extra `serve`."""


def serve(
    *,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8765,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="NAME",
            help="Address to listen on. Default: this machine only; any other address needs --token.",
            rich_help_panel=ACCESS,
        ),
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TEXT",
            envvar="SIAMTRACK_TOKEN",
            help="Secret that a browser must give; it is part of the printed address.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    allow_cameras: Annotated[
        bool,
        typer.Option(
            "--allow-cameras",
            help="Let pages open the cameras of this machine, and addresses in its network.",
            rich_help_panel=ACCESS,
        ),
    ] = False,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "auto",
    runtime: Runtime = "auto",
    max_sessions: Annotated[
        int, typer.Option("--max-sessions", metavar="N", help="Maximum number of open pages.", rich_help_panel=LIMITS)
    ] = 8,
    max_targets: Annotated[
        int,
        typer.Option("--max-targets", metavar="N", help="Maximum number of targets of a page.", rich_help_panel=LIMITS),
    ] = 16,
    max_upload: Annotated[
        float,
        typer.Option("--max-upload", metavar="MB", help="Maximum size of an uploaded video.", rich_help_panel=LIMITS),
    ] = 500.0,
    max_minutes: Annotated[
        float,
        typer.Option(
            "--max-minutes",
            metavar="N",
            help="Maximum minutes of one source to track and record.",
            rich_help_panel=LIMITS,
        ),
    ] = 10.0,
    max_side: Annotated[
        int, typer.Option("--max-side", metavar="N", help="Maximum side of a frame in pixels.", rich_help_panel=LIMITS)
    ] = 1920,
    max_message: Annotated[
        float,
        typer.Option(
            "--max-message", metavar="MB", help="Maximum size of one frame from the browser.", rich_help_panel=LIMITS
        ),
    ] = 4.0,
    max_disk: Annotated[
        float,
        typer.Option(
            "--max-disk",
            metavar="MB",
            help="Maximum size of the files of a page; a recording counts twice.",
            rich_help_panel=LIMITS,
        ),
    ] = 2000.0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Track objects in the browser: in its webcam, a video, or a camera of this machine.

    siamtrack serve, and open http://127.0.0.1:8765/
    """
    from siamtrack.cli import console
    from siamtrack.errors import UsageError

    console.configure_logging(quiet=quiet, debug=debug)
    missing = [name for name in REQUIRED if find_spec(name) is None]
    if missing:
        raise UsageError(f"serve needs {', '.join(missing)}: pip install 'siamtrack[serve]'")
    # The browser and the encoders need the cores that waiting threads would spin on. PyTorch reads it when it loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from siamtrack.live.server import serve as workflow
    from siamtrack.live.server.limits import Limits

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
        limits=Limits(max_sessions, max_targets, max_upload, max_minutes, max_side, max_message, max_disk),
    )

    def ready(address: str) -> None:
        out = console.output()
        out.print(f"open {address} (Ctrl-C stops)")
        out.file.flush()

    workflow.serve(job, ready)
