"""Who may talk to the server: the Host and Origin of a request, the token, and what a page may do."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from siamtrack.errors import UsageError

MIN_TOKEN = 12
"""Characters of a token: fewer can be guessed."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every answer: the page loads nothing from elsewhere, and nobody else shows or reads it."""

_READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Access:
    """Who is let in.

    Args:
        host: what the server binds.
        token: what has to be shown; None lets everybody in who reaches the server.

    Raises:
        UsageError: for a host that others reach without a token, or a token that can be guessed.
    """

    host: str
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                f"--host {self.host} lets others in: give a token too, for example --token {secrets.token_urlsafe(16)}"
            )
        if self.token is not None and (len(self.token) < MIN_TOKEN or not self.token.isascii()):
            raise UsageError(
                f"--token needs {MIN_TOKEN} or more plain characters, for example --token {secrets.token_urlsafe(16)}"
            )

    @property
    def cookie(self) -> str | None:
        """Return the cookie that stands for the token. It does not reveal the token and outlives a restart."""
        if self.token is None:
            return None
        return hmac.new(self.token.encode(), b"siamtrack serve", hashlib.sha256).hexdigest()

    def allows_host(self, header: str) -> bool:
        """Return whether a request may name this host.

        A page elsewhere can have its own name lead to 127.0.0.1 (DNS rebinding), and would then be of the same origin.
        Where the server is reached from outside its names are not known; there the token keeps such pages out.
        """
        return not is_loopback(self.host) or is_loopback(_host_name(header))

    def allows_origin(self, origin: str | None, host: str) -> bool:
        """Return whether a request comes from the server's own page."""
        if origin is None:
            return False
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    def allows_token(self, token: str | None) -> bool:
        """Return whether this is the token, in a time that does not tell how much of it is right."""
        return self.token is not None and token is not None and _same(token, self.token)

    def allows_cookie(self, value: str | None) -> bool:
        """Return whether this is what `cookie` gave; without a token, nothing is asked for."""
        expected = self.cookie
        return expected is None or (value is not None and _same(value, expected))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """Stands before the application, of HTTP and WebSockets alike: refuses strangers, and adds `HEADERS`.

    Args:
        app: what is guarded.
        access: who is let in.
        cookie_name: of the cookie; browsers share them between the ports of a machine.
    """

    def __init__(self, app: ASGIApp, access: Access, cookie_name: str) -> None:
        self._app = app
        self._access = access
        self._cookie_name = cookie_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on (ASGI)."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        welcome = scope["type"] == "http" and self._access.allows_token(_token(scope))
        refusal = self._refusal(scope, headers, welcome)
        answer: ASGIApp = refusal or self._app
        if welcome and refusal is None and scope["path"] == "/":
            answer = Response(status_code=303, headers={"location": "./"})  # the token stays in no address bar
        if scope["type"] == "websocket":
            if refusal is None:
                await self._app(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": bytes(refusal.body).decode()})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                out.update(HEADERS)
                if welcome and refusal is None:
                    # Not Strict: with that, who follows a link to here from another page would be sent on without it.
                    value = f"{self._cookie_name}={self._access.cookie}; Path=/; HttpOnly; SameSite=Lax"
                    out.append("set-cookie", value)
            await send(message)

        await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers, welcome: bool) -> PlainTextResponse | None:
        host = headers.get("host", "")
        if not self._access.allows_host(host):
            return PlainTextResponse(f"this server is not called '{host}': open it as localhost\n", 421)
        reads = scope["type"] == "http" and scope["method"] in _READING
        if not reads and not self._access.allows_origin(headers.get("origin"), host):
            return PlainTextResponse("this comes from another page: open the server's own\n", 403)
        if not welcome and not self._access.allows_cookie(_cookie(headers, self._cookie_name)):
            return PlainTextResponse("the token is missing or wrong: open the address with ?token=... once\n", 401)
        return None


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode(), b.encode())


def _host_name(header: str) -> str:
    """Return the host of a Host header, without its port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _token(scope: Scope) -> str | None:
    values = parse_qs(scope["query_string"].decode("latin-1")).get("token")
    return values[0] if values else None


def _cookie(headers: Headers, name: str) -> str | None:
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return None
    return cookies[name].value if name in cookies else None
