"""Trackers whose exemplar is embedded with weights of its own, from the network to the file and the tracker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from siamtrack.config import OnlineFilterSettings, TemplateUpdateSettings, TrackingSettings
from siamtrack.errors import UsageError, WeightsError
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.models.cards import ModelCard
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import Design, build_network, create_network, find_model
from siamtrack.models.weights import load_network, read_card, save_network
from siamtrack.runtime.autotune import probe
from siamtrack.runtime.fused import prepare_for_inference
from siamtrack.runtime.pytorch import AT_ONCE, TorchBackend
from siamtrack.tracking.factory import load
from siamtrack.tracking.tracker import Tracker
from siamtrack.workflows.export import export

UNSHARED = Design("lite0", shared=False)


@pytest.fixture
def unshared() -> TrackingNetwork:
    """A network whose branches differ, as they do once they are trained."""
    network = create_network(UNSHARED, torch.Generator().manual_seed(0)).eval()
    assert network.exemplar_backbone is not None
    network.exemplar_backbone.initialize(torch.Generator().manual_seed(1))
    torch.nn.init.normal_(network.exemplar_branch.neck.shallow.weight, generator=torch.Generator().manual_seed(2))
    return network


def images(side: int = 96, count: int = 1) -> torch.Tensor:
    return 255 * torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(5))


def save(network: TrackingNetwork, design: Design, folder: Path) -> Path:
    path = folder / "made.safetensors"
    architecture, shared, comparison = design
    tracking = TrackingSettings(scale_search="exemplar")
    card = ModelCard(name="made", architecture=architecture, shared=shared, comparison=comparison, tracking=tracking)
    save_network(path, network, card)
    return path


def test_branches_start_as_one_and_are_two() -> None:
    network = create_network(UNSHARED, torch.Generator().manual_seed(0)).eval()
    assert network.branches == (network.backbone, network.exemplar_backbone)
    shared = create_network("lite0", torch.Generator().manual_seed(0)).eval()
    crops = images(128)
    with torch.no_grad():
        assert torch.equal(network(crops, crops), shared(crops, crops))
        network.backbone.neck.deep.weight.zero_()
    assert network.exemplar_branch.neck.deep.weight.any()


def test_the_comparison_is_symmetric_iff_branches_are_shared(unshared: TrackingNetwork) -> None:
    shared = create_network("lite0", torch.Generator().manual_seed(0)).eval()
    one, other = images(count=2).split(1)
    for network, symmetric in ((shared, True), (unshared, False)):
        with torch.no_grad():
            # Without its margin the exemplar is as large as the search region is: a map of a single cell.
            first, second = (
                network.head(network.exemplar_branch(a)[:, None], network.backbone(b))
                for a, b in ((one, other), (other, one))
            )
        assert torch.allclose(first, second, atol=1e-4) is symmetric


def test_every_parameter_of_both_branches_gets_a_gradient(unshared: TrackingNetwork) -> None:
    crops = images(128)
    out = unshared(crops[..., :96, :96], crops)
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    without = [name for name, value in unshared.named_parameters() if value.grad is None]
    assert without == []
    assert unshared.exemplar_branch.neck.deep.weight.grad is not None
    assert unshared.exemplar_branch.neck.deep.weight.grad.any()


def test_a_network_that_reads_boxes_shares_its_branches() -> None:
    with pytest.raises(UsageError, match="lite0_box reads boxes from shared branches only"):
        build_network(Design("lite0_box", shared=False))


def test_the_file_keeps_both_branches(unshared: TrackingNetwork, tmp_path: Path) -> None:
    path = save(unshared, UNSHARED, tmp_path)
    network, card = load_network(path)
    assert card.design == UNSHARED
    assert str(card.design) == "lite0 with unshared branches"
    state = network.state_dict()
    assert state.keys() == unshared.state_dict().keys()
    assert all(torch.equal(value, state[name]) for name, value in unshared.state_dict().items())


def test_weights_and_card_must_agree(unshared: TrackingNetwork, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"does not fit lite0: unexpected exemplar_backbone"):
        save(unshared, Design("lite0"), tmp_path)
    shared = create_network("lite0", torch.Generator().manual_seed(0))
    with pytest.raises(WeightsError, match=r"does not fit lite0 with unshared branches, by cosine: missing exemplar_"):
        save(shared, Design("lite0", shared=False, comparison="cosine"), tmp_path)


def test_an_unknown_comparison_in_a_card_is_named(unshared: TrackingNetwork, tmp_path: Path) -> None:
    path = save(unshared, UNSHARED, tmp_path)
    path.write_bytes(path.read_bytes().replace(b'comparison\\":\\"dot', b'comparison\\":\\"dit'))
    with pytest.raises(WeightsError, match="comparison: Input should be 'dot', 'cosine'"):
        read_card(path)


def test_cards_of_before_mean_shared_branches_that_are_correlated() -> None:
    known = read_card(find_model("siamtrack-lite")).model_dump(mode="json")
    old = {name: value for name, value in known.items() if name not in ("shared", "comparison")}
    assert ModelCard.model_validate(old).design == Design("lite0")
    assert ModelCard.model_validate_json(json.dumps({"name": "old", "architecture": "lite0"})).design == Design("lite0")


def test_prepared_for_tracking_it_answers_the_same(unshared: TrackingNetwork) -> None:
    prepared = prepare_for_inference(unshared, "cpu")
    crops = images(128)
    with torch.no_grad():
        expected, found = (each(crops[..., :96, :96], crops) for each in (unshared, prepared))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_a_tracker_embeds_the_exemplar_with_its_own_weights(unshared: TrackingNetwork) -> None:
    backend = TorchBackend(unshared)
    exemplar, search = probe(backend)
    many = exemplar.repeat(AT_ONCE + 1, axis=0)
    with torch.no_grad():
        crops = torch.from_numpy(many).permute(0, 3, 1, 2).float()
        kernels = unshared.embed_exemplar(crops)
        features = unshared.embed_search(torch.from_numpy(search).permute(0, 3, 1, 2).float())
    found = backend.cut_margin(backend.embed_exemplars(backend.upload(many)).features)
    torch.testing.assert_close(found, kernels, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(found, backend.cut_margin(backend.embed(backend.upload(many)).features), atol=0.1)
    torch.testing.assert_close(backend.embed(backend.upload(search)).features, features, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("design", [UNSHARED, Design("lite0", comparison="euclidean")])
def test_a_rendered_target_is_followed(design: Design, tmp_path: Path) -> None:
    """With ImageNet's features as the shipped model has them, in a network of another design."""
    shipped, _ = load_network(find_model("siamtrack-lite"))
    network = build_network(design).eval()
    for branch in network.branches:
        branch.load_state_dict(shipped.backbone.state_dict())
    made, card = load_network(save(network, design, tmp_path))
    tracker = Tracker(made, card.tracking)
    (first, (box,)), *rest = SyntheticClip(240, 180, 10)
    tracker.init(first, box)
    for frame, (truth,) in rest:
        found = tracker.update(frame).box
        assert abs(found.x + found.width / 2 - truth.x - truth.width / 2) < 6
        assert abs(found.y + found.height / 2 - truth.y - truth.height / 2) < 6


