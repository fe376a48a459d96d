from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from siamtrack.config import TrackingSettings
from siamtrack.errors import UsageError, WeightsError
from siamtrack.models.cards import ModelCard
from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.models.registry import create_network
from siamtrack.models.weights import from_efficientnet_lite0, from_siamfc_pytorch, load_network, read_card, save_network
from siamtrack.runtime.fused import prepare_for_inference

ARCHITECTURES = {"AlexNetV1": "alexnet_v1", "AlexNetV2": "alexnet_v2", "AlexNetV3": "alexnet_v3", "Lite0": "lite0"}


def card_of(architecture: str) -> ModelCard:
    return ModelCard(
        name="test",
        architecture=architecture,
        tracking=TrackingSettings(scales=5, scale_search="exemplar"),
        description="für Tests",
        training={"steps": 12, "data": [{"name": "clips", "license": "CC0"}], "minutes": 1.5},
        figures={"AO": {"dev": 0.5}},
        license="Apache-2.0",
        limits="all",
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A valid lite0 weights file."""
    path = tmp_path / "model.safetensors"
    save_network(path, create_network("lite0", torch.Generator().manual_seed(0)), card_of("lite0"))
    return path


def failure(read: Callable[[Path], object], path: Path) -> str:
    """The one-line message with which reading fails; it names the file."""
    with pytest.raises(WeightsError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_network_and_card_survive_the_round_trip(network: TrackingNetwork, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    suffix = "_box" if isinstance(network, BoxNetwork) else ""
    card = card_of(ARCHITECTURES[type(network.backbone).__name__] + suffix)
    save_network(path, network, card)
    loaded, loaded_card = load_network(path)
    path.unlink()  # the largest is 60 MB
    assert loaded_card == card
    state = loaded.state_dict()
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert not loaded.training
    assert all(parameter.requires_grad and not parameter.is_meta for parameter in loaded.parameters())


def test_read_card_is_the_card(saved: Path) -> None:
    assert read_card(saved) == card_of("lite0")


def test_half_precision_files_load_as_float32(saved: Path) -> None:
    state = {name: t.half() if t.is_floating_point() else t for name, t in load_file(saved).items()}
    half = saved.with_name("half.safetensors")
    save_file(state, half, {"card": card_of("lite0").model_dump_json()})
    loaded, _ = load_network(half)
    assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())


def test_loading_draws_no_random_numbers(saved: Path) -> None:
    before = torch.get_rng_state()
    load_network(saved)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("failing", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_save_leaves_the_old_file(
    saved: Path, monkeypatch: pytest.MonkeyPatch, failing: BaseException
) -> None:
    old = saved.read_bytes()

    def interrupt(_descriptor: int) -> None:
        raise failing

    monkeypatch.setattr(os, "fsync", interrupt)
    expected = WeightsError if isinstance(failing, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        save_network(saved, create_network("alexnet_v2"), card_of("alexnet_v2"))
    if isinstance(failing, OSError):
        assert str(caught.value) == f"{saved} cannot be written: No space left on device"
    assert saved.read_bytes() == old
    assert list(saved.parent.iterdir()) == [saved]


def test_saving_into_a_missing_folder_fails_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "model.safetensors"
    message = failure(lambda p: save_network(p, create_network("lite0"), card_of("lite0")), path)
    assert "No such file or directory" in message


def test_saving_under_a_foreign_card_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    failure(lambda p: save_network(p, create_network("lite0"), card_of("alexnet_v1")), path)
    folded = prepare_for_inference(create_network("lite0"), "cpu")
    assert "missing backbone" in failure(lambda p: save_network(p, folded, card_of("lite0")), path)
    with pytest.raises(UsageError, match="unknown architecture 'resnet'"):
        save_network(path, create_network("lite0"), card_of("resnet"))
    assert not path.exists()


def header(text: bytes, rest: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + rest


def with_card(card: object) -> bytes:
    return header(json.dumps({"__metadata__": {"card": card}}).encode())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"\x10\x00", "no safetensors file, or cut off (2 bytes)"),
        (b"just a text file, renamed by mistake\n", "no safetensors file"),
        ((2**63).to_bytes(8, "little") + b"{}", "no safetensors file"),
        ((200).to_bytes(8, "little") + b"{}", "no safetensors file, or cut off"),
        (header(b"{not json}"), "not JSON"),
        (header(b"\xff\xfe\xfd"), "not JSON"),
        (header(b"[" * 200_000), "not JSON"),
        (header(b"[1, 2]"), "not a JSON object"),
        (header(b"{}"), "has no model card: it was not written by siamtrack"),
        (header(b'{"__metadata__": 3}'), "has no model card"),
        (header(b'{"__metadata__": {"format": "pt"}}'), "has no model card"),
        (with_card(5), "has no model card"),
        (with_card("{"), "has a model card that cannot be read"),
        (with_card('{"name": "x"}'), "cannot be read: architecture: Field required"),
        # A card of a later version may say more: the file is judged by its tensors.
        (with_card('{"name": "x", "architecture": "lite0", "extra": 1}'), "does not fit lite0: missing"),
        (with_card('{"name": "x", "architecture": "lite0", "tracking": {"scales": 2}}'), "tracking: Value error"),
        (with_card('{"name": "x", "architecture": "resnet"}'), "unknown architecture 'resnet' (known: alexnet_v1"),
        (with_card('{"name": "x", "architecture": "lite0"}'), "does not fit lite0: missing"),
    ],
)
def test_damaged_and_foreign_files_say_what_is_wrong(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert expected in failure(load_network, path)
    if "does not fit" not in expected:  # the card alone is fine then
        assert expected in failure(read_card, path)


@pytest.mark.parametrize("name", ["missing.safetensors", "missing.pth"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    for read in (load_network, read_card):
        assert "No such file or directory" in failure(read, tmp_path / name)


@pytest.mark.parametrize("name", ["folder.safetensors", "folder.pth"])
def test_a_folder_is_no_weights_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    for read in (load_network, read_card):
        assert "directory" in failure(read, tmp_path / name).lower()


def test_a_file_cut_off_in_the_tensors_is_corrupt(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-1000])
    assert read_card(saved).architecture == "lite0"
    assert "is corrupt" in failure(load_network, saved)


def rewritten(path: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    """A file with the tensors changed and the card of lite0."""
    state = load_file(path)
    change(state)
    save_file(state, path, {"card": card_of("lite0").model_dump_json()})
    return path


def test_missing_tensors_are_named(saved: Path) -> None:
    path = rewritten(saved, lambda state: [state.pop(name) for name in ("head.bias", "backbone.neck.deep.weight")])
    message = failure(load_network, path)
    assert message.endswith("does not fit lite0: missing backbone.neck.deep.weight, head.bias")


def test_unexpected_tensors_are_named(saved: Path) -> None:
    path = rewritten(saved, lambda state: state.update({"backbone.fc.weight": torch.zeros(2)}))
    assert failure(load_network, path).endswith("does not fit lite0: unexpected backbone.fc.weight")


def test_tensors_of_another_shape_are_named(saved: Path) -> None:
    path = rewritten(saved, lambda state: state.update({"head.bias": torch.zeros(2, 3)}))
    assert failure(load_network, path).endswith("of another shape: head.bias is 2x3 instead of a scalar")


def test_tensors_of_another_type_are_named(saved: Path) -> None:
    path = rewritten(saved, lambda state: state.update({"head.bias": torch.tensor(1)}))
    assert failure(load_network, path).endswith("of another type: head.bias is torch.int64")


def test_a_long_list_of_tensors_is_cut(saved: Path) -> None:
    def keep_head(state: dict[str, Tensor]) -> None:
        for name in [name for name in state if not name.startswith("head.")]:
            del state[name]

    message = failure(load_network, rewritten(saved, keep_head))
    assert message.endswith(" more")
    assert len(message) < 400


# Checkpoints of siamfc-pytorch


def siamfc_state(variant: str, seed: int = 0) -> dict[str, Tensor]:
    """A state dict as that project's code would write it, from its layer table."""
    channels, groups, last = {
        "alexnet_v1": ((96, 256, 384, 384, 256), 2, False),
        "alexnet_v2": ((96, 256, 384, 384, 32), 2, False),
        "alexnet_v3": ((192, 512, 768, 768, 512), 1, True),
    }[variant]
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    cin = 3
    for i, (cout, kernel) in enumerate(zip(channels, (11, 5, 3, 3, 3), strict=True), 1):
        width = cin // (groups if i in {2, 4, 5} else 1)
        scale = (2 / (width * kernel**2)) ** 0.5
        state[f"backbone.conv{i}.0.weight"] = torch.randn(cout, width, kernel, kernel, generator=generator) * scale
        state[f"backbone.conv{i}.0.bias"] = torch.randn(cout, generator=generator) * 0.1
        if i < 5 or last:
            state[f"backbone.conv{i}.1.weight"] = torch.rand(cout, generator=generator) + 0.5
            state[f"backbone.conv{i}.1.bias"] = torch.randn(cout, generator=generator) * 0.1
            state[f"backbone.conv{i}.1.running_mean"] = torch.randn(cout, generator=generator)
            state[f"backbone.conv{i}.1.running_var"] = torch.rand(cout, generator=generator) + 0.5
            state[f"backbone.conv{i}.1.num_batches_tracked"] = torch.tensor(7)
        cin = cout
    return state


def siamfc_embedding(state: Mapping[str, Tensor], x: Tensor, second_pool: int) -> Tensor:
    """The forward pass of that project, spelled out."""
    for i in range(1, 6):
        name = f"backbone.conv{i}"
        weight = state[f"{name}.0.weight"]
        x = F.conv2d(
            x,
            weight,
            state[f"{name}.0.bias"],
            stride=2 if i == 1 else 1,
            groups=x.shape[1] // weight.shape[1],
        )
        if f"{name}.1.weight" in state:
            mean, var, gamma, beta = (
                state[f"{name}.1.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
            )
            x = (x - mean) / torch.sqrt(var + 1e-6) * gamma + beta
        if i < 5:
            x = x.relu()
        if i < 3:
            x = F.max_pool2d(x, 3, 2 if i == 1 else second_pool)
    return x


@pytest.mark.parametrize(("variant", "second_pool"), [("alexnet_v1", 2), ("alexnet_v2", 1), ("alexnet_v3", 2)])
def test_a_siamfc_checkpoint_gives_that_projects_responses(tmp_path: Path, variant: str, second_pool: int) -> None:
    state = siamfc_state(variant)
    path = tmp_path / "siamfc_alexnet_e50.pth"
    torch.save(state, path)
    network, card = from_siamfc_pytorch(path)
    path.unlink()
    assert (card.name, card.architecture) == ("siamfc_alexnet_e50", variant)
    assert card.tracking == TrackingSettings()
    assert not network.training
    generator = torch.Generator().manual_seed(1)
    exemplar, search = (torch.rand(1, 3, side, side, generator=generator) * 255 for side in (95, 127))
    with torch.no_grad():
        kernel = siamfc_embedding(state, exemplar, second_pool)
        features = siamfc_embedding(state, search, second_pool)
        torch.testing.assert_close(network(exemplar, search), F.conv2d(features, kernel) * 1e-3, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 50},
        lambda state: {"model": state},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {name: tensor for name, tensor in state.items() if "num_batches" not in name},
    ],
    ids=["state_dict", "model", "both", "module", "state_dict-module", "old-pytorch"],
)
def test_usual_wrappings_of_a_checkpoint_are_taken_off(
    tmp_path: Path, wrap: Callable[[dict[str, Tensor]], object]
) -> None:
    state = siamfc_state("alexnet_v2")
    path = tmp_path / "wrapped.pt"
    torch.save(wrap(state), path)
    network, card = load_network(path)
    assert card.architecture == "alexnet_v2"
    assert read_card(path) == card
    loaded = network.state_dict()
    floats = [name for name in state if "num_batches" not in name]
    assert all(torch.equal(loaded[name], state[name]) for name in floats)


