"""Training of other members of the Siamese family: what a run starts with, and what it minimizes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from siamtrack.config import ComparisonName
from siamtrack.errors import RecipeError
from siamtrack.losses.contrastive import contrastive_map_loss
from siamtrack.losses.labels import disc_labels, grid_offsets
from siamtrack.losses.triplet import triplet_map_loss
from siamtrack.models.cards import ModelCard
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import Design, create_network
from siamtrack.models.weights import save_network
from siamtrack.training.dataset import Batch
from siamtrack.training.model import initial_network
from siamtrack.training.objective import objective
from siamtrack.training.recipe import LossSettings, Recipe, list_recipes, parse_recipe, read_recipe

FAMILY = [name for name in list_recipes() if name.startswith("family-")]


def recipe(model: str, loss: str = "") -> Recipe:
    text = f'[model]\nname = "mine"\narchitecture = "lite0"\n{model}\n[run]\nsteps = 2\n[loss]\n{loss}'
    return parse_recipe(text, "mine")


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Weights of shared branches whose head has learnt a scale."""
    network = create_network("lite0", torch.Generator().manual_seed(3))
    torch.nn.init.constant_(network.head.log_scale, 0.7)
    path = tmp_path / "trained.safetensors"
    save_network(path, network, ModelCard(name="trained", architecture="lite0"))
    return path


def test_unshared_branches_start_with_the_shared_weights(trained: Path) -> None:
    network, base = initial_network(recipe(f'shared = false\ninit = "{trained}"'))
    shared, _ = initial_network(recipe(f'init = "{trained}"'))
    assert base == {"name": "trained"}
    assert not network.shared
    for branch in network.branches:
        for name, value in shared.backbone.state_dict().items():
            assert torch.equal(branch.state_dict()[name], value)
    assert float(network.head.log_scale.detach()) == pytest.approx(0.7)


def test_another_comparison_starts_with_a_head_of_its_own(trained: Path) -> None:
    network, _ = initial_network(recipe(f'comparison = "euclidean"\ninit = "{trained}"'))
    fresh = create_network(Design("lite0", comparison="euclidean"))
    assert torch.equal(network.head.log_scale, fresh.head.log_scale)
    assert float(network.head.bias.detach()) == 12


def test_shared_branches_cannot_start_with_two(tmp_path: Path) -> None:
    design = Design("lite0", shared=False)
    path = tmp_path / "two.safetensors"
    save_network(path, create_network(design), ModelCard(name="two", architecture="lite0", shared=False))
    with pytest.raises(RecipeError, match="is of architecture lite0 with unshared branches, not lite0"):
        initial_network(recipe(f'init = "{path}"'))


@pytest.mark.parametrize("comparison", ["dot", "cosine", "exp_euclidean"])
def test_the_contrastive_loss_needs_a_distance(comparison: ComparisonName) -> None:
    message = f"loss.contrastive needs a distance: model.comparison is '{comparison}', take one of euclidean"
    with pytest.raises(RecipeError, match=message):
        recipe(f'comparison = "{comparison}"', "contrastive = 1")


def test_an_unknown_comparison_is_named() -> None:
    with pytest.raises(RecipeError, match=r"model\.comparison = 'hamming': Input should be 'dot', 'cosine'"):
        recipe('comparison = "hamming"')


def test_the_recipes_of_the_family_differ_in_what_they_compare_only() -> None:
    assert len(FAMILY) == 4
    first, *others = (read_recipe(name) for name in FAMILY)
    for other in others:
        for section in ("run", "tracking", "mix", "geometry", "photometric"):
            assert getattr(other, section) == getattr(first, section)
        assert other.model.init == first.model.init == "imagenet"
        assert other.optimizer.model_copy(update={"learning_rate_factors": {}}) == first.optimizer.model_copy(
            update={"learning_rate_factors": {}}
        )
        assert other.tracking.online_filter is None


def batch(scales: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(
        torch.randint(0, 256, (2, scales, 3, 128, 128), generator=generator, dtype=torch.uint8),
        torch.randint(0, 256, (2, 3, 160, 160), generator=generator, dtype=torch.uint8),
        torch.tensor([[80.0, 80.0], [90.0, 70.0]]),
        torch.zeros(2),
        torch.tensor([[60.0, 50.0]] * 2),
        torch.tensor([[50.0, 60.0]] * 2),
        torch.tensor([1, 2]),
        torch.tensor([1, 2]),
    )


def maps(network: TrackingNetwork, pairs: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Similarities without scale and bias of the middle exemplar, and labels."""
    middle = pairs.exemplars[:, pairs.exemplars.shape[1] // 2].float()
    kernels, features = network.embed_exemplar(middle), network.embed_search(pairs.searches.float())
    compared = network.head.compare(kernels[:, None], features)[:, 0]
    return compared, disc_labels(grid_offsets(pairs.centers, compared.shape[-1], 8, 160), 16.0)


@pytest.mark.parametrize("scales", [1, 3])
def test_the_contrastive_part_is_that_of_the_distances(scales: int) -> None:
    network = create_network(Design("lite0", comparison="euclidean"), torch.Generator().manual_seed(0)).eval()
    pairs = batch(scales)
    found = objective(network, pairs, LossSettings(logistic=0, contrastive=2, contrastive_margin=5))
    compared, labels = maps(network, pairs)
    expected = float(contrastive_map_loss(-compared, labels, margin=5).detach())
    assert float(found.contrastive.detach()) == pytest.approx(expected, rel=1e-4)
    assert float(found.loss.detach()) == pytest.approx(2 * expected, rel=1e-4)


@pytest.mark.parametrize(("margin", "hardest"), [(None, None), (1.0, 4)])
def test_the_triplet_part_is_that_of_the_logits(margin: float | None, hardest: int | None) -> None:
    design = Design("lite0", shared=False, comparison="squared_euclidean")
    network = create_network(design, torch.Generator().manual_seed(0)).eval()
    settings = LossSettings(logistic=0, triplet=3, triplet_margin=margin, triplet_negatives=hardest)
    pairs = batch()
    found = objective(network, pairs, settings)
    compared, labels = maps(network, pairs)
    expected = float(triplet_map_loss(network.head.respond(compared), labels, margin=margin, hardest=hardest).detach())
    assert float(found.triplet.detach()) == pytest.approx(expected, rel=1e-4)
    assert float(found.loss.detach()) == pytest.approx(3 * expected, rel=1e-4)


def test_batches_without_a_target_cost_no_triplet_and_leave_finite_gradients() -> None:
    network = create_network(Design("lite0", comparison="euclidean"), torch.Generator().manual_seed(0)).eval()
    nowhere = dataclasses.replace(batch(), centers=torch.full((2, 2), torch.nan))
    found = objective(network, nowhere, LossSettings(contrastive=1, triplet=1))
    assert float(found.triplet.detach()) == 0
    found.loss.backward()
    gradients = [value.grad for value in network.parameters() if value.grad is not None]
    assert gradients
    assert all(torch.isfinite(each).all() for each in gradients)
