"""Interface between a tracker and the network, whatever runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.config import ComparisonName, Precision, RuntimeName
from siamtrack.errors import UsageError
from siamtrack.models.network import TrackingNetwork

MIN_RESPONSE = 5
"""Cells along a side of the smallest response map."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Sizes of a network; derived from its layers, kept when these are not at hand."""

    exemplar_size: int
    """Side of the exemplar crop in pixels."""
    search_size: int
    """Side of the search crop in pixels."""
    stride: int
    """Pixels of the search crop from one cell of the response to the next."""
    response_size: int
    """Side of the response map in cells."""
    margin: int
    """Cells to cut from each side of an embedded exemplar."""

    @classmethod
    def of(cls, network: TrackingNetwork) -> Self:
        """Return the sizes of a network."""
        return cls(
            network.exemplar_size,
            network.search_size,
            network.stride,
            network.response_size,
            network.backbone.exemplar_margin,
        )

    def with_search_size(self, size: int | None) -> Geometry:
        """Return the same network with search crops of another side; None: as they are.

        Raises:
            UsageError: when its response map would not lie as before on the grid of the network, or be no map at all.
        """
        if size is None or size == self.search_size:
            return self
        # An odd number of cells less would move the middle of the map by half a cell.
        even, response = 2 * self.stride, self.response_size - (self.search_size - size) // self.stride
        if (self.search_size - size) % even or response < MIN_RESPONSE:
            sizes = range(self.search_size % even, self.search_size + 4 * even, even)
            fits = [
                each for each in sizes if each >= self.search_size - (self.response_size - MIN_RESPONSE) * self.stride
            ]
            raise UsageError(
                f"a search crop of {size} pixels does not fit this network: give one of {', '.join(map(str, fits))}"
            )
        return replace(self, search_size=size, response_size=response)


class Embedding(NamedTuple):
    """Crops as the backbone sees them."""

    features: Tensor
    """`(B, C, h, w)` in the precision that the backend computes in, what is correlated."""
    levels: tuple[Tensor, ...]
    """Feature levels that boxes are read from; empty where the network has no box head."""


class Backend(ABC):
    """Runs a network on crops. It keeps nothing of what it has seen.

    Args:
        geometry: sizes of the network.
        scale: of its correlation head: what is found is `scale * correlation + bias`, a logit.
        bias: of its correlation head.
        reads_boxes: whether it has a box head.
        comparison: what embeddings are compared by.
        precision: what it computes in.
        runtime: what runs it.
        device: where its tensors are.

    Attributes:
        threads: CPU threads that PyTorch uses for a frame (see `torch_threads`); None: those of the process.
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        scale: float,
        bias: float,
        reads_boxes: bool,
        precision: Precision,
        runtime: RuntimeName,
        device: torch.device,
        comparison: ComparisonName = "dot",
    ) -> None:
        self.geometry = geometry
        self.scale = scale
        self.bias = bias
        self.reads_boxes = reads_boxes
        self.precision = precision
        self.runtime: RuntimeName = runtime
        self.device = device
        self.comparison = comparison
        self.threads: int | None = None

    @abstractmethod
    def upload(self, crops: NDArray[np.uint8]) -> Tensor:
        """Bring crops, `(B, s, s, 3)` uint8 RGB, to where and into the form in which they are embedded."""

    @abstractmethod
    def embed(self, images: Tensor) -> Embedding:
        """Embed search crops that were brought there by `upload`."""

    def embed_exemplars(self, images: Tensor) -> Embedding:
        """Embed exemplar crops: as search crops, where the network has no weights of their own for them."""
        return self.embed(images)

    @abstractmethod
    def correlate(self, kernels: Tensor, features: Tensor) -> Tensor:
        """Correlation, or the similarity that the network has instead, without scale and bias.

        Args:
            kernels: `(B, S, C, h, w)`.
            features: `(B, C, H, W)`.

        Returns:
            `(B, S, R, R)` float32.
        """

    @abstractmethod
    def box_kernels(self, levels: Sequence[Tensor]) -> Tensor:
        """Return the kernels of exemplar crops for the box head: their levels to `(B, C, h, w)`."""

    @abstractmethod
    def read_boxes(self, kernels: Tensor, levels: Sequence[Tensor], sizes: Tensor) -> Tensor:
        """Read the target's box at every cell of the response map.

        Args:
            kernels: `(B, C, h, w)` from `box_kernels`.
            levels: of the search crops.
            sizes: `(B, 2)` width and height of the target in its exemplar crop, in pixels.

        Returns:
            `(B, 5, R, R)` float32, as `decode_box` takes it: offset x and y in pixels of the crop, logarithm of width
            and height relative to those in the exemplar crop, logit of the expected overlap.
        """

    def cut_margin(self, features: Tensor) -> Tensor:
        """Return the kernels in the middle of embedded exemplar crops: `(B, C, h, w)` float32."""
        margin = self.geometry.margin
        return features[..., margin : features.shape[-2] - margin, margin : features.shape[-1] - margin].float()
