"""What a measurement was made on: figures without their machine mean little."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any


def describe_machine() -> dict[str, Any]:
    """CPU, cores that this process may use, versions and threads of the network, as plain values for JSON."""
    import cv2  # noqa: PLC0415  # asked for once a run; importing this module stays free
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    return {
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def cpu_name() -> str:
    """The processor's name as its maker gives it, where the system says."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def usable_cores() -> int:
    """CPU cores that this process may run on, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def source_commit() -> str:
    """Commit of the source tree that this runs from, `+` when it has changes; else the version of the package."""
    package = Path(__file__).resolve().parent
    if not (package.parent / ".git").exists():  # installed somewhere, perhaps inside another project's repository
        return f"siamtrack {version('siamtrack')}"
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=package,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip() or "unknown"
