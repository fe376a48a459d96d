"""Comparisons of two embeddings: a number for two vectors, or a map of numbers over a search region.

`ComparisonHead` puts any of them in the place of the correlation of a tracking network.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from siamtrack.config import ComparisonName
from siamtrack.errors import UsageError, unknown_name
from siamtrack.models.backbones import Backbone
from siamtrack.models.heads import CorrelationHead, add_cells, cross_correlation, kernel_cells, summable

MATCH = 12.0
"""Logit that a fresh head starts with for a window that equals the exemplar; for one that has nothing in common with
it, it starts near 0."""


class Comparison(nn.Module, ABC):
    """Base of the comparisons. Each works on vectors, on all pairs of two sets of them, and as a dense map.

    Gradients are finite everywhere. Where a length or a distance is 0 its square root has no derivative; the
    subgradient 0 is taken.
    """

    similar_is: Literal["high", "low"]
    """A pair of the same has a high value (a similarity) instead of a low one (a distance)."""
    range: tuple[float, float]
    """Least and greatest value."""
    symmetric: bool = True
    """The order of the two does not matter."""

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """Compare vector by vector.

        Args:
            u: `(B, D)`.
            v: `(B, D)`.

        Returns:
            `(B,)`.

        Raises:
            UsageError: when the shapes are others or differ.
        """
        if u.ndim != 2 or u.shape != v.shape:
            raise UsageError(
                f"embeddings of shapes {tuple(u.shape)} and {tuple(v.shape)} cannot be compared: both must be (B, D)"
            )
        return self._compare(u, v)

    def matrix(self, u: Tensor, v: Tensor) -> Tensor:
        """Compare every vector with every other.

        Args:
            u: `(N, D)`.
            v: `(M, D)`.

        Returns:
            `(N, M)`.

        Raises:
            UsageError: when the shapes are others, or where `dense` makes no sense.
        """
        if u.ndim != 2 or v.ndim != 2 or u.shape[1] != v.shape[1]:
            raise UsageError(
                f"embeddings of shapes {tuple(u.shape)} and {tuple(v.shape)} cannot be compared: give (N, D) and (M, D)"
            )
        # Vectors are kernels of one cell, and the other ones features in a row.
        return self.dense(u[None, :, :, None, None], v.T[None, :, None])[0, :, 0]

    def dense(self, kernels: Tensor, features: Tensor) -> Tensor:
        """Compare every kernel, as one long vector, with every window of its size.

        Args:
            kernels: `(B, S, C, h, w)`, S kernels a sample.
            features: `(B, C, H, W)`.

        Returns:
            `(B, S, H - h + 1, W - w + 1)`.

        Raises:
            UsageError: when the shapes do not fit, or for a comparison that has no dense map.
        """
        if kernels.ndim != 5 or features.ndim != 4 or len(kernels) != len(features):
            raise UsageError(
                f"kernels of shape {tuple(kernels.shape)} and features of shape {tuple(features.shape)} cannot be "
                "compared: give (B, S, C, h, w) and (B, C, H, W)"
            )
        if kernels.shape[2] != features.shape[1]:
            raise UsageError(
                f"kernels of {kernels.shape[2]} channels cannot be compared with features of {features.shape[1]}: "
                "both branches must give the same number"
            )
        if kernels.shape[3] > features.shape[2] or kernels.shape[4] > features.shape[3]:
            raise UsageError(
                f"kernels of {tuple(kernels.shape[3:])} cells do not fit into features of {tuple(features.shape[2:])}"
            )
        return self._compare_windows(kernels, features)

    @abstractmethod
    def _compare(self, u: Tensor, v: Tensor) -> Tensor:
        """`forward` of shapes that are checked."""

    def _compare_windows(self, kernels: Tensor, features: Tensor) -> Tensor:
        """`dense` of shapes that are checked."""
        raise UsageError(f"{type(self).__name__} has no dense map: it compares pairs of vectors only")


class SquaredEuclidean(Comparison):
    """Squared Euclidean distance `|u - v|^2`.

    The map is `|u|^2 + |v|^2 - 2 uv` of the correlation `uv`, and not below 0. It is exact to the rounding of
    `|u|^2 + |v|^2`: a distance far below that is not resolved.
    """

    similar_is = "low"
    range = (0.0, math.inf)

    def _compare(self, u: Tensor, v: Tensor) -> Tensor:
        return (u - v).square().sum(1)

    def _compare_windows(self, kernels: Tensor, features: Tensor) -> Tensor:
        own, there = _square_lengths(kernels, features)
        return (own + there - 2 * cross_correlation(kernels, features)).clamp(min=0)


class Euclidean(SquaredEuclidean):
    """Euclidean distance `|u - v|`, the root of the squared one; its gradient at 0 is 0."""

    def _compare(self, u: Tensor, v: Tensor) -> Tensor:
        return _root(super()._compare(u, v))

    def _compare_windows(self, kernels: Tensor, features: Tensor) -> Tensor:
        return _root(super()._compare_windows(kernels, features))


class Manhattan(Comparison):
    """Manhattan distance, the sum of `|u_i - v_i|`; its gradient where two components are equal is 0."""

    similar_is = "low"
    range = (0.0, math.inf)

    def _compare(self, u: Tensor, v: Tensor) -> Tensor:
        return (u - v).abs().sum(1)

    def _compare_windows(self, kernels: Tensor, features: Tensor) -> Tensor:
        # Made of single cells as the correlation is, with their distances in place of their products.
        full = summable(features.dtype)
        cells, places = kernel_cells(kernels).to(full), features.flatten(2).transpose(1, 2).to(full)
        return add_cells(torch.cdist(cells, places, p=1.0), kernels, features)


class Cosine(Comparison):
    """Cosine of the angle, `uv / (|u| |v|)`; 0, with gradient 0, where one of them is 0."""

    similar_is = "high"
    range = (-1.0, 1.0)

    def _compare(self, u: Tensor, v: Tensor) -> Tensor:
        cosine = (u * v).sum(1) * _inverse_root(u.square().sum(1)) * _inverse_root(v.square().sum(1))
        return cosine.clamp(-1, 1)  # rounding may lead out

    def _compare_windows(self, kernels: Tensor, features: Tensor) -> Tensor:
        own, there = _square_lengths(kernels, features)
        cosine = cross_correlation(kernels, features) * _inverse_root(own) * _inverse_root(there)
        return cosine.clamp(-1, 1)


class DotProduct(Comparison):
    """Dot product `uv`; its map is the cross-correlation (Bertinetto et al. 2016, equation 2 without the bias)."""

    similar_is = "high"
    range = (-math.inf, math.inf)

    def _compare(self, u: Tensor, v: Tensor) -> Tensor:
        return (u * v).sum(1)

    def _compare_windows(self, kernels: Tensor, features: Tensor) -> Tensor:
        return cross_correlation(kernels, features)


class _Exponential(Comparison):
    """`exp(-scale * distance)`: 1 for equal vectors, towards 0 for far ones.

    Args:
        distance: what is compared by.
        scale: of the distance, above 0. Distances grow with the number of components, and beyond a hundred or so
            (single precision) the value is 0 and passes no gradient on.

    Raises:
        UsageError: for a scale that is not above 0.
    """

    similar_is = "high"
    range = (0.0, 1.0)

    def __init__(self, distance: Comparison, scale: float) -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise UsageError(f"a scale of {scale} makes no similarity of a distance: give a number above 0")
        self.distance = distance
        self.scale = scale

    def _compare(self, u: Tensor, v: Tensor) -> Tensor:
        return torch.exp(-self.scale * self.distance(u, v))

    def _compare_windows(self, kernels: Tensor, features: Tensor) -> Tensor:
        return torch.exp(-self.scale * self.distance.dense(kernels, features))


class ExpManhattan(_Exponential):
    """`exp(-scale * Manhattan distance)` (Mueller and Thyagarajan 2016, with scale 1).

    Args:
        scale: of the distance, above 0.

    Raises:
        UsageError: for a scale that is not above 0.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(Manhattan(), scale)


