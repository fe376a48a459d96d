"""Networks of two inputs: two branches and a comparison, or one network that sees both at once."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.models.backbones import Backbone, check_images, initialize_weights
from siamtrack.models.comparisons import Comparison

_WIDTHS = (32, 64, 128)
"""Channels of a `PatchBranch`, layer by layer."""
_MIN_SIDE = 4
"""Cells along a side that a `PatchBranch` keeps."""


class SiameseNetwork(nn.Module):
    """Two branches whose embeddings are compared (Chopra, Hadsell and LeCun 2005).

    With one branch for both inputs it is Siamese: symmetric if the comparison is. With two it is pseudo-Siamese
    (Zagoruyko and Komodakis 2015, section 3.1): each input, an exemplar and a search region or two modalities, has
    weights of its own.

    Args:
        branch: any module that maps `(B, ...)` to `(B, D)`, or a pair of different ones, which share nothing.
        comparison: of the two embeddings.
        shared: whether a single branch serves both inputs; if not, the second one gets an independent copy, which
            starts from the same weights.

    Raises:
        UsageError: when the pair of branches is not of two.
    """

    def __init__(
        self, branch: nn.Module | tuple[nn.Module, nn.Module], comparison: Comparison, shared: bool = True
    ) -> None:
        super().__init__()
        given = branch if isinstance(branch, tuple) else (branch, branch)
        if len(given) != 2:
            raise UsageError(f"a Siamese network has one branch or a pair of them, not {len(given)}")
        first, second = given
        if first is second and not shared:
            second = copy.deepcopy(first)
        # A shared branch is held once, so that it is saved once.
        self.branches = nn.ModuleList([first] if first is second else [first, second])
        self.comparison = comparison

    @property
    def shared(self) -> bool:
        """Both inputs go through the same weights."""
        return len(self.branches) == 1

    def embed_first(self, x: Tensor) -> Tensor:
        """Embed first inputs: `(B, ...)` to `(B, D)`."""
        embedding: Tensor = self.branches[0](x)
        return embedding

    def embed_second(self, x: Tensor) -> Tensor:
        """Embed second inputs: `(B, ...)` to `(B, D)`."""
        embedding: Tensor = self.branches[-1](x)
        return embedding

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Compare two batches pair by pair.

        Args:
            first: `(B, ...)`, what the first branch takes.
            second: `(B, ...)`, what the second branch takes.

        Returns:
            `(B,)`, or what else the comparison gives.

        Raises:
            UsageError: when the embeddings are not `(B, D)` both.
        """
        compared: Tensor = self.comparison(self.embed_first(first), self.embed_second(second))
        return compared


class TwoChannelNetwork(nn.Module):
    """One network that sees both patches, stacked along the channels (Zagoruyko and Komodakis 2015, section 3.1).

    There is no embedding: every pair costs a pass of the whole network. The order of the two matters.

    Args:
        network: maps `(B, 2 C, H, W)` to `(B,)` or `(B, 1)`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits of being the same.

        Args:
            first: `(B, C, H, W)`.
            second: `(B, C, H, W)`.

        Returns:
            `(B,)`.

        Raises:
            UsageError: when the shapes are others or differ, or the network gives more than one number a pair.
        """
        if first.ndim != 4 or first.shape != second.shape:
            raise UsageError(
                f"patches of shapes {tuple(first.shape)} and {tuple(second.shape)} cannot be stacked: "
                "both must be (B, C, H, W)"
            )
        logits: Tensor = self.network(torch.cat([first, second], dim=1))
        if logits.numel() != len(first):
            raise UsageError(
                f"the network of a two-channel network gave {tuple(logits.shape)} for {len(first)} pairs: "
                "it must give one number for each"
            )
        return logits.reshape(len(first))


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
        if size < _MIN_SIDE:
            raise UsageError(f"patches of {size} pixels are too small: give {_MIN_SIDE} or more")
        self.channels = channels
        self.size = size
        self.dimension = dimension
        self.normalize = normalize
        layers: list[nn.Module] = []
        side, cin = size, channels
        for width in _WIDTHS:
            layers += [nn.Conv2d(cin, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            if side // 2 >= _MIN_SIDE:
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


class BackboneBranch(nn.Module):
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
