"""Any comparison in the place of the correlation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from siamtrack.config import ComparisonName
from siamtrack.models.backbones import Backbone
from siamtrack.models.comparisons import Comparison, ExpEuclidean, ExpManhattan, create_comparison
from siamtrack.models.heads import CorrelationHead

MATCH = 12.0
"""Logit that a fresh head starts with for a window that equals the exemplar; for one that has nothing in common with
it, it starts near 0."""


class ComparisonHead(CorrelationHead):
    """A comparison with a learnt positive scale and a bias; distances count negative, so that higher is more similar.

    Args:
        name: of the comparison.
        measure: the comparison.
        scale: factor that it starts with.
        bias: what is added to it at the start.
    """

    def __init__(self, name: ComparisonName, measure: Comparison, scale: float, bias: float) -> None:
        super().__init__(scale, bias)
        self.comparison = name
        self.measure = measure
        self._sign = 1.0 if measure.similar_is == "high" else -1.0

    def compare(self, kernels: Tensor, features: Tensor) -> Tensor:
        """See `CorrelationHead`, in float32 at least: a distance is a small difference of large numbers."""
        full = torch.promote_types(features.dtype, torch.float32)
        return self._sign * self.measure.dense(kernels.to(full), features.to(full))

    def cross(self, kernels: Tensor, features: Tensor) -> Tensor:
        """See `CorrelationHead`."""
        everyone = kernels[None].expand(len(features), *kernels.shape)
        return self.respond(self.compare(everyone, features)).transpose(0, 1)


def make_comparison_head(name: ComparisonName, backbone: Backbone) -> ComparisonHead:
    """Return a fresh head that compares embeddings of a backbone.

    Where the correlation of an embedding with itself, scaled by the backbone's `response_scale`, is `MATCH`, the
    embedding has the length `sqrt(MATCH / response_scale)`. Two of this length that have nothing in common are
    `sqrt(2)` lengths apart, and their components differ as normal variables do.

    Args:
        name: of the comparison.
        backbone: whose embeddings are compared.

    Raises:
        UsageError: for a comparison that does not exist.
    """
    length = math.sqrt(MATCH / backbone.response_scale)
    side = backbone.feature_size(backbone.exemplar_size) - 2 * backbone.exemplar_margin
    components = backbone.out_channels * side**2
    euclidean = math.sqrt(2) * length
    manhattan = math.sqrt(2 * components / math.pi) * euclidean
    match name:
        case "exp_euclidean":
            return ComparisonHead(name, ExpEuclidean(math.sqrt(2) / euclidean), MATCH, 0.0)
        case "exp_manhattan":
            return ComparisonHead(name, ExpManhattan(math.sqrt(2) / manhattan), MATCH, 0.0)
    apart = {"euclidean": euclidean, "squared_euclidean": euclidean**2, "manhattan": manhattan}
    measure = create_comparison(name)
    if name in apart:
        return ComparisonHead(name, measure, MATCH / apart[name], MATCH)
    return ComparisonHead(name, measure, backbone.response_scale if name == "dot" else MATCH, 0.0)
