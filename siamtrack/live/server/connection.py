"""The WebSocket of one page: messages in, answers out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Literal, NamedTuple, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

import siamtrack
from siamtrack.errors import SiamTrackError, UsageError
from siamtrack.io.frames import Frame
from siamtrack.io.video.annotated import ElapsedClock
from siamtrack.live.server import protocol
from siamtrack.live.server.feeds import Feed, UploadFeed, open_camera
from siamtrack.live.server.jpeg import decode_jpeg
from siamtrack.live.server.limits import LimitError, Limits
from siamtrack.live.server.player import Player
from siamtrack.live.server.protocol import (
    IN_FLIGHT,
    MAX_PROBLEMS,
    Allowed,
    Boxes,
    Changed,
    Command,
    Ended,
    Hello,
    Message,
    Opened,
    Problem,
    as_seen,
)
from siamtrack.live.server.session import Session
from siamtrack.live.server.uploads import NAME

logger = logging.getLogger(__name__)

Data = TypeVar("Data", str, bytes)

POLICY_VIOLATION = 1008
"""RFC 6455, section 7.4.1."""


class _Arrived(NamedTuple):
    """A frame that waits for its boxes."""

    frame: Frame
    since: float
    """`time.perf_counter()` at its arrival."""


class Connection:
    """Speaks `protocol` with one page until it leaves.

    Args:
        socket: accepted.
        session: of the page.
        limits: what it may ask for.
        model: the model's name, to be told.
        cameras: whether the page may open cameras of the server.
    """

    def __init__(self, socket: WebSocket, session: Session, limits: Limits, *, model: str, cameras: bool) -> None:
        self._socket = socket
        self._session = session
        self._limits = limits
        self._model = model
        self._cameras = cameras
        self._sending = asyncio.Lock()
        self._player: Player | None = None
        self._last: Frame | None = None
        self._takes_frames = False
        self._arrived: asyncio.Queue[_Arrived] = asyncio.Queue()
        self._in_flight = 0
        self._problems = 0
        self._answering: asyncio.Task[None] | None = None
        self._left = False

    async def run(self) -> None:
        """Serve the page; returns when it has left, or was shown out."""
        await self.send(self._hello())
        self._answering = asyncio.create_task(self._answer_frames())
        try:
            while self._problems < MAX_PROBLEMS:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self._take(message.get("text"), message.get("bytes"))
            with suppress(WebSocketDisconnect):
                await self._socket.close(POLICY_VIOLATION, "too many messages that make no sense")
        finally:
            self._left = True

    async def close(self) -> None:
        """End what goes on for the page; when this is done, nothing uses its session any more."""
        # Not kept: how it was cancelled refers to this connection, and both would stay until Python looks for cycles.
        answering, self._answering = self._answering, None
        if answering is not None:
            answering.cancel()
            await asyncio.wait([answering])
            if not answering.cancelled() and (error := answering.exception()) is not None:
                logger.error("a page was no longer answered", exc_info=error)
        await self._stop_player()

    async def send(self, message: Message) -> None:
        """Send a text message; one to a page that has left is lost."""
        await self._send(self._socket.send_text, message.model_dump_json())

    async def send_picture(self, boxes: Boxes, jpeg: bytes) -> None:
        """Send a frame with its boxes; one to a page that has left is lost."""
        await self._send(self._socket.send_bytes, protocol.pack_picture(boxes, jpeg))

    async def _send(self, send: Callable[[Data], Awaitable[None]], data: Data) -> None:
        async with self._sending:
            if not self._left and self._socket.application_state is WebSocketState.CONNECTED:
                with suppress(WebSocketDisconnect):
                    await send(data)

    def _hello(self) -> Hello:
        limits = self._limits
        return Hello(
            session=self._session.id,
            version=siamtrack.__version__,
            model=self._model,
            cameras=self._cameras,
            allowed=Allowed(
                targets=limits.targets, upload=limits.upload_bytes, side=limits.side, seconds=limits.seconds
            ),
        )

    async def _take(self, text: str | None, data: bytes | None) -> None:
        before = self._problems
        try:
            if data is None:
                await self._obey(protocol.read_command(text or ""))
            else:
                await self._take_frame(data)
        except SiamTrackError as error:
            await self._complain(error)
        if self._problems == before:
            self._problems = 0

    async def _complain(self, error: SiamTrackError, frame: int | None = None) -> None:
        self._problems += 1
        await self.send(Problem(text=" ".join(str(error).split()), frame=frame))

    async def _obey(self, command: Command) -> None:
        match command:
            case protocol.Webcam():
                await self._open_webcam()
            case protocol.Upload():
                with self._session.uploading:  # what is played is what was checked
                    await self._open("upload", partial(UploadFeed, self._session.folder / NAME, self._limits))
            case protocol.Camera(address=address):
                if not self._cameras:
                    raise UsageError("this server opens no cameras: start it with --allow-cameras")
                await self._open("camera", partial(open_camera, address))
            case protocol.Add(frame=frame, box=box):
                target, rows = await self._session.add(frame, box)
                await self.send(Changed(frame=frame, targets=as_seen(rows), target=target))
            case protocol.Restart(target=target, frame=frame, box=box):
                rows = await self._session.restart(target, frame, box)
                await self.send(Changed(frame=frame, targets=as_seen(rows), target=target))
            case protocol.Drop(target=target):
                frame, rows = await self._session.drop(target)
                await self.send(Changed(frame=frame, targets=as_seen(rows)))
            case protocol.Pause(paused=paused) if self._player is not None:
                self._player.pause(paused)
            case protocol.Shown(frame=frame) if self._player is not None:
                self._player.shown(frame)

    async def _open_webcam(self) -> None:
        await self._end_source()
        await self._session.begin(ElapsedClock())
        self._last, self._takes_frames = None, True
        await self.send(Opened(kind="webcam", name="webcam"))

    async def _open(self, kind: Literal["upload", "camera"], open_feed: Callable[[], Feed]) -> None:
        await self._end_source()
        feed = await asyncio.to_thread(open_feed)
        paused = feed.paced  # there is time to draw boxes on its first frame
        try:
            await self._session.begin(feed.clock())
        except SiamTrackError:
            await asyncio.to_thread(feed.close)
            raise
        await self.send(Opened(kind=kind, name=feed.name, frames=feed.frames, paused=paused))
        self._player = Player(feed, self._session, self, paused=paused)

    async def _end_source(self) -> None:
        self._takes_frames = False
        await self._stop_player()
        await self._arrived.join()

    async def _stop_player(self) -> None:
        player, self._player = self._player, None
        if player is not None:
            await player.stop()

    async def _take_frame(self, data: bytes) -> None:
        since = time.perf_counter()
        sent = protocol.read_frame(data)
        try:
            self._check_turn(sent)
            image = await asyncio.to_thread(decode_jpeg, sent.jpeg, self._limits)
        except SiamTrackError as error:
            await self._complain(error, sent.number)
            return
        frame = Frame(sent.number, sent.time, image)
        self._last = Frame(sent.number, sent.time, None)
        self._in_flight += 1
        self._arrived.put_nowait(_Arrived(frame, since))

    def _check_turn(self, sent: protocol.SentFrame) -> None:
        """Check that a frame may come now.

        Raises:
            UsageError: when it may not.
        """
        if not self._takes_frames:
            raise UsageError(f"frame {sent.number} has no source: open the webcam first")
        if self._in_flight >= IN_FLIGHT:
            raise UsageError(f"frame {sent.number} is refused: {IN_FLIGHT} wait for their boxes already")
        if len(sent.jpeg) > self._limits.message_bytes:
            raise UsageError(
                f"frame {sent.number} has {len(sent.jpeg) / 1e6:.1f} MB: send {self._limits.message:g} MB at most"
            )
        if self._last is not None and (sent.number <= self._last.index or sent.time < self._last.time):
            raise UsageError(f"frame {sent.number} is not after frame {self._last.index}: numbers and times must grow")

    async def _answer_frames(self) -> None:
        while True:
            frame, since = await self._arrived.get()
            try:
                await self._answer(frame, since)
            except LimitError as error:
                self._takes_frames = False
                await self.send(Ended(why=str(error)))
            except SiamTrackError as error:
                await self._complain(error, frame.index)
            except Exception as error:  # the last resort: the page is told, and all others go on
                logger.exception("a frame got no boxes")
                await self._complain(SiamTrackError(f"the server has a fault: {error!r}"), frame.index)
            finally:
                self._arrived.task_done()

    async def _answer(self, frame: Frame, since: float) -> None:
        try:
            rows = await self._session.see(frame)
        finally:
            self._in_flight -= 1
        milliseconds = (time.perf_counter() - since) * 1000
        await self.send(Boxes(frame=frame.index, time=frame.time, milliseconds=milliseconds, targets=as_seen(rows)))
