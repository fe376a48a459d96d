"""Tracking network: a backbone for exemplar and search region, or one for each, and a head that compares them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from siamtrack.models.backbones import Backbone, check_images
from siamtrack.models.heads import BoxHead, BoxMaps, CorrelationHead


class TrackingNetwork(nn.Module):
    """A fully convolutional Siamese network (Bertinetto et al. 2016, section 2.2).

    It is stateless: one network serves any number of targets.

    Args:
        backbone: what embeds a crop.
        head: what compares two embeddings.
        exemplar_backbone: what embeds exemplars instead, of the same kind but with weights of its own; None shares
            those of `backbone`.
    """

    def __init__(self, backbone: Backbone, head: CorrelationHead, exemplar_backbone: Backbone | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.exemplar_backbone = exemplar_backbone

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights of the backbone anew, in place; the head keeps the scale that it was made with.

        A backbone of the exemplar starts with the same weights: different ones would compare as noise.

        Args:
            generator: source of randomness on the device of the weights; None takes PyTorch's default one.
        """
        self.backbone.initialize(generator)
        if self.exemplar_backbone is not None:
            self.exemplar_backbone.load_state_dict(self.backbone.state_dict())

    @property
    def shared(self) -> bool:
        """Exemplar and search region are embedded with the same weights."""
        return self.exemplar_backbone is None

    @property
    def exemplar_branch(self) -> Backbone:
        """Backbone that embeds exemplars."""
        return self.backbone if self.exemplar_backbone is None else self.exemplar_backbone

    @property
    def branches(self) -> tuple[Backbone, ...]:
        """All backbones."""
        return (self.backbone,) if self.exemplar_backbone is None else (self.backbone, self.exemplar_backbone)

    @property
    def exemplar_size(self) -> int:
        """Side of the exemplar crop in pixels."""
        return self.backbone.exemplar_size

    @property
    def search_size(self) -> int:
        """Side of the search crop in pixels."""
        return self.backbone.search_size

    @property
    def stride(self) -> int:
        """Pixels of the search crop from one cell of the response to the next."""
        return self.backbone.stride

    @property
    def response_size(self) -> int:
        """Side of the response map of the standard crops, in cells."""
        kernel = self.backbone.feature_size(self.exemplar_size) - 2 * self.backbone.exemplar_margin
        return self.backbone.feature_size(self.search_size) - kernel + 1

    def embed_exemplar(self, images: Tensor) -> Tensor:
        """Embed exemplar crops, `(B, 3, z, z)` RGB float 0..255, as kernels `(B, C, h, w)` without the margin.

        Raises:
            UsageError: when the images have another shape or are not floating point.
        """
        embedding: Tensor = self.exemplar_branch(check_images(images))
        return self.cut_margin(embedding)

    def cut_margin(self, embedding: Tensor) -> Tensor:
        """Return the kernel `(B, C, h, w)` in the middle of the embedding of an exemplar crop."""
        margin = self.backbone.exemplar_margin
        return embedding[..., margin : embedding.shape[-2] - margin, margin : embedding.shape[-1] - margin]

    def embed_search(self, images: Tensor) -> Tensor:
        """Embed search crops, `(B, 3, x, x)` RGB float 0..255, as `(B, C, H, W)`.

        Raises:
            UsageError: when the images have another shape or are not floating point.
        """
        embedding: Tensor = self.backbone(check_images(images))
        return embedding

    def forward(self, exemplars: Tensor, searches: Tensor) -> Tensor:
        """Return the logits of each exemplar at each position.

        Args:
            exemplars: `(B, 3, z, z)`, or `(B, S, 3, z, z)` for S exemplars a sample, RGB float 0..255.
            searches: `(B, 3, x, x)`, RGB float 0..255.

        Returns:
            `(B, S, R, R)`, S being 1 for four-dimensional exemplars.

        Raises:
            UsageError: when the images have other shapes or are not floating point.
        """
        if exemplars.ndim == 4:
            exemplars = exemplars.unsqueeze(1)
        kernels = self.embed_exemplar(exemplars.flatten(0, 1))
        kernels = kernels.reshape(*exemplars.shape[:2], *kernels.shape[1:])
        logits: Tensor = self.head(kernels, self.embed_search(searches))
        return logits


class BoxNetwork(TrackingNetwork):
    """A Siamese network that also reads the target's box, width and height apart, beside its place.

    Args:
        backbone: what embeds a crop.
        head: what compares two embeddings.
        box_head: what reads boxes from the backbone's levels.
    """

    def __init__(self, backbone: Backbone, head: CorrelationHead, box_head: BoxHead) -> None:
        super().__init__(backbone, head)
        self.box_head = box_head

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights of the backbone and of the box head anew, in place.

        Args:
            generator: source of randomness on the device of the weights; None takes PyTorch's default one.
        """
        super().initialize(generator)
        self.box_head.initialize(generator)

    def embed_levels(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Embed crops, and keep what the embedding is made of.

        Args:
            images: `(B, 3, H, W)` RGB float 0..255.

        Returns:
            The embedding see `embed_search`, and the levels for `box_kernel` or `read_boxes`.

        Raises:
            UsageError: when the images have another shape or are not floating point.
        """
        levels = self.backbone.trunk(check_images(images))
        return self.backbone.fuse(levels), levels

    def box_kernel(self, levels: Sequence[Tensor]) -> Tensor:
        """Return the kernels of exemplar crops for the box head: their levels to `(B, C, h, w)`."""
        return self.box_head.kernel(levels, self.backbone.exemplar_margin)

    def read_boxes(self, kernels: Tensor, levels: Sequence[Tensor], sizes: Tensor) -> BoxMaps:
        """Read the target's box at every cell of the response map.

        Args:
            kernels: `(B, C, h, w)` from `box_kernel`.
            levels: of the search crops, from `embed_levels`.
            sizes: `(B, 2)` width and height of the target in its exemplar crop, in pixels.
        """
        return self.box_head(kernels, levels, sizes / (self.stride * int(kernels.shape[-1])))  # type: ignore[no-any-return]
