from __future__ import annotations

import pytest


@pytest.fixture
def only_when_asked(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--benchmark-enable"):
        pytest.skip("a benchmark: run it with --benchmark-enable")