def test_a_siamfc_checkpoint_becomes_a_weights_file(tmp_path: Path) -> None:
    source, target = tmp_path / "siamfc.pth", tmp_path / "siamfc.safetensors"
    torch.save(siamfc_state("alexnet_v2"), source)
    network, card = load_network(source)
    save_network(target, network, card)
    loaded, loaded_card = load_network(target)
    assert loaded_card == card
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), network.parameters(), strict=True))


class Foreign:
    """Something whose unpickling would run code."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("exit 1",)


@pytest.mark.parametrize("content", [Foreign(), {"state_dict": Foreign()}, nn.Linear(1, 1)])
def test_checkpoints_with_objects_are_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "foreign.pth"
    torch.save(content, path)
    assert "would run code; only tensors are read" in failure(load_network, path)


def test_a_plain_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.pth"
    path.write_bytes(pickle.dumps(Foreign(), protocol=2))
    assert "would run code; only tensors are read" in failure(load_network, path)


@pytest.mark.parametrize(
    "content", [b"", b"a text file\n", b"PK\x03\x04 not really", bytes(range(256)) * 20, header(b"{}")]
)
def test_files_that_are_no_checkpoint_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "noise.pth"
    path.write_bytes(content)
    assert "is no PyTorch checkpoint, or cut off" in failure(load_network, path)


def test_a_checkpoint_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "siamfc.pth"
    torch.save(siamfc_state("alexnet_v2"), path)
    path.write_bytes(path.read_bytes()[:100_000])
    assert "is no PyTorch checkpoint, or cut off" in failure(load_network, path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (torch.zeros(3), "holds no state dict but Tensor"),
        ([1, 2], "holds no state dict but list"),
        ({}, "holds no state dict but dict"),
        ({"epoch": 3}, "'epoch' is int, not a tensor"),
        ({"fc.weight": torch.zeros(2)}, "has no tensor 'backbone.conv5.0.weight': it is no checkpoint of siamfc"),
        (
            {"backbone.conv5.0.weight": torch.zeros(7, 2, 3, 3)},
            "is 7x2x3x3, which is none of 256x192x3x3 of alexnet_v1",
        ),
    ],
)
def test_other_checkpoints_say_what_they_are_not(tmp_path: Path, content: object, expected: str) -> None:
    path = tmp_path / "other.pth"
    torch.save(content, path)
    assert expected in failure(load_network, path)


def test_an_incomplete_siamfc_checkpoint_names_its_tensors(tmp_path: Path) -> None:
    state = siamfc_state("alexnet_v2")
    del state["backbone.conv3.1.running_var"]
    state["backbone.conv1.0.bias"] = torch.zeros(95)
    path = tmp_path / "siamfc.pth"
    torch.save(state, path)
    message = failure(load_network, path)
    assert "missing backbone.conv3.1.running_var" in message
    assert "backbone.conv1.0.bias is 95 instead of 96" in message


def test_a_file_that_is_not_efficientnet_lite0_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(siamfc_state("alexnet_v2"), path)
    assert "does not fit lite0: missing backbone.blocks.0" in failure(from_efficientnet_lite0, path)
