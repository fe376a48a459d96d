"""The application: the page, the WebSocket, uploads and downloads."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from siamtrack.errors import SiamTrackError, UsageError
from siamtrack.io.results import write_failure
from siamtrack.live.server.connection import Connection
from siamtrack.live.server.limits import Limits
from siamtrack.live.server.protocol import Problem
from siamtrack.live.server.security import Access, Guard
from siamtrack.live.server.session import Session
from siamtrack.live.server.single_flight import BusyError, SingleFlight
from siamtrack.live.server.uploads import check_upload_size, receive
from siamtrack.live.server.worker import Worker
from siamtrack.runtime.memory import give_back_freed_memory
from siamtrack.tracking.tracker import Tracker

logger = logging.getLogger(__name__)

PAGE = Path(__file__).resolve().parents[1] / "page"
TRY_AGAIN_LATER = 1013
"""Registry of WebSocket close codes, IANA."""


class OverError(UsageError):
    """A session that there is not, or no longer."""


STATUS: dict[type[SiamTrackError], int] = {OverError: 404, BusyError: 409}
"""HTTP status of each error; others are answered with 400."""


class Download(FileResponse):
    """A file that is handed out once.

    Args:
        path: of the file.
        media_type: of its content.
        name: that it gets on the other side.
        held: let go when it is handed out, or the other side has left.
    """

    def __init__(self, path: Path, media_type: str, name: str, held: ExitStack) -> None:
        super().__init__(path, media_type=media_type, filename=name)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        with self._held:
            await super().__call__(scope, receive, send)


@dataclass(eq=False)
class Service:
    """State that all pages of a server share."""

    tracker: Tracker
    access: Access
    limits: Limits = field(default_factory=Limits)
    model: str = ""
    """Name of the tracker's model, to be told."""
    cameras: bool = False
    """Pages may open cameras of the server."""
    cookie_name: str = "siamtrack"


def build_app(service: Service) -> FastAPI:
    """Return the application of a server.

    Its sessions live in a temporary folder, each in one of its own that is removed when the page leaves; the whole
    folder goes when the application ends.
    """
    sessions: dict[str, Session] = {}
    leaving: set[asyncio.Task[None]] = set()
    worker: Worker
    folder: Path

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        nonlocal worker, folder
        threads = ThreadPoolExecutor(4 * service.limits.sessions, "siamtrack-serve")
        asyncio.get_running_loop().set_default_executor(threads)
        with (
            tempfile.TemporaryDirectory(prefix="siamtrack-serve-", ignore_cleanup_errors=True) as name,
            Worker() as worker,
        ):
            folder = Path(name)
            yield
            await asyncio.gather(*leaving, *(session.close() for session in sessions.values()))

    app = FastAPI(title="siamtrack", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, access=service.access, cookie_name=service.cookie_name)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")

    @app.exception_handler(SiamTrackError)
    async def refuse(request: Request, error: SiamTrackError) -> PlainTextResponse:
        return PlainTextResponse(f"{error}\n", STATUS.get(type(error), 400))

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.websocket("/session")
    async def connect(socket: WebSocket) -> None:
        await socket.accept()
        try:
            session = open_session()
        except SiamTrackError as error:
            await socket.send_text(Problem(text=str(error)).model_dump_json())
            await socket.close(TRY_AGAIN_LATER)
            return
        connection = Connection(socket, session, service.limits, model=service.model, cameras=service.cameras)
        try:
            await connection.run()
        finally:
            # A task of its own: this one may have been cancelled, and then waits for nothing any more.
            task = asyncio.create_task(leave(connection, session))
            leaving.add(task)
            task.add_done_callback(leaving.discard)

    def open_session() -> Session:
        if len(sessions) >= service.limits.sessions:
            raise UsageError(
                f"{len(sessions)} pages are open, as many as this server allows: close one, or start the server with "
                "--max-sessions"
            )
        try:
            session = Session(service.tracker, worker, service.limits, Path(tempfile.mkdtemp(dir=folder)) / "files")
        except OSError as error:
            raise write_failure(folder, error) from error
        sessions[session.id] = session
        return session

    async def leave(connection: Connection, session: Session) -> None:
        del sessions[session.id]
        try:
            await connection.close()
            await session.close()
        finally:
            place = session.folder.parent
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
            del connection, session  # what they hold is freed now
            await asyncio.to_thread(give_back_freed_memory)

    @app.post("/sessions/{name}/upload")
    async def upload(name: str, request: Request) -> Response:
        session = find(name)
        announced = request.headers.get("content-length", "")
        if announced.isdecimal():
            check_upload_size(int(announced), service.limits)
        with session.uploading:
            used = await asyncio.to_thread(session.disk_use)
            try:
                path = await receive(request.stream(), session.folder, service.limits, used)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody reads it
            return JSONResponse({"bytes": path.stat().st_size})

    @app.get("/sessions/{name}/boxes.csv")
    async def boxes(name: str) -> Download:
        session = find(name)
        return await download(session.saving_table, session.export_csv, "text/csv", "siamtrack-boxes.csv")

    @app.get("/sessions/{name}/video.mp4")
    async def video(name: str) -> Download:
        session = find(name)
        return await download(session.saving_video, session.export_video, "video/mp4", "siamtrack-tracked.mp4")

    def find(name: str) -> Session:
        session = sessions.get(name)
        if session is None:
            raise OverError("this session is over: reload the page")
        return session

    async def download(
        turn: SingleFlight, export: Callable[[], Awaitable[Path]], media_type: str, name: str
    ) -> Download:
        with ExitStack() as held:
            held.enter_context(turn)
            path = await export()
            held.callback(path.unlink, missing_ok=True)
            return Download(path, media_type, name, held.pop_all())

    return app
