"""A page that leaves in the middle of something."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from serving_clients import StillTracker, jpeg, packed
from starlette.websockets import WebSocket, WebSocketState

from siamtrack.live.server.connection import Connection
from siamtrack.live.server.limits import Limits
from siamtrack.live.server.session import Session
from siamtrack.live.server.worker import Worker
from siamtrack.tracking.tracker import Tracker


class Leaving:
    """The socket of a page that says a few things and is gone; what is sent to it afterwards is a fault."""

    application_state = WebSocketState.CONNECTED

    def __init__(self, *said: dict[str, Any]) -> None:
        self._said = list(said)
        self._gone = False

    async def receive(self) -> dict[str, Any]:
        if self._said:
            return self._said.pop(0)
        self._gone = True
        return {"type": "websocket.disconnect"}

    async def send_text(self, text: str) -> None:
        if self._gone:
            raise RuntimeError("sent to a page that has left")


def test_nothing_goes_on_after_a_page_has_left(tmp_path: Path) -> None:
    async def leave() -> set[asyncio.Task[Any]]:
        with Worker() as worker:
            limits = Limits()
            session = Session(cast(Tracker, StillTracker(0.1)), worker, limits, tmp_path / "session")
            frames = [{"type": "websocket.receive", "bytes": packed(number, number / 20, jpeg())} for number in (0, 1)]
            socket = Leaving({"type": "websocket.receive", "text": '{"type": "webcam"}'}, *frames)
            connection = Connection(cast(WebSocket, socket), session, limits, model="still", cameras=False)
            await connection.run()
            await connection.close()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            await session.close()
            return left

    assert asyncio.run(leave()) == set()
