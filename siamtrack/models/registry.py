"""Architectures and shipped models, by name.

Looking a model up costs no import of torch: the modules that need it are imported when a network is made.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from siamtrack.errors import UsageError, unknown_name

if TYPE_CHECKING:
    import torch

    from siamtrack.config import ComparisonName
    from siamtrack.models.network import TrackingNetwork

DEFAULT_MODEL = "siamtrack-box"
"""Default model."""

_BACKBONES = {
    "alexnet_v1": "AlexNetV1",
    "alexnet_v2": "AlexNetV2",
    "alexnet_v3": "AlexNetV3",
    "lite0": "Lite0",
    "lite0_box": "Lite0",
}
_WITH_BOXES = ("lite0_box",)


class Design(NamedTuple):
    """Design of a network."""

    architecture: str
    """One of `list_architectures()`."""
    shared: bool = True
    """Exemplar and search region are embedded with the same weights."""
    comparison: ComparisonName = "dot"
    """Comparison of the embeddings."""

    def __str__(self) -> str:
        """Return the architecture, and what is not as usual."""
        branches = "" if self.shared else " with unshared branches"
        return f"{self.architecture}{branches}" + ("" if self.comparison == "dot" else f", by {self.comparison}")


def list_architectures() -> list[str]:
    """Names that `create_network` knows."""
    return list(_BACKBONES)


def create_network(design: str | Design, generator: torch.Generator | None = None) -> TrackingNetwork:
    """Return a network with fresh weights (not trained).

    Args:
        design: see `build_network`.
        generator: source of randomness of the weights; None takes PyTorch's default one.

    Raises:
        UsageError: see `build_network`.
    """
    network = build_network(design)
    network.initialize(generator)
    return network


def build_network(design: str | Design) -> TrackingNetwork:
    """Return a network whose weights are still to be set, by `TrackingNetwork.initialize` or from a file.

    Args:
        design: what it is made of; one of `list_architectures()` alone stands for shared branches that are correlated.

    Raises:
        UsageError: for an unknown architecture or comparison; the message names the nearest one and all of them. For
            unshared branches of a network that reads boxes.
    """
    architecture, shared, comparison = Design(design) if isinstance(design, str) else design
    if architecture not in _BACKBONES:
        raise UsageError(unknown_name("architecture", architecture, list_architectures()))
    from siamtrack.models import backbones  # noqa: PLC0415 - keeps torch out of look-ups
    from siamtrack.models.heads import BoxHead, CorrelationHead  # noqa: PLC0415
    from siamtrack.models.network import BoxNetwork, TrackingNetwork  # noqa: PLC0415

    kind: type[backbones.Backbone] = getattr(backbones, _BACKBONES[architecture])
    backbone = kind()
    head = CorrelationHead(backbone.response_scale)
    if comparison != "dot":
        from siamtrack.models.comparisons import make_comparison_head  # noqa: PLC0415

        head = make_comparison_head(comparison, backbone)
    if architecture not in _WITH_BOXES:
        return TrackingNetwork(backbone, head, None if shared else kind())
    if not shared:
        raise UsageError(f"{architecture} reads boxes from shared branches only: leave shared = true, or take lite0")
    return BoxNetwork(backbone, head, BoxHead(backbone.level_channels))


def list_models() -> list[str]:
    """Names of the shipped models, the default first."""
    names = sorted(path.stem for path in _weights_folder().glob("*.safetensors"))
    return sorted(names, key=lambda name: name != DEFAULT_MODEL)


def find_model(name_or_path: str | Path) -> Path:
    """Return the weights file of a shipped model, or the given file or folder.

    Args:
        name_or_path: a name of `list_models()`, a `.safetensors`, `.pth` or `.pt` file, or the folder of an exported
            model.

    Raises:
        UsageError: when it is neither; the message names the nearest model and all of them.
    """
    models = list_models()
    if str(name_or_path) in models:
        return _weights_folder() / f"{name_or_path}.safetensors"
    if os.path.exists(name_or_path):  # noqa: PTH110 - Path.exists raises for names that are too long or not allowed
        return Path(name_or_path)
    raise UsageError(f"{unknown_name('model', str(name_or_path), models)}; a weights file of that name does not exist")


def _weights_folder() -> Path:
    """`siamtrack/weights` of an installed package, else `weights` of the source tree."""
    package = Path(__file__).resolve().parents[1]
    return package / "weights" if (package / "weights").is_dir() else package.parent / "weights"
