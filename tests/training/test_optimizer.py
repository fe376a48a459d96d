"""Schedules, groups of parameters and the moving average."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from siamtrack.errors import RecipeError
from siamtrack.training.optimizer import freeze, make_optimizer, rate_at, training_mode, update_average
from siamtrack.training.recipe import ModelSettings, OptimizerSettings


class Toy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.neck = nn.Conv2d(4, 2, 1)


def settings(**changes: object) -> OptimizerSettings:
    return OptimizerSettings.model_validate(changes)


def test_the_papers_schedule_falls_geometrically() -> None:
    plan = settings(learning_rate=1e-2, final_learning_rate=1e-5)
    factors = [rate_at(step, 51, plan) for step in range(51)]
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(1e-3)
    ratios = [after / before for before, after in itertools.pairwise(factors)]
    assert ratios == pytest.approx([1e-3 ** (1 / 50)] * 50)


def test_cosine_falls_from_one_to_the_final_rate_after_the_warm_up() -> None:
    plan = settings(learning_rate=1.0, final_learning_rate=0.1, schedule="cosine", warmup_steps=10)
    assert rate_at(0, 101, plan) == pytest.approx(0.1)
    assert rate_at(50, 101, plan) == pytest.approx(0.55)
    assert rate_at(100, 101, plan) == pytest.approx(0.1)
    assert rate_at(500, 101, plan) == pytest.approx(0.1)  # a longer run than planned stays there


def test_groups_follow_the_longest_prefix_and_only_weights_decay() -> None:
    toy = Toy()
    plan = settings(learning_rate=1.0, weight_decay=0.5, learning_rate_factors={"trunk": 0.1, "trunk.1": 0.01})
    groups = make_optimizer(toy, plan).param_groups
    found = {id(p): (group["initial_lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert found[id(toy.trunk[0].weight)] == (0.1, 0.5)
    assert found[id(toy.trunk[0].bias)] == (0.1, 0.0)
    assert found[id(toy.trunk[1].weight)] == (0.01, 0.0)
    assert found[id(toy.neck.weight)] == (1.0, 0.5)


def test_what_is_frozen_gets_no_gradient_and_keeps_its_statistics() -> None:
    toy = Toy()
    chosen = ModelSettings(name="toy", architecture="lite0", frozen=("trunk.0",), freeze_batch_norm=True)
    freeze(toy, chosen)
    training_mode(toy, chosen)
    before = toy.trunk[1].running_mean.clone()
    toy.neck(toy.trunk(torch.randn(2, 3, 8, 8))).sum().backward()
    assert [name for name, parameter in toy.named_parameters() if parameter.grad is not None] == [
        "neck.weight",
        "neck.bias",
    ]
    assert torch.equal(toy.trunk[1].running_mean, before)


def test_a_prefix_that_fits_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="'trunc' is the beginning of no parameter"):
        freeze(Toy(), ModelSettings(name="toy", architecture="lite0", frozen=("trunc",)))


def test_the_average_moves_by_its_decay_and_copies_counters() -> None:
    average = {"w": torch.tensor([1.0, 3.0]), "n": torch.tensor(4)}
    update_average(average, [("w", torch.tensor([2.0, 1.0])), ("n", torch.tensor(9))], 0.75)
    assert average["w"].tolist() == [1.25, 2.5]
    assert int(average["n"]) == 9


def test_a_rate_factor_that_fits_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="'trunc' is the beginning of no parameter"):
        make_optimizer(Toy(), settings(learning_rate_factors={"trunc": 0.1}))
