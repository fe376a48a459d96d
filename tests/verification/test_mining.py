"""Miners, against a triple loop and pytorch-metric-learning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.miners import BatchHardMiner, TripletMarginMiner
from torch import Tensor

from siamtrack.errors import UsageError
from siamtrack.models.comparisons import Euclidean
from siamtrack.verification.mining import batch_all, batch_hard, random_triplets, semi_hard

Triplets = list[tuple[int, int, int]]

MARGIN = 0.3
MINERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "batch_all": batch_all,
    "batch_hard": batch_hard,
    "semi_hard": lambda distances, classes: semi_hard(distances, classes, MARGIN),
    "random": lambda _, classes: random_triplets(classes, torch.Generator().manual_seed(0)),
}
every_miner = pytest.mark.parametrize("miner", MINERS.values(), ids=MINERS.keys())
batches = st.lists(st.integers(0, 3), min_size=1, max_size=9)
seeds = st.integers(0, 2**31)


def every_triplet(classes: list[int]) -> Triplets:
    """The triple loop."""
    found = []
    for anchor, own in enumerate(classes):
        for positive, other in enumerate(classes):
            for negative, foreign in enumerate(classes):
                if positive != anchor and other == own and foreign != own:
                    found.append((anchor, positive, negative))
    return found


def draw(count: int, seed: int) -> Tensor:
    """Distances that are not symmetric, such as those of two different branches."""
    return torch.rand(count, count, generator=torch.Generator().manual_seed(seed))


def listed(triplets: Tensor) -> Triplets:
    assert triplets.dtype == torch.int64
    assert triplets.shape == (len(triplets), 3)
    return [tuple(row) for row in triplets.tolist()]


@given(classes=batches, seed=seeds)
@settings(max_examples=60, deadline=None)
def test_batch_all_is_the_triple_loop(classes: list[int], seed: int) -> None:
    assert listed(batch_all(draw(len(classes), seed), torch.tensor(classes))) == every_triplet(classes)


@given(classes=batches, seed=seeds, margin=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_semi_hard_are_those_of_the_loop_within_the_margin(classes: list[int], seed: int, margin: float) -> None:
    distances = draw(len(classes), seed)
    expected = [
        (a, p, n) for a, p, n in every_triplet(classes) if 0 < float(distances[a, n] - distances[a, p]) < margin
    ]
    assert listed(semi_hard(distances, torch.tensor(classes), margin)) == expected


@given(classes=batches, seed=seeds)
@settings(max_examples=60, deadline=None)
def test_batch_hard_are_the_worst_of_the_loop_for_every_anchor(classes: list[int], seed: int) -> None:
    distances = draw(len(classes), seed)
    worst: dict[int, tuple[int, int, int]] = {}
    for a, p, n in every_triplet(classes):
        _, best_p, best_n = worst.get(a, (a, p, n))
        farther = p if distances[a, p] > distances[a, best_p] else best_p
        nearer = n if distances[a, n] < distances[a, best_n] else best_n
        worst[a] = (a, farther, nearer)
    assert listed(batch_hard(distances, torch.tensor(classes))) == list(worst.values())


@given(classes=batches, seed=seeds)
@settings(max_examples=60, deadline=None)
def test_random_triplets_are_triplets_one_for_every_anchor(classes: list[int], seed: int) -> None:
    every = every_triplet(classes)
    found = listed(random_triplets(torch.tensor(classes), torch.Generator().manual_seed(seed)))
    assert set(found) <= set(every)
    assert [anchor for anchor, _, _ in found] == sorted({anchor for anchor, _, _ in every})


def test_random_triplets_are_equally_likely_and_come_from_the_generator_alone() -> None:
    classes = torch.tensor([0, 0, 0, 1, 1])
    generator = torch.Generator().manual_seed(0)
    drawn = [listed(random_triplets(classes, generator)) for _ in range(2000)]
    counts = Counter(triplets[0] for triplets in drawn)  # of the first anchor: two positives, two negatives
    assert set(counts) == {(0, p, n) for p in (1, 2) for n in (3, 4)}
    assert max(abs(count / 2000 - 0.25) for count in counts.values()) < 0.05
    assert drawn[0] == listed(random_triplets(classes, torch.Generator().manual_seed(0)))


def embedded(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(16, 4, generator=generator, dtype=torch.float64)
    classes = torch.randint(0, 4, (16,), generator=generator)
    return embeddings, classes, Euclidean().matrix(embeddings, embeddings)


@pytest.mark.parametrize("seed", range(3))
def test_batch_hard_is_pytorch_metric_learnings(seed: int) -> None:
    embeddings, classes, distances = embedded(seed)
    expected = BatchHardMiner(distance=LpDistance(normalize_embeddings=False))(embeddings, classes)
    assert listed(batch_hard(distances, classes)) == listed(torch.stack(expected, dim=1))


@pytest.mark.parametrize("seed", range(3))
def test_semi_hard_is_pytorch_metric_learnings(seed: int) -> None:
    embeddings, classes, distances = embedded(seed)
    miner = TripletMarginMiner(0.4, "semihard", distance=LpDistance(normalize_embeddings=False))
    assert listed(semi_hard(distances, classes, 0.4)) == listed(torch.stack(miner(embeddings, classes), dim=1))


@every_miner
@pytest.mark.parametrize("classes", [[], [0], [0, 0, 0], [0, 1, 2]], ids=str)
def test_a_batch_without_triplets_gives_none(miner: Callable[[Tensor, Tensor], Tensor], classes: list[int]) -> None:
    labels = torch.tensor(classes, dtype=torch.int64)
    assert listed(miner(draw(len(classes), 0), labels)) == []


@every_miner
def test_indices_have_no_gradient(miner: Callable[[Tensor, Tensor], Tensor]) -> None:
    distances = draw(6, 0).requires_grad_()
    assert not miner(distances, torch.tensor([0, 0, 1, 1, 2, 2])).requires_grad


@pytest.mark.parametrize("name", ["batch_all", "batch_hard", "semi_hard"])
def test_distances_must_be_of_all_pairs(name: str) -> None:
    with pytest.raises(UsageError, match=r"distances of shape \(3, 4\) do not fit 3 classes"):
        MINERS[name](torch.zeros(3, 4), torch.zeros(3))


@every_miner
def test_classes_must_be_a_row(miner: Callable[[Tensor, Tensor], Tensor]) -> None:
    with pytest.raises(UsageError, match=r"classes of shape \(3, 1\) cannot be mined"):
        miner(torch.zeros(3, 3), torch.zeros(3, 1))


def test_semi_hard_needs_a_margin_of_0_or_more() -> None:
    with pytest.raises(UsageError, match="a margin of -1"):
        semi_hard(torch.zeros(2, 2), torch.tensor([0, 1]), -1)
