"""Devices and threads of PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from siamtrack.errors import UsageError


def find_device(name: str) -> torch.device:
    """Return the device that `auto`, `cpu`, `cuda` or `cuda:N` means on this machine.

    Raises:
        UsageError: for another name, or a CUDA device that does not exist here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (name != "cuda" and not index.isdecimal())):
        raise UsageError(f"unknown device '{name}' (known: auto, cpu, cuda, cuda:N)")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"device '{name}' does not exist here ({torch.cuda.device_count()} CUDA devices): use cpu or auto"
        )
    return torch.device(name)


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Limit the threads of PyTorch inside the block. Afterwards the process has the number it had before.

    Args:
        count: number of CPU threads; None leaves them as they are.
    """
    before = torch.get_num_threads()
    if count is None or count == before:
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
