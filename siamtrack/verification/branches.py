"""Branches of a Siamese network: what turns a patch, a picture or a sequence into a vector."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.models.backbones import Backbone, check_images, initialize_weights

_WIDTHS = (32, 64, 128)
"""Channels of a `PatchBranch`, layer by layer."""
_LEAST_SIDE = 4
"""Cells along a side that a `PatchBranch` keeps."""


def check_patches(patches: Tensor, expected: tuple[int, int, int]) -> None:
    """Check that patches are floating point and `(B, *expected)`.

    Raises:
        UsageError: for anything else.
    """
    if patches.ndim != 4 or patches.shape[1:] != expected or not patches.is_floating_point():
        raise UsageError(
            f"patches of shape {tuple(patches.shape)} and type {patches.dtype} cannot be embedded: "
            f"give (B, {', '.join(map(str, expected))}), floating point, 0..255"
        )


class PatchBranch(nn.Module):
    """A small convolutional network for patches: three layers 3x3 with batch norm, pools between, a linear layer.

    Args:
        channels: of a patch; twice as many for the network of a `TwoChannelNetwork`, with `dimension` 1.
        size: side of a patch in pixels, 4 or more.
        dimension: D, components of the embedding.
        normalize: whether embeddings have unit length, which bounds every distance (Schroff et al. 2015, section 3.1).

    Raises:
        UsageError: for a size below 4.
    """

    def __init__(self, channels: int = 3, size: int = 32, dimension: int = 64, normalize: bool = True) -> None:
        super().__init__()
        if size < _LEAST_SIDE:
            raise UsageError(f"patches of {size} pixels are too small: give {_LEAST_SIDE} or more")
        self.channels = channels
        self.size = size
        self.dimension = dimension
        self.normalize = normalize
        layers: list[nn.Module] = []
        side, cin = size, channels
        for width in _WIDTHS:
            layers += [nn.Conv2d(cin, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            if side // 2 >= _LEAST_SIDE:
                layers.append(nn.MaxPool2d(2))
                side //= 2
            cin = width
        self.layers = nn.Sequential(*layers)
        self.embed = nn.Linear(cin * side**2, dimension)

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights anew, in place (`siamtrack.models.backbones.initialize_weights`).

        Args:
            generator: source of randomness on the device of the weights; None takes PyTorch's default one.
        """
        initialize_weights(self, generator)

    def forward(self, patches: Tensor) -> Tensor:
        """Embed patches.

        Args:
            patches: `(B, channels, size, size)` float 0..255; of any color order, if always the same.

        Returns:
            `(B, D)`.

        Raises:
            UsageError: when the patches have another shape or are not floating point.
        """
        check_patches(patches, (self.channels, self.size, self.size))
        embedding: Tensor = self.embed(self.layers(patches / 127.5 - 1).flatten(1))
        return F.normalize(embedding, dim=1) if self.normalize else embedding


class SequenceBranch(nn.Module):
    """An LSTM over a sequence, whose last state is the embedding (Mueller and Thyagarajan 2016).

    Args:
        features: F, numbers a step.
        dimension: D, components of the embedding.
    """

    def __init__(self, features: int, dimension: int = 64) -> None:
        super().__init__()
        self.features = features
        self.dimension = dimension
        self.lstm = nn.LSTM(features, dimension, batch_first=True)

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights anew, in place (`siamtrack.models.backbones.initialize_weights`).

        Args:
            generator: source of randomness on the device of the weights; None takes PyTorch's default one.
        """
        initialize_weights(self, generator)

    def forward(self, sequences: Tensor) -> Tensor:
        """Embed sequences of one length.

        Args:
            sequences: `(B, T, F)`, T steps of 1 or more.

        Returns:
            `(B, D)`, each component in (-1, 1).

        Raises:
            UsageError: when the sequences have another shape or no step.
        """
        if sequences.ndim != 3 or sequences.shape[1] == 0 or sequences.shape[2] != self.features:
            raise UsageError(
                f"sequences of shape {tuple(sequences.shape)} cannot be embedded: "
                f"give (B, T, {self.features}) with one step or more"
            )
        steps: Tensor = self.lstm(sequences)[0]
        return steps[:, -1]


class TrunkBranch(nn.Module):
    """A convolutional trunk, the mean of its cells, and a linear layer if a dimension is given.

    Args:
        backbone: such as that of a shipped model, `load_network(...)[0].backbone`.
        dimension: D, components of the embedding; None for the mean as it is, of `backbone.out_channels` components.
        normalize: whether embeddings have unit length.
    """

    def __init__(self, backbone: Backbone, dimension: int | None = None, normalize: bool = True) -> None:
        super().__init__()
        self.backbone = backbone
        self.dimension = backbone.out_channels if dimension is None else dimension
        self.normalize = normalize
        self.embed = nn.Identity() if dimension is None else nn.Linear(backbone.out_channels, dimension)

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights anew, in place (`siamtrack.models.backbones.initialize_weights`).

        Args:
            generator: source of randomness on the device of the weights; None takes PyTorch's default one.
        """
        self.backbone.initialize(generator)
        initialize_weights(self.embed, generator)

    def forward(self, images: Tensor) -> Tensor:
        """Embed pictures.

        Args:
            images: `(B, 3, H, W)` RGB float 0..255, large enough for one cell of the trunk.

        Returns:
            `(B, D)`.

        Raises:
            UsageError: when the images have another shape, are too small or are not floating point.
        """
        check_images(images)
        if 0 in map(self.backbone.feature_size, images.shape[-2:]):
            raise UsageError(
                f"images of {tuple(images.shape[-2:])} pixels are too small for {type(self.backbone).__name__}"
            )
        embedding: Tensor = self.embed(self.backbone(images).mean(dim=(2, 3)))
        return F.normalize(embedding, dim=1) if self.normalize else embedding
