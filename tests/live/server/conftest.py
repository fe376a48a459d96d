"""A server without a network: its tracker believes that nothing moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_clients import Page, StillTracker, service
from starlette.testclient import TestClient

from siamtrack.live.server.app import build_app
from siamtrack.live.server.limits import Limits


@pytest.fixture
def tracker() -> StillTracker:
    return StillTracker()


@pytest.fixture
def limits() -> Limits:
    return Limits(sessions=2, targets=2, upload=0.5, minutes=1, side=640, message=0.2)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the server puts its temporary folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def client(tracker: StillTracker, limits: Limits, temporary: Path) -> Iterator[TestClient]:
    with TestClient(build_app(service(tracker, limits)), base_url="http://127.0.0.1:8765") as made:
        made.headers["origin"] = "http://127.0.0.1:8765"
        yield made


@pytest.fixture
def page(client: TestClient) -> Iterator[Page]:
    """A page that is connected."""
    with Page.open(client) as made:
        yield made
