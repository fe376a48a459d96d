"""Networks of two inputs: two branches and a comparison, or one network that sees both at once."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.models.comparisons import Comparison


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
