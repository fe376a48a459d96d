"""The tool that compares the members of the Siamese family: what is scored, what is kept, and what the table says."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, Truth
from siamtrack.models.cards import ModelCard
from siamtrack.models.registry import create_network
from siamtrack.models.weights import save_network
from siamtrack.training.recipe import Recipe, parse_recipe


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    path = Path(__file__).parents[2] / "tools" / "family_results.py"
    spec = importlib.util.spec_from_file_location("family_results", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["family_results"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["family_results"]


class Numbered:
    """Ten frames, each of its own number."""

    def __len__(self) -> int:
        return 10

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (np.full((2, 2, 3), number, np.uint8) for number in range(10))

    def paths(self) -> list[Path]:
        return [Path(f"{number}.jpg") for number in range(10)]


@pytest.fixture
def recipe() -> Recipe:
    return parse_recipe('[model]\nname = "mine"\narchitecture = "alexnet_v1"\n[run]\nsteps = 5', "mine")


@pytest.mark.parametrize(("wanted", "length"), [(4, 4), (20, 10)])
def test_only_the_first_frames_are_tracked_and_scored(tool: ModuleType, wanted: int, length: int) -> None:
    truth = Truth(np.arange(40, dtype=np.float64).reshape(10, 4))
    whole = EvaluationSet("set", Kind.CUSTOM, Path(), (EvaluationSequence("one", Numbered(), lambda: truth),))
    (part,) = tool.shorten(whole, wanted).sequences
    assert len(part.frames) == len(part.frames.paths()) == length
    assert [int(frame[0, 0, 0]) for frame in part.frames] == list(range(length))
    np.testing.assert_array_equal(part.read_truth().boxes, truth.boxes[:length])


def test_a_seed_makes_a_run_of_its_own(tool: ModuleType, recipe: Recipe) -> None:
    made = tool.seeded(recipe, 3, None)
    assert (made.model.name, made.run.seed, made.run.steps) == ("mine-3", 3, 5)
    assert tool.seeded(recipe, 3, 7).run.steps == 7


def test_what_is_trained_is_not_trained_again(
    tool: ModuleType, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TrainedError(Exception):
        pass

    def complain(*_: object) -> None:
        raise TrainedError

    monkeypatch.setattr(tool, "run_training", complain)
    with pytest.raises(TrainedError):
        tool.train(recipe, tmp_path, tmp_path)
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "mine.safetensors"
    training = {"recipe": recipe.model_dump(mode="json"), "steps": 5}
    card = ModelCard(name="mine", architecture="alexnet_v1", training=training)
    save_network(path, create_network("alexnet_v1", torch.Generator().manual_seed(0)), card)
    assert tool.train(recipe, tmp_path, tmp_path) == path
    with pytest.raises(TrainedError):
        tool.train(tool.seeded(recipe, 1, 6), tmp_path, tmp_path)


def test_the_table_has_means_spreads_and_paired_differences(tool: ModuleType, tmp_path: Path) -> None:
    rows = [
        tool.Row("untrained", [], {"a": [0.5], "b": [0.4]}),
        tool.Row("family-logistic", [1, 2], {"a": [0.6, 0.7], "b": [0.4, 0.5]}),
        tool.Row("family-triplet", [1, 2], {"a": [0.7, 0.8], "b": [0.5, 0.6]}),
    ]
    text = tool.write(rows, tmp_path)
    lines = text.splitlines()[2:]
    assert lines[0].startswith("| untrained | 0.450 | not trained | -0.100 (-0.150 to -0.050) |")
    # Means over the videos are 0.5 and 0.6: 0.55, and sqrt(2 * 0.05^2 / (2 - 1)) = 0.071.
    assert lines[1] == "| `family-logistic` | 0.550 ± 0.071 | 2 |  |"
    assert lines[2] == "| `family-triplet` | 0.650 ± 0.071 | 2 | +0.100 (+0.100 to +0.100) |"
    assert (tmp_path / "family.md").read_text(encoding="utf-8") == text
    assert (tmp_path / "family.json").is_file()
    assert (tmp_path / "family.png").read_bytes().startswith(b"\x89PNG")
