"""Recipes: what is shipped is valid, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from siamtrack.errors import RecipeError
from siamtrack.models.registry import find_model, list_architectures, list_models
from siamtrack.models.weights import load_network
from siamtrack.training.recipe import list_recipes, parse_recipe, read_recipe

SMALLEST = """
[model]
name = "mine"
architecture = "alexnet_v1"

[run]
steps = 5
"""


@pytest.mark.parametrize("name", list_recipes())
def test_shipped_recipes_are_valid(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.model.name == name
    assert recipe.model.architecture in list_architectures()
    assert recipe.card.description
    assert recipe.card.data
    assert recipe.card.license


@pytest.mark.parametrize("name", list_models())
def test_who_trains_a_shipped_model_again_gets_its_settings(name: str) -> None:
    _, card = load_network(find_model(name))
    assert card.tracking == read_recipe(name).tracking


def test_what_is_fine_tuned_tracks_as_what_it_was_made_of() -> None:
    recipe = read_recipe("finetune")
    assert recipe.tracking == read_recipe(str(recipe.model.init)).tracking


def test_defaults_are_the_papers() -> None:
    recipe = parse_recipe(SMALLEST, "mine")
    assert (recipe.run.batch_size, recipe.loss.radius, recipe.optimizer.learning_rate, recipe.optimizer.momentum) == (
        8,
        16,
        1e-2,
        0.9,
    )
    assert recipe.mix.max_gap == 100


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("stepz = 3", "unknown key 'run.stepz'"),
        ("batch_size = 0", "run.batch_size = 0: Input should be greater than or equal to 1"),
        ("batch_size = 'many'", "run.batch_size = 'many'"),
        ("precision = 'half'", "run.precision = 'half': Input should be 'auto', 'float32' or 'bfloat16'"),
        ("[los]\nlogistic = 1", "unknown key 'los'"),
        ("[tracking]\nscales = 4", "scales must be odd"),
        ("[geometry]\nscales = 5", "geometry has 5 scales of step 1.0375, tracking 3 of 1.0375: they must be equal"),
        ("[geometry]\ncontext = 0.25", "geometry.context is 0.25 and tracking.context 0.5: they must be equal"),
        ("batch_size =", "is not TOML"),
        ("[photometric]\nblur = 7.5", "photometric.blur = 7.5"),
        ("[optimizer]\nlearning_rate = inf", "optimizer.learning_rate = inf"),
    ],
)
def test_mistakes_are_named(addition: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe(SMALLEST + addition, "mine")


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'siamtrack-lite'"):
        read_recipe("siamtrack-light")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="is not text"):
        read_recipe(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="does not exist"):
        read_recipe(str(tmp_path / "mine.toml"))
