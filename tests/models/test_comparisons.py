"""Comparisons, against formulas written out by hand, PyTorch's own, and windows cut out one by one."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from siamtrack.errors import UsageError
from siamtrack.models.comparisons import (
    Comparison,
    Concatenation,
    DotProduct,
    Euclidean,
    ExpEuclidean,
    ExpManhattan,
    Hamming,
    SquaredEuclidean,
    create_comparison,
    list_comparisons,
)

Vector = list[float]


def dot(u: Vector, v: Vector) -> float:
    return sum(a * b for a, b in zip(u, v, strict=True))


def squared(u: Vector, v: Vector) -> float:
    return sum((a - b) ** 2 for a, b in zip(u, v, strict=True))


def manhattan(u: Vector, v: Vector) -> float:
    return sum(abs(a - b) for a, b in zip(u, v, strict=True))


BY_HAND: dict[str, Callable[[Vector, Vector], float]] = {
    "euclidean": lambda u, v: math.sqrt(squared(u, v)),
    "squared_euclidean": squared,
    "manhattan": manhattan,
    "cosine": lambda u, v: dot(u, v) / math.sqrt(dot(u, u) * dot(v, v)),
    "exp_manhattan": lambda u, v: math.exp(-manhattan(u, v)),
    "exp_euclidean": lambda u, v: math.exp(-math.sqrt(squared(u, v))),
    "dot": dot,
    "hamming": lambda u, v: sum((a >= 0) != (b >= 0) for a, b in zip(u, v, strict=True)),
}


def create(name: str) -> Comparison:
    """Any comparison that has a map."""
    return Hamming() if name == "hamming" else create_comparison(name)


every_comparison = pytest.mark.parametrize("name", BY_HAND)
trainable = pytest.mark.parametrize("name", list_comparisons())


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@every_comparison
def test_vectors_are_compared_as_the_formula_says(name: str) -> None:
    u, v = draw(20, 6), draw(20, 6, seed=1)
    expected = [BY_HAND[name](a, b) for a, b in zip(u.tolist(), v.tolist(), strict=True)]
    torch.testing.assert_close(create(name)(u, v), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("euclidean", lambda u, v: (u - v).norm(dim=1)),
        ("manhattan", lambda u, v: F.pairwise_distance(u, v, p=1, eps=0)),
        ("cosine", F.cosine_similarity),
        ("dot", torch.linalg.vecdot),
    ],
)
def test_vectors_are_compared_as_pytorch_does(name: str, reference: Callable[[Tensor, Tensor], Tensor]) -> None:
    u, v = draw(50, 16), draw(50, 16, seed=1)
    torch.testing.assert_close(create(name)(u, v), reference(u, v), rtol=0, atol=1e-6)


@every_comparison
def test_every_vector_is_compared_with_every_other(name: str) -> None:
    u, v = draw(4, 6), draw(3, 6, seed=1)
    expected = [[BY_HAND[name](a, b) for b in v.tolist()] for a in u.tolist()]
    torch.testing.assert_close(create(name).matrix(u, v), torch.tensor(expected, dtype=torch.float64))


def windows(features: Tensor, h: int, w: int) -> Tensor:
    """Every window as a vector in the order of a flattened kernel: `(B, rows, columns, C * h * w)`."""
    rows, columns = features.shape[2] - h + 1, features.shape[3] - w + 1
    return F.unfold(features, (h, w)).transpose(1, 2).reshape(len(features), rows, columns, -1)


@every_comparison
@given(
    batch=st.integers(1, 3),
    count=st.integers(1, 3),
    channels=st.integers(1, 4),
    sides=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 3), st.integers(0, 3)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=15, deadline=None)
def test_maps_compare_the_kernel_with_every_window(
    name: str, batch: int, count: int, channels: int, sides: tuple[int, int, int, int], seed: int
) -> None:
    h, w, down, right = sides
    comparison = create(name)
    kernels, features = draw(batch, count, channels, h, w, seed=seed), draw(batch, channels, h + down, w + right)
    found = comparison.dense(kernels, features)
    cut = windows(features, h, w)
    assert found.shape == (batch, count, down + 1, right + 1)
    for scale in range(count):
        kernel = kernels[:, scale].flatten(1)[:, None, None].expand(cut.shape)
        expected = comparison(kernel.flatten(0, 2), cut.flatten(0, 2)).reshape(found[:, scale].shape)
        torch.testing.assert_close(found[:, scale], expected, rtol=1e-9, atol=1e-9)


@every_comparison
def test_an_exemplar_that_is_in_the_search_region_is_found_there(name: str) -> None:
    features = draw(1, 16, 9, 9).float()
    comparison = create(name)
    found = comparison.dense(features[:, None, :, 2:6, 4:8], features)[0, 0].flatten()
    # The dot product prefers long vectors to equal ones, but here nothing is as long as what is equal.
    best = found.argmax() if comparison.similar_is == "high" else found.argmin()
    assert divmod(int(best), 6) == (2, 4)


@every_comparison
@given(scale=st.sampled_from([0.0, 1e-3, 1.0, 1e3]), seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_values_stay_in_their_range(name: str, scale: float, seed: int) -> None:
    comparison = create(name)
    least, greatest = comparison.range
    u, v = scale * draw(8, 5, seed=seed).float(), draw(8, 5, seed=seed + 1).float()
    for values in (comparison(u, v), comparison(u, u), comparison.matrix(u, v), comparison.matrix(u, u)):
        assert values.min() >= least
        assert values.max() <= greatest


@pytest.mark.parametrize("name", sorted(set(BY_HAND) - {"dot"}))
def test_nothing_is_more_similar_than_the_same(name: str) -> None:
    comparison = create(name)
    u, v = draw(50, 5), draw(50, 5, seed=1)
    same, other = comparison(u, u), comparison(u, v)
    assert (same >= other).all() if comparison.similar_is == "high" else (same <= other).all()
    best = {"low": comparison.range[0], "high": comparison.range[1]}[comparison.similar_is]
    torch.testing.assert_close(same, torch.full_like(same, best))


@trainable
def test_gradients_are_right(name: str) -> None:
    u, v = draw(3, 4).requires_grad_(), draw(3, 4, seed=1).requires_grad_()
    kernels, features = draw(2, 2, 3, 2, 1).requires_grad_(), draw(2, 3, 3, 2, seed=1).requires_grad_()
    comparison = create_comparison(name)
    assert torch.autograd.gradcheck(comparison, (u, v))
    assert torch.autograd.gradcheck(comparison.dense, (kernels, features))


@trainable
@pytest.mark.parametrize("value", [0.0, 0.3])
def test_gradients_of_equal_embeddings_are_finite(name: str, value: float) -> None:
    comparison = create_comparison(name)
    u, v = (torch.full((2, 5), value, requires_grad=True) for _ in range(2))
    kernels = torch.full((1, 1, 3, 2, 2), value, requires_grad=True)
    features = torch.full((1, 3, 4, 4), value, requires_grad=True)
    (comparison(u, v).sum() + comparison.dense(kernels, features).sum()).backward()
    for leaf in (u, v, kernels, features):
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()


def test_the_gradient_of_the_distance_0_is_0() -> None:
    u = torch.tensor([[1.0, 2.0]], requires_grad=True)
    Euclidean()(u, u.detach()).sum().backward()
    assert u.grad is not None
    assert u.grad.tolist() == [[0.0, 0.0]]


def test_a_distance_far_below_the_lengths_is_not_resolved_in_a_map_but_never_negative() -> None:
    features = 100 + 1e-3 * draw(1, 32, 6, 6).float()
    found = SquaredEuclidean().dense(features[:, None, :, :3, :3], features)
    assert (found >= 0).all()
    lengths = 2 * float(features[..., :3, :3].square().sum())
    assert float(found[0, 0, 0, 0]) < 1e-5 * lengths


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["euclidean", "manhattan", "cosine", "hamming"])
def test_embeddings_in_half_precision_give_maps_in_single(name: str, dtype: torch.dtype) -> None:
    kernels, features = draw(1, 1, 32, 3, 3).to(dtype), draw(1, 32, 5, 5, seed=1).to(dtype)
    found = create(name).dense(kernels, features)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, create(name).dense(kernels.float(), features.float()), rtol=1e-2, atol=1e-2)


@every_comparison
def test_the_order_does_not_matter_unless_it_is_said(name: str) -> None:
    comparison = create(name)
    u, v = draw(5, 4), draw(5, 4, seed=1)
    assert comparison.symmetric
    torch.testing.assert_close(comparison(u, v), comparison(v, u))


@pytest.mark.parametrize("comparison", [ExpManhattan(0.1), ExpEuclidean(0.1)])
def test_a_scale_stretches_the_exponential(comparison: ExpManhattan | ExpEuclidean) -> None:
    u, v = draw(5, 4), draw(5, 4, seed=1)
    torch.testing.assert_close(comparison(u, v), torch.exp(-0.1 * comparison.distance(u, v)))
    torch.testing.assert_close(comparison.matrix(u, v), torch.exp(-0.1 * comparison.distance.matrix(u, v)))


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_a_scale_is_above_0(scale: float) -> None:
    with pytest.raises(UsageError, match="makes no similarity"):
        ExpManhattan(scale)


def test_concatenation_is_linear_in_both_and_their_difference() -> None:
    comparison = Concatenation(dimension=2, classes=3)
    with torch.no_grad():
        comparison.linear.weight.copy_(torch.arange(18.0).reshape(3, 6))
        comparison.linear.bias.copy_(torch.tensor([0.0, 1.0, 2.0]))
    logits = comparison(torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, -2.0]]))
    concatenated = [1.0, 2.0, 4.0, -2.0, 3.0, 4.0]
    assert logits.tolist() == [[dot(concatenated, list(range(6 * k, 6 * k + 6))) + k for k in range(3)]]
    assert not comparison.symmetric


def test_concatenation_has_no_map() -> None:
    with pytest.raises(UsageError, match="Concatenation has no dense map"):
        Concatenation(8, 2).dense(torch.zeros(1, 1, 2, 2, 2), torch.zeros(1, 2, 4, 4))


def test_concatenation_is_of_one_dimension() -> None:
    with pytest.raises(UsageError, match="embeddings of 3 components do not fit a Concatenation of 8"):
        Concatenation(8, 2)(torch.zeros(1, 3), torch.zeros(1, 3))


@pytest.mark.parametrize(("u", "v"), [((2, 3), (2, 4)), ((2, 3), (1, 3)), ((3,), (3,)), ((2, 3, 1, 1), (2, 3, 1, 1))])
def test_vectors_must_be_of_one_shape(u: tuple[int, ...], v: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"cannot be compared: both must be \(B, D\)"):
        DotProduct()(torch.zeros(u), torch.zeros(v))


def test_a_matrix_is_of_vectors_of_one_dimension() -> None:
    with pytest.raises(UsageError, match=r"shapes \(2, 3\) and \(5, 4\) cannot be compared"):
        DotProduct().matrix(torch.zeros(2, 3), torch.zeros(5, 4))


@pytest.mark.parametrize(
    ("kernels", "features", "message"),
    [
        ((2, 1, 3, 2, 2), (2, 4, 5, 5), "kernels of 3 channels cannot be compared with features of 4"),
        ((2, 1, 3, 6, 2), (2, 3, 5, 5), r"kernels of \(6, 2\) cells do not fit into features of \(5, 5\)"),
        ((2, 1, 3, 2, 2), (1, 3, 5, 5), r"give \(B, S, C, h, w\) and \(B, C, H, W\)"),
        ((2, 3, 2, 2), (2, 3, 5, 5), r"give \(B, S, C, h, w\) and \(B, C, H, W\)"),
    ],
)
def test_maps_need_kernels_that_fit(kernels: tuple[int, ...], features: tuple[int, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Euclidean().dense(torch.zeros(kernels), torch.zeros(features))


def test_an_unknown_comparison_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown comparison 'manhatan', did you mean 'manhattan'"):
        create_comparison("manhatan")
