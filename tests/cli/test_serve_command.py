"""`siamtrack serve`: what it refuses, and that it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from command_clips import Run


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--host", "0.0.0.0"], "--token"),
        (["--host", "192.168.0.7"], "--token"),
        (["--token", "short"], "12 or more"),
        (["--max-sessions", "0"], "--max-sessions 0 makes no sense"),
        (["--max-minutes", "nan"], "--max-minutes nan makes no sense"),
        (["--max-side", "-1"], "--max-side -1 makes no sense"),
        (["--port", "70000"], "--port"),
        (["--model", "no-such-model", "--port", "0"], "no-such-model"),
    ],
)
def test_what_cannot_be_is_one_line(run: Run, arguments: list[str], word: str) -> None:
    outcome = run("serve", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert word in outcome.err


def test_a_port_that_is_taken(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = run("serve", "--port", port)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert f"port {port}" in outcome.err
    assert "--port" in outcome.err


def test_without_its_libraries_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from siamtrack.cli import serve

    monkeypatch.setattr(serve, "REQUIRED", ("fastapi", "no_such_library"))
    outcome = run("serve")
    assert outcome.err == "siamtrack: error: serve needs no_such_library: pip install 'siamtrack[serve]'\n"
    assert outcome.code == 2


@pytest.mark.parametrize("stop", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_it_serves_the_page_until_it_is_stopped_and_leaves_nothing(
    weights: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    command = [sys.executable, "-m", "siamtrack", "serve", "--port", "0", "--model", str(weights), "--threads", "1"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(r"open (http://127\.0\.0\.1:\d+/) \(Ctrl-C stops\)\n", line)
            assert found, line
            with urllib.request.urlopen(found[1], timeout=10) as answer:
                assert "<title>siamtrack live</title>" in answer.read().decode()
            assert [path.name for path in tmp_path.iterdir() if path.name.startswith("siamtrack-serve-")]
        finally:
            process.send_signal(stop)
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert not errors.replace("siamtrack: compiling for this processor, which takes some seconds once\n", "")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("siamtrack-serve-")]
