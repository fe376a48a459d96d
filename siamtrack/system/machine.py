"""Description of the machine: figures without their machine mean little."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self


def describe_machine(threads: int | None = None) -> dict[str, Any]:
    """Return the CPU, the usable cores, versions and threads, as plain values for JSON.

    Args:
        threads: CPU threads of the network; None: those that PyTorch is set to.
    """
    import cv2  # noqa: PLC0415  # asked for once a run; importing this module stays free
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    return {
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": threads or torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def cpu_name() -> str:
    """Return the processor's name as its maker gives it, where the system says."""
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


def spare_cores() -> None:
    """Have the network's threads sleep while they wait for each other, where nothing else was asked for.

    Encoding and cameras take cores that these threads wait for each other on: those that spin meanwhile keep it from
    ever catching up (250 ms a frame instead of 40 on two busy cores). Alone they are quicker when they spin (70 frames
    a second instead of 46 on two idle ones). The setting is read when PyTorch is loaded.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def waiting_policy() -> str:
    """Return how threads wait for each other, where the environment says so: `ACTIVE`, `PASSIVE` or nothing."""
    return os.environ.get("OMP_WAIT_POLICY", "")


SHORTEST = 0.2
"""Seconds of all cores below which the clock of the system is too coarse to tell who used them."""


class ProcessorUse:
    """Share of the processor that other processes use inside a `with` block; 0 where the system does not say.

    Attributes:
        by_others: share of the cores of the machine, in [0, 1], known after the block.
    """

    def __enter__(self) -> Self:
        self.by_others = 0.0
        self._before = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        busy, total, own = (after - before for after, before in zip(self._read(), self._before, strict=True))
        if total > SHORTEST:
            self.by_others = max(busy - own, 0.0) / total

    @staticmethod
    def _read() -> tuple[float, float, float]:
        """Return the seconds that all cores were busy, that they could have been, and that this process used."""
        try:
            fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
        except OSError:
            return 0.0, 0.0, 0.0
        ticks = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields]
        idle = ticks[3] + ticks[4]
        return sum(ticks) - idle, sum(ticks), time.process_time()


def source_commit() -> str:
    """Commit of the source tree that this runs from, `+` when it has changes; else the version of the package."""
    package = Path(__file__).resolve().parents[1]
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


PEAK_SIZES = {"cpu": (512, 1024, 2048), "cuda": (2048, 4096, 8192)}
"""Sides of the matrices by kind of device: which of them is the fastest depends on caches and threads."""


def measure_peak(
    device: str = "cpu", dtype: str = "float32", sizes: Sequence[int] | None = None, repeats: int = 5
) -> float:
    """Floating point operations a second that this machine reaches here and now: the best of some matrix products.

    It is what a network could reach at most, but for a few percent: some convolutions fit the caches better. Like the
    network, it runs on the threads that PyTorch is set to.

    Args:
        device: as PyTorch names it.
        dtype: `float32`, `bfloat16` or `float16`.
        sizes: sides of the square matrices; None takes those of `PEAK_SIZES`.
        repeats: how many products of each size are timed, after one that is not.
    """
    import torch  # noqa: PLC0415

    kind = torch.device(device).type
    return max(_product_rate(size, device, dtype, repeats) for size in sizes or PEAK_SIZES[kind])


def _product_rate(size: int, device: str, dtype: str, repeats: int) -> float:
    """Operations a second of the fastest of some products of two square matrices; a multiply-add is two."""
    import torch  # noqa: PLC0415

    a, b = torch.rand(2, size, size, device=device).to(getattr(torch, dtype))
    seconds = []
    for _ in range(1 + repeats):
        began = time.perf_counter()
        torch.matmul(a, b)
        if a.is_cuda:
            torch.cuda.synchronize(a.device)
        seconds.append(time.perf_counter() - began)
    return float(2 * size**3 / min(seconds[1:]))