class ExpEuclidean(_Exponential):
    """`exp(-scale * Euclidean distance)`.

    Args:
        scale: of the distance, above 0.

    Raises:
        UsageError: for a scale that is not above 0.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(Euclidean(), scale)


class Concatenation(Comparison):
    """A linear layer on `[u, v, |u - v|]`: logits of several classes of pairs (Reimers and Gurevych 2019, section 3).

    `forward` gives `(B, classes)`, the logit of a pair's own class being the high one. The order of the two matters.
    A map of it would be a network of its own: there is none.

    Args:
        dimension: D, components of an embedding.
        classes: of pairs, 2 for same and different.
    """

    similar_is = "high"
    range = (-math.inf, math.inf)
    symmetric = False

    def __init__(self, dimension: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * dimension, classes)

    def _compare(self, u: Tensor, v: Tensor) -> Tensor:
        if 3 * u.shape[1] != self.linear.in_features:
            raise UsageError(
                f"embeddings of {u.shape[1]} components do not fit a Concatenation of {self.linear.in_features // 3}"
            )
        logits: Tensor = self.linear(torch.cat([u, v, (u - v).abs()], dim=1))
        return logits


class Hamming(Comparison):
    """Hamming distance of the codes of signs: the number of components of different sign, 0 counting as positive.

    Of codes of +1 and -1 it is `(D - uv) / 2`. It passes no gradient on: train with another comparison.
    """

    similar_is = "low"
    range = (0.0, math.inf)

    def _compare(self, u: Tensor, v: Tensor) -> Tensor:
        return (u.shape[1] - (_signs(u) * _signs(v)).sum(1)) / 2

    def _compare_windows(self, kernels: Tensor, features: Tensor) -> Tensor:
        components = math.prod(kernels.shape[2:])
        return (components - cross_correlation(_signs(kernels), _signs(features))) / 2


_BY_NAME: dict[str, type[Comparison]] = {
    "euclidean": Euclidean,
    "squared_euclidean": SquaredEuclidean,
    "manhattan": Manhattan,
    "cosine": Cosine,
    "exp_manhattan": ExpManhattan,
    "exp_euclidean": ExpEuclidean,
    "dot": DotProduct,
}


def list_comparisons() -> list[str]:
    """Names that `create_comparison` knows: what can be trained and gives maps."""
    return list(_BY_NAME)


def create_comparison(name: str) -> Comparison:
    """Return a comparison by its name.

    `Concatenation`, which needs a size, and `Hamming`, which cannot be trained, are made by their classes.

    Args:
        name: one of `list_comparisons()`.

    Raises:
        UsageError: for an unknown name; the message names the nearest one and all of them.
    """
    if name not in _BY_NAME:
        raise UsageError(unknown_name("comparison", name, list_comparisons()))
    return _BY_NAME[name]()


def _square_lengths(kernels: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """Squared lengths of the kernels `(B, S, 1, 1)` and of the windows of their size `(B, 1, H - h + 1, W - w + 1)`."""
    full = summable(features.dtype)
    own = kernels.to(full).square().sum(dim=(2, 3, 4))[..., None, None]
    cells = features.to(full).square().sum(dim=1, keepdim=True)
    return own, F.avg_pool2d(cells, kernels.shape[-2:], stride=1, divisor_override=1)


def _root(squares: Tensor) -> Tensor:
    """Square root with the subgradient 0 at 0, where the derivative is infinite."""
    positive = squares > 0
    # The root of 0 is never taken: an infinite gradient that is masked afterwards would be NaN.
    return torch.where(positive, torch.where(positive, squares, 1.0).sqrt(), 0.0)


def _inverse_root(squares: Tensor) -> Tensor:
    """`1 / sqrt(x)`, and 0 with the gradient 0 at 0."""
    positive = squares > 0
    return torch.where(positive, torch.where(positive, squares, 1.0).rsqrt(), 0.0)


def _signs(x: Tensor) -> Tensor:
    """+1 and -1 in a type that counts them exactly."""
    return torch.where(x >= 0, 1.0, -1.0).to(summable(x.dtype))


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
