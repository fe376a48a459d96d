"""The installed command on real clips, which tools/test.sh puts into data/demo."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "data" / "demo"
COMMAND = Path(sys.executable).with_name("siamtrack")

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def demo() -> Path:
    """The folder of the clips; they must be there in CI."""
    if not (DEMO / "bikes.mp4").is_file() or not (DEMO / "carphone_pristine.mp4").is_file():
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain("data/demo has no clips: run tools/test.sh or tools/demo.sh once")
    return DEMO


@pytest.fixture
def siamtrack(tmp_path: Path) -> Command:
    """The command as a shell would start it, in an empty folder and without a display."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        hidden = ("DISPLAY", "WAYLAND_DISPLAY", "PYTHONPATH")
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name not in hidden},
        )

    return call
