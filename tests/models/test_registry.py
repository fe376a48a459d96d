from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from siamtrack.errors import UsageError
from siamtrack.models import registry
from siamtrack.models.cards import ModelCard
from siamtrack.models.registry import DEFAULT_MODEL, create_network, find_model, list_architectures, list_models
from siamtrack.models.weights import load_network, save_network


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three shipped models, in place of the real one."""
    folder = tmp_path / "weights"
    folder.mkdir()
    card = ModelCard(name="x", architecture="alexnet_v2")
    save_network(folder / "siamfc-alexnet.safetensors", create_network("alexnet_v2"), card)
    for name in (DEFAULT_MODEL, "a-first"):
        (folder / f"{name}.safetensors").write_bytes((folder / "siamfc-alexnet.safetensors").read_bytes())
    (folder / "README.md").write_text("no model")
    monkeypatch.setattr(registry, "_weights_folder", lambda: folder)
    return folder


def test_architectures_are_those_of_the_family() -> None:
    assert list_architectures() == ["alexnet_v1", "alexnet_v2", "alexnet_v3", "lite0", "lite0_box"]


def test_unknown_architecture_names_the_nearest_and_all() -> None:
    with pytest.raises(UsageError) as caught:
        create_network("alexnet-v2")
    message = str(caught.value)
    assert "'alexnet-v2', did you mean 'alexnet_v2'?" in message
    assert all(name in message for name in list_architectures())


def test_create_network_draws_from_the_generator() -> None:
    first, second = (create_network("lite0", torch.Generator().manual_seed(7)).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_models_are_listed_with_the_default_first(shipped: Path) -> None:
    assert list_models() == [DEFAULT_MODEL, "a-first", "siamfc-alexnet"]


def test_a_model_is_found_by_name_and_by_path(shipped: Path) -> None:
    expected = shipped / "siamfc-alexnet.safetensors"
    assert find_model("siamfc-alexnet") == expected
    assert find_model(str(expected)) == find_model(expected) == expected


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("siamtrack-bo", ", did you mean 'siamtrack-box'?"),
        ("siamfc", ", did you mean 'siamfc-alexnet'?"),
        ("zzz", " (known:"),
        ("", " (known:"),
        ("missing/weights.safetensors", " (known:"),
        ("x" * 5000, " (known:"),
        ("nul\0byte", " (known:"),
    ],
)
def test_unknown_model_names_the_nearest_and_all(shipped: Path, name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_model(name)
    message = str(caught.value)
    assert f"'{name}'{hint}" in message
    assert f"{DEFAULT_MODEL}, a-first, siamfc-alexnet" in message


def test_a_folder_may_be_an_exported_model(shipped: Path) -> None:
    assert find_model(shipped) == shipped


def test_without_shipped_models_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_weights_folder", lambda: tmp_path / "nowhere")
    assert list_models() == []
    with pytest.raises(UsageError, match="known: none"):
        find_model(DEFAULT_MODEL)


def test_looking_up_models_and_cards_imports_no_torch(shipped: Path) -> None:
    code = (
        "import sys\n"
        "from siamtrack.models import registry, weights\n"
        "registry.list_models(), registry.list_architectures()\n"
        f"path = registry.find_model({str(shipped / 'a-first.safetensors')!r})\n"
        "assert weights.read_card(path).architecture == 'alexnet_v2'\n"
        "heavy = {'torch', 'numba', 'cv2', 'safetensors.torch'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", list_models())
def test_a_shipped_model_loads_and_bears_its_name(name: str) -> None:
    network, card = load_network(find_model(name))
    assert card.name == name
    assert card.license
    assert card.training
    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())