def test_no_filter_is_learnt_for_another_comparison() -> None:
    network = create_network(Design("lite0", comparison="euclidean")).eval()
    settings = TrackingSettings(scale_search="exemplar", online_filter=OnlineFilterSettings())
    with pytest.raises(UsageError, match="this network compares by euclidean: track without it"):
        Tracker(network, settings)


@pytest.mark.parametrize("design", [UNSHARED, Design("lite0", comparison="cosine")])
def test_exporting_is_refused(design: Design, tmp_path: Path) -> None:
    path = save(create_network(design, torch.Generator().manual_seed(0)), design, tmp_path)
    with pytest.raises(UsageError, match="runs on PyTorch only: shared branches and 'dot' are what can be exported"):
        export(str(path), format="openvino", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("design", [UNSHARED, Design("lite0", comparison="cosine")])
def test_it_runs_on_pytorch_where_no_runtime_is_named(
    design: Design, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIAMTRACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SIAMTRACK_RUNTIME", "auto")
    path = save(create_network(design, torch.Generator().manual_seed(0)), design, tmp_path)
    assert load(path, device="cpu").backend.runtime == "torch"
    assert not caplog.records
    with pytest.raises(UsageError, match="runs on PyTorch only"):
        load(path, device="cpu", runtime="openvino")


def test_a_template_is_renewed_with_the_weights_of_the_exemplar(unshared: TrackingNetwork) -> None:
    update = TemplateUpdateSettings(learning_rate=0.5, weight=0.5, interval=1, threshold=0)
    tracker = Tracker(unshared, TrackingSettings(uncertain_threshold=0, lost_threshold=0, template_update=update))
    seen: list[int] = []
    embed = tracker.backend.embed_exemplars
    tracker.backend.embed_exemplars = lambda images: (seen.append(len(images)), embed(images))[1]  # type: ignore[method-assign]
    (first, (box,)), (second, _) = SyntheticClip(240, 180, 2)
    tracker.init(first, box)
    tracker.update(second)
    assert len(seen) == 2
