"""The installed command on real clips, which tools/test.sh puts into data/demo."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("siamtrack")

Command = Callable[..., "subprocess.CompletedProcess[str]"]


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
