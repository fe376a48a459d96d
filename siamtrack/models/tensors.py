"""Tensors in a safetensors file, and in the network that they belong to; used by every kind of model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from siamtrack.errors import WeightsError
from siamtrack.system.atomic_files import replace_file

if TYPE_CHECKING:
    from torch import Tensor, nn

_SHOWN = 4  # tensors named in a message before it is cut


def write_tensors(path: Path, state: Mapping[str, Tensor], card: str) -> None:
    """Write tensors and a model card; an existing file is replaced in one step or not at all.

    Args:
        path: the `.safetensors` file.
        state: tensors on any device, each stored once.
        card: the text of the model card, stored as metadata.

    Raises:
        WeightsError: when the file cannot be written.
    """
    from safetensors.torch import save  # noqa: PLC0415 - keeps torch out of reading cards

    data = save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, {"format": "pt", "card": card}
    )
    try:
        replace_file(path, data)
    except OSError as error:
        raise WeightsError(f"{path} cannot be written: {error.strerror or error}") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of `write_tensors`, on the CPU.

    Raises:
        WeightsError: when it is corrupt.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - keeps torch out of reading cards
    from safetensors.torch import load_file  # noqa: PLC0415

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} is corrupt: {one_line(error)}") from error


def put_tensors(path: Path, network: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Put tensors in the place of a network's own, whose types they take; it may be on the meta device.

    Args:
        path: where the tensors are from, for messages.
        network: changes in place.
        state: the tensors.
        name: what messages call the network.

    Raises:
        WeightsError: when they are not those of the network.
    """
    expected = network.state_dict()
    check_fit(str(path), state, expected, name)
    network.load_state_dict({key: state[key].to(expected[key].dtype) for key in expected}, assign=True)


def check_fit(what: str, state: Mapping[str, Tensor], expected: Mapping[str, Tensor], name: str) -> None:
    """Check that tensors have the names, shapes and kinds of others.

    Raises:
        WeightsError: otherwise; the message says what is missing, too much or different.
    """
    faults = []
    if missing := sorted(expected.keys() - state.keys()):
        faults.append(f"missing {_listed(missing)}")
    if unexpected := sorted(state.keys() - expected.keys()):
        faults.append(f"unexpected {_listed(unexpected)}")
    shared = sorted(expected.keys() & state.keys())
    if reshaped := [key for key in shared if state[key].shape != expected[key].shape]:
        shown = [f"{key} is {shape_text(state[key])} instead of {shape_text(expected[key])}" for key in reshaped]
        faults.append(f"of another shape: {_listed(shown)}")
    if retyped := [key for key in shared if state[key].is_floating_point() != expected[key].is_floating_point()]:
        faults.append(f"of another type: {_listed([f'{key} is {state[key].dtype}' for key in retyped])}")
    if faults:
        raise WeightsError(f"{what} does not fit {name}: {'; '.join(faults)}")


def shape_text(tensor: Tensor) -> str:
    """Return the shape of a tensor as people write it: `3x4`."""
    return "x".join(str(size) for size in tensor.shape) or "a scalar"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def one_line(error: Exception) -> str:
    """Return the first line of an error's text, cut to a length that a terminal shows."""
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
