"""Who is let in."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving_clients import Page, StillTracker, connect, service
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from siamtrack.errors import UsageError
from siamtrack.live.server.app import build_app
from siamtrack.live.server.limits import Limits
from siamtrack.live.server.security import Access, is_loopback

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    assert Access(host).allows_cookie(None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "localhost.example.org", ""])
def test_any_other_address_needs_one(host: str) -> None:
    with pytest.raises(UsageError, match="give a token"):
        Access(host)
    assert Access(host, TOKEN).allows_token(TOKEN)


@pytest.mark.parametrize("token", ["", "short", "äöüäöüäöüäöüäöü"])
def test_a_token_that_can_be_guessed_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="12 or more plain characters"):
        Access("0.0.0.0", token)


def test_the_cookie_says_nothing_about_the_token_and_outlives_a_restart() -> None:
    access = Access("0.0.0.0", TOKEN)
    assert access.cookie is not None
    assert TOKEN not in access.cookie
    assert Access("0.0.0.0", TOKEN).allows_cookie(access.cookie)
    assert not access.allows_cookie(TOKEN)
    assert not access.allows_cookie("é")
    assert not access.allows_cookie(None)
    assert not Access("0.0.0.0", TOKEN + "x").allows_cookie(access.cookie)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8765", True),
        ("localhost:9000", True),  # the far end of ssh -L 9000:localhost:8765
        ("[::1]:8765", True),
        ("evil.example:8765", False),  # a name that was made to lead here
        ("localhost.evil.example", False),
        ("", False),
        ("[", False),
    ],
)
def test_names_that_lead_here_are_told_from_ours(host: str, allowed: bool) -> None:
    assert Access("127.0.0.1").allows_host(host) is allowed


def test_where_others_reach_the_server_the_token_guards_it_under_any_name() -> None:
    assert Access("0.0.0.0", TOKEN).allows_host("board.local:8765")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8765", True),
        ("https://127.0.0.1:8765", True),  # behind something that speaks TLS
        ("http://127.0.0.1:8766", False),
        ("http://evil.example", False),
        ("null", False),  # a file, or a frame in a sandbox
        ("file://127.0.0.1:8765", False),
        (None, False),
    ],
)
def test_only_the_page_itself_may_ask(origin: str | None, allowed: bool) -> None:
    assert Access("127.0.0.1").allows_origin(origin, "127.0.0.1:8765") is allowed


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "http" not in answer.text.replace("http://…", "")  # the hint in the field for an address
    for name, kind in (("main.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml")):
        part = client.get(f"/page/{name}")
        assert part.headers["content-type"].startswith(kind)
        assert "content-security-policy" in part.headers


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/page/../server/app.py", "/page/%2e%2e/__init__.py"])
def test_there_is_nothing_else(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("origin", ["http://evil.example", "null", None])
def test_other_pages_are_refused(client: TestClient, origin: str | None) -> None:
    del client.headers["origin"]
    headers = {} if origin is None else {"origin": origin}
    with (
        pytest.raises(WebSocketDisconnect) as caught,
        connect(client, headers=headers),
    ):
        pass
    assert caught.value.code == 1008
    answer = client.post("/sessions/x/upload", content=b"x", headers=headers)
    assert answer.status_code == 403
    assert answer.text.count("\n") == 1


def test_a_foreign_name_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421


class TestWithAToken:
    @pytest.fixture
    def client(self, temporary: Path, tracker: StillTracker, limits: Limits) -> TestClient:
        app = build_app(service(tracker, limits, TOKEN, "0.0.0.0"))
        client = TestClient(app, base_url="http://board:8765")
        client.headers["origin"] = "http://board:8765"
        return client

    def test_nothing_is_given_without_it(self, client: TestClient) -> None:
        for path in ("/", "/page/main.js", "/?token=wrong-token-wrong", "/?token="):
            answer = client.get(path)
            assert answer.status_code == 401, path
            assert "token" in answer.text
            assert "set-cookie" not in answer.headers
        assert client.post("/sessions/x/upload").status_code == 401
        with pytest.raises(WebSocketDisconnect), connect(client):
            pass
        # A page elsewhere may send the token's address, but never as this page.
        assert client.post(f"/sessions/x/upload?token={TOKEN}", headers={"origin": "http://evil"}).status_code == 403
        with pytest.raises(WebSocketDisconnect), connect(client, f"/session?token={TOKEN}"):
            pass

    def test_it_is_shown_once(self, client: TestClient) -> None:
        with client:
            answer = client.get(f"/?token={TOKEN}", follow_redirects=False)
            assert answer.status_code == 303
            cookie = answer.headers["set-cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Lax" in cookie
            assert TOKEN not in cookie
            page = client.get(f"/?token={TOKEN}")
            assert (page.status_code, str(page.url)) == (200, "http://board:8765/")
            assert client.get("/page/main.js").status_code == 200
            with Page.open(client) as page:
                assert page.hello["type"] == "hello"
