"""The objective of a batch, against single forward passes."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from siamtrack.losses.box import box_loss
from siamtrack.losses.labels import disc_labels, grid_offsets
from siamtrack.losses.logistic import balanced_logistic_loss
from siamtrack.models.network import BoxNetwork
from siamtrack.models.registry import create_network
from siamtrack.training.dataset import Batch
from siamtrack.training.objective import objective
from siamtrack.training.recipe import LossSettings


def random_batch(groups: list[int], search_groups: list[int]) -> Batch:
    generator = torch.Generator().manual_seed(1)
    count = len(groups)
    return Batch(
        torch.randint(0, 256, (count, 1, 3, 127, 127), generator=generator, dtype=torch.uint8),
        torch.randint(0, 256, (count, 3, 159, 159), generator=generator, dtype=torch.uint8),
        torch.tensor([[79.5, 79.5]] * count),
        torch.zeros(count),
        torch.tensor([[60.0, 50.0]] * count),
        torch.tensor([[50.0, 60.0]] * count),
        torch.tensor(groups),
        torch.tensor(search_groups),
    )


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    made = create_network("alexnet_v1", torch.Generator().manual_seed(0))
    # Statistics of batch norm, then evaluation mode: samples no longer depend on their batch.
    made.train()
    with torch.no_grad():
        for _ in range(30):
            made.backbone(255 * torch.rand(2, 3, 127, 127))
    return made.eval()


def test_own_maps_are_those_of_the_network(network: torch.nn.Module) -> None:
    batch = random_batch([1, 2], [1, 2])
    found = objective(network, batch, LossSettings(logistic=2.0))
    logits = network(batch.exemplars.float(), batch.searches.float())[:, 0]
    offsets = grid_offsets(batch.centers, logits.shape[-1], 8, 159)
    expected = balanced_logistic_loss(logits, disc_labels(offsets, 16.0))
    assert float(found.logistic.detach()) == pytest.approx(float(expected), rel=1e-4)
    assert float(found.loss.detach()) == pytest.approx(2 * float(expected), rel=1e-4)


def test_negatives_are_the_maps_of_other_groups_only(network: torch.nn.Module) -> None:
    hardest = LossSettings(batch_negatives=1.0, hard_negatives=1)
    batch = random_batch([1, 2], [1, 2])
    found = objective(network, batch, hardest).negatives
    crossed = [
        network(batch.exemplars[k : k + 1].float(), batch.searches[x : x + 1].float()).max()
        for k, x in ((0, 1), (1, 0))
    ]
    expected = sum(math.log1p(math.exp(-abs(float(v)))) + max(float(v), 0) for v in crossed) / 2
    assert float(found.detach()) == pytest.approx(expected, rel=1e-4)
    assert float(objective(network, random_batch([1, 1], [1, 1]), hardest).negatives) == 0


def test_a_pair_of_unknown_scale_is_ranked_by_the_middle_one_alone(network: torch.nn.Module) -> None:
    # Three scales of the exemplar, in two pairs: the first of unknown scale, the second one step larger.
    generator = torch.Generator().manual_seed(3)
    batch = dataclasses.replace(
        random_batch([1, 2], [1, 2]),
        exemplars=torch.randint(0, 256, (2, 3, 3, 127, 127), generator=generator, dtype=torch.uint8),
        scales=torch.tensor([math.nan, 1.0]),
    )
    sigma = 0.5
    found = objective(network, batch, LossSettings(ranking=1.0, ranking_sigma=4.0, scale_sigma=sigma)).ranking
    logits = network(batch.exemplars.float(), batch.searches.float()).double()
    cells = logits.shape[-1]
    offsets = 8 * (torch.arange(cells).double() - (cells - 1) / 2)
    near = torch.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 4.0**2))
    near /= near.sum()
    weights = torch.tensor([math.exp(-((step - 1) ** 2) / (2 * sigma**2)) for step in (-1, 0, 1)]).double()
    weights /= weights.sum()
    losses = []
    for pair, (chosen, target) in enumerate([(slice(1, 2), near[None]), (slice(0, 3), weights[:, None, None] * near)]):
        foreign = network(batch.exemplars[pair : pair + 1, 1].float(), batch.searches[1 - pair][None].float())
        rivals = torch.cat([logits[pair, chosen].flatten(), foreign.double().flatten()])
        losses.append(torch.logsumexp(rivals, 0) - (target * logits[pair, chosen]).sum())
    assert float(found.detach()) == pytest.approx(float(sum(losses) / 2), rel=1e-4)


def test_boxes_are_read_from_the_middle_exemplar() -> None:
    network = create_network("lite0_box", torch.Generator().manual_seed(0)).eval()
    assert isinstance(network, BoxNetwork)
    torch.nn.init.normal_(network.box_head.read.weight, std=0.1)
    generator = torch.Generator().manual_seed(3)
    exemplars = torch.randint(0, 256, (2, 3, 3, 128, 128), generator=generator, dtype=torch.uint8)
    batch = dataclasses.replace(random_batch([1, 2], [1, 2]), exemplars=exemplars)
    batch = dataclasses.replace(
        batch,
        searches=torch.randint(0, 256, (2, 3, 192, 192), generator=generator, dtype=torch.uint8),
        centers=torch.tensor([[96.0, 96.0], [100.0, 90.0]]),
    )
    settings = LossSettings(logistic=0, box=2)
    found = objective(network, batch, settings)
    _, exemplar_levels = network.embed_levels(exemplars[:, 1].float())
    _, levels = network.embed_levels(batch.searches.float())
    read = network.read_boxes(network.box_kernel(exemplar_levels), levels, batch.exemplar_sizes)
    cells = grid_offsets(batch.centers, read.quality.shape[-1], 8, 192)
    expected = box_loss(read, batch.exemplar_sizes, cells, batch.sizes, settings.box_radius)
    assert float(found.box.detach()) == pytest.approx(float(expected.loss.detach()), rel=1e-4)
    assert float(found.loss.detach()) == pytest.approx(2 * float(expected.loss.detach()), rel=1e-4)
    assert float(found.overlap) == pytest.approx(float(expected.overlap), rel=1e-4)


def test_center_error_is_in_pixels_of_the_search_crop(network: torch.nn.Module) -> None:
    batch = random_batch([1], [1])
    logits = network(batch.exemplars.float(), batch.searches.float())[0, 0]
    row, column = divmod(int(logits.argmax()), logits.shape[-1])
    middle = (logits.shape[-1] - 1) / 2
    expected = 8 * math.hypot(row - middle, column - middle)
    assert float(objective(network, batch, LossSettings()).center_error) == pytest.approx(expected, abs=1e-3)
