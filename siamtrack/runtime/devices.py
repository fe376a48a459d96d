"""Where a network of PyTorch can run."""

from __future__ import annotations

import torch

from siamtrack.errors import UsageError


def find_device(name: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` means on this machine.

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
