"""Which precision a run computes in."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import create_network
from siamtrack.runtime.winograd import TrainableWinogradConv2d
from siamtrack.training import precision
from siamtrack.training.precision import choose_precision, prepare_for_training
from siamtrack.training.recipe import Recipe, TrainingPrecision, WantedPrecision, read_recipe

CPU = torch.device("cpu")
BOTH: tuple[TrainingPrecision, ...] = ("float32", "bfloat16")


def recipe_in(wanted: WantedPrecision) -> Recipe:
    return read_recipe("siamfc-alexnet").in_precision(wanted)


@pytest.fixture
def network() -> TrackingNetwork:
    return create_network("alexnet_v1", torch.Generator().manual_seed(0))


@pytest.mark.parametrize("slow", BOTH)
def test_auto_takes_the_faster_one(
    slow: TrainingPrecision, network: TrackingNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0

    def pass_through(network: nn.Module, crops: torch.Tensor, wanted: TrainingPrecision) -> None:
        nonlocal now
        now += 2 if wanted == slow else 1

    monkeypatch.setattr("siamtrack.training.precision.time.perf_counter", lambda: now)
    monkeypatch.setattr(precision, "training_precisions", lambda device: BOTH)
    monkeypatch.setattr(precision, "_pass", pass_through)
    (fast,) = set(BOTH) - {slow}
    assert choose_precision(network, recipe_in("auto"), CPU) == fast


def test_auto_is_float32_where_there_is_nothing_else(network: TrackingNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "training_precisions", lambda device: ("float32",))
    assert choose_precision(network, recipe_in("auto"), CPU) == "float32"


def test_a_backbone_that_is_frozen_can_be_tried(network: TrackingNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "training_precisions", lambda device: BOTH)
    monkeypatch.setattr(precision, "CROPS", 1)
    network.backbone.requires_grad_(False)
    assert choose_precision(network, recipe_in("auto"), CPU) in BOTH


def test_trying_leaves_the_network_as_it_is(network: TrackingNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    monkeypatch.setattr(precision, "training_precisions", lambda device: BOTH)
    monkeypatch.setattr(precision, "CROPS", 1)
    assert choose_precision(network, recipe_in("auto"), CPU) in BOTH
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("wanted", BOTH)
def test_a_precision_that_is_named_is_taken_unseen(
    wanted: TrainingPrecision, network: TrackingNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_pass", lambda *_: pytest.fail("nothing was to be measured"))
    assert choose_precision(network, recipe_in(wanted), CPU) == wanted


@pytest.mark.parametrize(("wanted", "filtered"), [("float32", 4), ("bfloat16", 0)])
def test_convolutions_are_filtered_in_float32_only(
    wanted: TrainingPrecision, filtered: int, network: TrackingNetwork
) -> None:
    prepare_for_training(network, CPU, wanted)
    assert sum(isinstance(module, TrainableWinogradConv2d) for module in network.modules()) == filtered
