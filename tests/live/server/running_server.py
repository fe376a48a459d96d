"""A server on a port of its own, in a thread, and clients that behave like pages."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import uvicorn
from serving_clients import packed
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from siamtrack.live.server.app import Service
from siamtrack.live.server.serve import build_server


@contextmanager
def running(service: Service, port: int = 0) -> Iterator[int]:
    """Serve in a thread; gives the port."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        port = listener.getsockname()[1]
        server: uvicorn.Server = build_server(service)
        thread = Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@dataclass
class WebcamClient:
    """Sends the same frame over and over, two at a time, and follows one target in it."""

    port: int
    frame: bytes
    box: tuple[float, float, float, float]
    answered: int = 0
    failed: list[dict[str, Any]] = field(default_factory=list)

    def run(self, until: float) -> None:
        with self._connect() as line:
            assert self._hear(line)["type"] == "hello"
            line.send(json.dumps({"type": "webcam"}))
            assert self._hear(line)["type"] == "opened"
            self._send(line, 0)
            assert self._hear(line)["type"] == "boxes"
            line.send(json.dumps({"type": "add", "frame": 0, "box": self.box}))
            assert self._hear(line)["type"] == "changed"
            self._send(line, 1)
            number = 2
            while time.monotonic() < until:
                self._send(line, number)
                number += 1
                message = self._hear(line)
                if message["type"] == "boxes":
                    self.answered += 1
                else:
                    self.failed.append(message)

    def _connect(self) -> ClientConnection:
        origin = f"http://127.0.0.1:{self.port}"
        return connect(f"ws://127.0.0.1:{self.port}/session", origin=origin, close_timeout=0.2)

    def _send(self, line: ClientConnection, number: int) -> None:
        line.send(packed(number, number / 20, self.frame))

    def _hear(self, line: ClientConnection) -> dict[str, Any]:
        return dict(json.loads(line.recv(timeout=20)))


@dataclass
class GreedyClient(WebcamClient):
    """Sends without waiting for answers."""

    def run(self, until: float) -> None:
        with suppress(ConnectionClosed, AssertionError, TimeoutError), self._connect() as line:
            self._hear(line)
            line.send(json.dumps({"type": "webcam"}))
            number = 0
            while time.monotonic() < until:
                self._send(line, number)
                number += 1


def run_together(clients: list[WebcamClient], seconds: float) -> None:
    until = time.monotonic() + seconds
    threads = [Thread(target=client.run, args=(until,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 30)
        assert not thread.is_alive()
