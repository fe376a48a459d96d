"""A server of MJPEG on this machine alone, whose every connection does what a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import cv2
from rendering import numbered

PATIENCE = 20.0
"""Seconds until something that should have happened is given up."""


class Client:
    """What a script may do to the client of one connection; when the script returns, the connection ends."""

    def __init__(self, handler: BaseHTTPRequestHandler, closing: threading.Event) -> None:
        self._handler, self._closing = handler, closing

    def refuse(self, code: int) -> None:
        self._handler.send_response(code)
        self._handler.end_headers()

    def answer(self, content_type: str, content: bytes) -> None:
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", content_type)
        self._handler.send_header("Content-Length", str(len(content)))
        self._handler.end_headers()
        self._handler.wfile.write(content)

    def begin(self) -> None:
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self._handler.end_headers()

    def send(self, indices: Iterable[int]) -> None:
        """Send pictures that say which they are."""
        for index in indices:
            picture = cv2.imencode(".jpg", numbered(index), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            self._handler.wfile.write(head.encode() + picture + b"\r\n")

    def stall(self) -> None:
        """Send nothing until the server is closed."""
        self._closing.wait(PATIENCE)


Script = Callable[[Client], None]


class Server:
    """Answers one connection after the other with the next script, and those after the last as the last."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        closing = self._closing = threading.Event()
        self.connections = 0
        serving = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                script = scripts[min(serving.connections, len(scripts) - 1)]
                serving.connections += 1
                with suppress(OSError):  # the client has gone
                    script(Client(self, closing))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.port = self._server.server_address[1]

    def address(self, path: str = "video.mjpg", user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.port}/{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)
