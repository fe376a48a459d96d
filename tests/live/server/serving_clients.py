"""What talks to the server in tests, and a tracker that stands in for a network."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from starlette.testclient import TestClient, WebSocketTestSession

from siamtrack.boxes import Box, validate_box
from siamtrack.live.server.app import Service
from siamtrack.live.server.limits import Limits
from siamtrack.live.server.security import Access
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.tracker import Tracker

WIDTH, HEIGHT = 64, 48


class StillTracker:
    """Finds every target where it was, with a score of 0.9."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        """That each step takes."""

    def start(self, frame: NDArray[np.uint8], box: tuple[float, float, float, float]) -> Box:
        return validate_box(box, frame.shape[1], frame.shape[0])

    def step(self, frame: NDArray[np.uint8], states: Sequence[Box]) -> list[Any]:
        time.sleep(self.seconds)
        return [SimpleNamespace(box=box, score=0.9, status=Status.TRACKED, state=box) for box in states]


def service(tracker: StillTracker, limits: Limits, token: str | None = None, host: str = "127.0.0.1") -> Service:
    return Service(tracker=cast(Tracker, tracker), access=Access(host, token), limits=limits, model="still")


def picture(width: int = WIDTH, height: int = HEIGHT, shade: int = 90) -> NDArray[np.uint8]:
    image = np.full((height, width, 3), shade, np.uint8)
    image[height // 4 : height // 2, width // 4 : width // 2] = (40, 200, 90)
    return image


def jpeg(image: NDArray[np.uint8] | None = None, *parameters: int) -> bytes:
    return cv2.imencode(".jpg", picture() if image is None else image, parameters)[1].tobytes()


def packed(number: int, seconds: float, data: bytes) -> bytes:
    """A frame as the protocol has it."""
    return struct.pack("<Id", number, seconds) + data


def connect(client: TestClient, path: str = "/session", **options: Any) -> WebSocketTestSession:
    """A WebSocket to the address of the client, which is not that of `TestClient` itself."""
    return client.websocket_connect(f"ws://{client.base_url.netloc.decode()}{path}", **options)


class Held:
    """Stands in for a method that the server calls in a thread, and holds it the first time."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        self._reached, self._free = Event(), Event()

    def __get__(self, owner: object, kind: type) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self._reached.set()
            assert self._free.wait(20)
            return self._method(owner, *arguments) if owner is not None else self._method(*arguments)

        return call

    @contextmanager
    def by(self, request: Callable[[], Any]) -> Iterator[list[Any]]:
        """Send a request that is held inside the block; its answer, afterwards."""
        answers: list[Any] = []
        thread = Thread(target=lambda: answers.append(request()), daemon=True)
        thread.start()
        assert self._reached.wait(20)
        try:
            yield answers
        finally:
            self._free.set()
            thread.join(20)


@dataclass
class Page:
    """The other end of a connection."""

    socket: WebSocketTestSession
    hello: dict[str, Any]

    @classmethod
    @contextmanager
    def open(cls, client: TestClient) -> Iterator[Page]:
        with connect(client) as socket:
            yield cls(socket, socket.receive_json())

    @property
    def address(self) -> str:
        return f"/sessions/{self.hello['session']}"

    def say(self, **command: object) -> None:
        self.socket.send_json(command)

    def ask(self, **command: object) -> dict[str, Any]:
        self.say(**command)
        return self.hear()

    def hear(self) -> dict[str, Any]:
        return dict(self.socket.receive_json())

    def show(self, number: int, seconds: float | None = None, data: bytes | None = None) -> dict[str, Any]:
        """Send a frame; its answer."""
        self.socket.send_bytes(packed(number, number / 20 if seconds is None else seconds, data or jpeg()))
        return self.hear()

    def hear_picture(self) -> tuple[dict[str, Any], NDArray[np.uint8]]:
        """A frame of the server and its boxes; it is answered for."""
        import json

        data = self.socket.receive_bytes()
        (length,) = struct.unpack_from("<I", data)
        boxes = json.loads(data[4 : 4 + length])
        image = cv2.imdecode(np.frombuffer(data[4 + length :], np.uint8), cv2.IMREAD_COLOR)
        self.say(type="shown", frame=boxes["frame"])
        return boxes, image
