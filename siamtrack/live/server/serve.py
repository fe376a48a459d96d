"""Runs the application on a port until it is told to stop."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import uvicorn

from siamtrack.config import Precision, RuntimeName
from siamtrack.errors import SiamTrackError
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.live.server.app import Service, build_app
from siamtrack.live.server.limits import Limits
from siamtrack.live.server.security import Access
from siamtrack.system.signals import StopSignal
from siamtrack.tracking.factory import load
from siamtrack.tracking.tracker import Tracker

GRACE = 3
"""Seconds that pages have to leave when the server stops."""


@dataclass(frozen=True, slots=True)
class ServeJob:
    """Settings of a server."""

    host: str
    port: int
    """0 takes any that is free."""
    token: str | None
    model: str
    device: str
    threads: int | None
    precision: Precision | Literal["auto"]
    runtime: RuntimeName | Literal["auto"]
    cameras: bool
    """Pages may open cameras of the server."""
    limits: Limits = field(default_factory=Limits)


def serve(job: ServeJob, ready: Callable[[str], None]) -> None:
    """Serve pages until Ctrl-C or SIGTERM; all that they left is removed then.

    Args:
        job: what to serve.
        ready: called with the address to open, when it can be opened.

    Raises:
        UsageError: for a host without a token, or a model, device, precision or runtime that there is not.
        SiamTrackError: when the port cannot be taken.
        WeightsError: when the model cannot be loaded.
    """
    access = Access(job.host, job.token)
    with _listen(job.host, job.port) as listener:
        port = listener.getsockname()[1]
        tracker = load(
            job.model,
            device=job.device,
            threads=job.threads,
            precision=job.precision,
            runtime=job.runtime,
            autotune=True,
        )
        _warm_up(tracker)
        service = Service(
            tracker=tracker,
            access=access,
            limits=job.limits,
            model=tracker.card.name if tracker.card else Path(job.model).stem,
            cameras=job.cameras,
            cookie_name=f"siamtrack-{port}",
        )
        server = build_server(service)
        # uvicorn raises the signal that stopped it once more when all is closed: it ends here.
        with StopSignal():
            ready(address(job.host, port, job.token))
            server.run([listener])


def build_server(service: Service) -> uvicorn.Server:
    """Return the server of an application, to be run on a listening socket."""
    config = uvicorn.Config(
        build_app(service),
        log_level=logging.WARNING,
        log_config=None,
        access_log=False,  # it would show the token
        server_header=False,
        # A frame that is somewhat too large gets an answer; of one that is much too large, not even the rest is read.
        ws_max_size=2 * service.limits.message_bytes,
        ws_per_message_deflate=False,  # JPEG does not shrink
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)


def address(host: str, port: int, token: str | None) -> str:
    """Return the address to open in a browser."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    shown = f"[{name}]" if ":" in name else name
    return f"http://{shown}:{port}/" + (f"?token={quote(token, safe='')}" if token else "")


def _warm_up(tracker: Tracker) -> None:
    """Follow something once: what libraries put off until then would keep the first page waiting."""
    (image, boxes), (following, _) = SyntheticClip(320, 240, 2)
    tracker.step(following, [tracker.start(image, boxes[0])])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SiamTrackError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; choose another with --port"
        ) from error
