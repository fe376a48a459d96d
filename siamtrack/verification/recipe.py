"""Recipes of models that tell same from different."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from siamtrack.config import Frozen
from siamtrack.models.cards import BranchSettings
from siamtrack.models.comparisons import create_comparison
from siamtrack.training.recipe import (
    CardSettings,
    OptimizerSettings,
    Recipe,
    list_recipes,
    parse_toml,
    recipe_text,
    validate_recipe,
)
from siamtrack.verification.augmentation import PatchAugmentation

_FOLDER = "recipes/verification"


class VerifierSettings(BranchSettings):
    """Model to train."""

    name: str
    """Name of the model that comes out."""
    comparison: str = "euclidean"
    """Name of `siamtrack.models.comparisons.create_comparison`."""
    init: str = "random"
    """Initial weights of a trunk: `random`, or a tracking model of the same architecture, shipped or a file."""
    freeze_backbone: bool = False
    """Keep the backbone as it is, its batch norm included, and train only the linear layer."""


class PatchDataSettings(Frozen):
    """Patches of the training run."""

    size: int = Field(32, ge=4)
    """Side of a patch in pixels."""
    channels: Literal[1, 3] = 3
    """1 for gray, 3 for RGB."""
    held_out: tuple[str, ...] = ()
    """Classes that are never trained on, to calibrate and to measure with; where none are named, they are drawn."""
    held_out_ratio: float = Field(0.3, gt=0, lt=1)
    """Share of the classes that are drawn then."""
    composed_per_class: int = Field(0, ge=0)
    """Patches of every class that is composed of the classes to train on
    (`siamtrack.verification.dataset.compose_classes`); 0 trains on these as they are."""
    validation: tuple[str, ...] = ()
    """Classes that are kept from training as well, to find the settings with; they are not measured with at the end."""


class PairLossSettings(Frozen):
    """Loss to minimize."""

    kind: Literal["contrastive", "energy", "triplet", "batch-hard"] = "contrastive"
    """`contrastive` (Hadsell 2006) and `energy` (Chopra 2005) learn from balanced pairs, `triplet` from a random
    positive and negative of every patch, `batch-hard` from the hardest ones of a batch (Hermans 2017)."""
    margin: float = Field(1.0, gt=0)
    """Margin of the contrastive loss, the triplet loss and the hardest triplets."""
    bound: float = Field(1.0, gt=0)
    """Q of the energy loss: the largest energy there is, 2 sqrt(D) for the Manhattan distance of D components of unit
    length."""


class VerificationRunSettings(Frozen):
    """Length and seed of a run."""

    steps: int = Field(gt=0)
    classes_per_batch: int = Field(6, ge=2)
    """Different classes in a batch of triplets."""
    patches_per_class: int = Field(16, ge=2)
    """Patches of each of them. Of pairs there are half as many in a batch as patches in this one."""
    seed: int = Field(0, ge=0)
    checkpoint_minutes: float = Field(5.0, gt=0)
    """Time between checkpoints."""
    evaluation_pairs: int = Field(4000, ge=10)
    """Pairs of the held-out classes that are measured with; half of the patches calibrate, the others are measured."""


class VerificationRecipe(Frozen):
    """A training run of a model that tells same from different."""

    model: VerifierSettings
    run: VerificationRunSettings
    data: PatchDataSettings = PatchDataSettings()
    augmentation: PatchAugmentation = PatchAugmentation()
    loss: PairLossSettings = PairLossSettings()
    optimizer: OptimizerSettings = OptimizerSettings(kind="adamw", learning_rate=1e-3, schedule="cosine")
    card: CardSettings = CardSettings()

    @model_validator(mode="after")
    def _can_be_trained(self) -> Self:
        if create_comparison(self.model.comparison).similar_is != "low":
            raise ValueError(
                f"model.comparison is '{self.model.comparison}', a similarity: these losses take a distance "
                "(euclidean, squared_euclidean, manhattan)"
            )
        if self.model.kind == "backbone" and self.data.channels != 3:
            raise ValueError(f"data.channels is {self.data.channels}: a trunk sees RGB, set 3")
        if self.model.kind != "backbone" and (self.model.freeze_backbone or self.model.init != "random"):
            raise ValueError(
                "model.freeze_backbone and model.init are for kind = 'backbone': others are trained from fresh"
            )
        return self


def list_verification_recipes() -> list[str]:
    """Names of the recipes of the package for models that tell same from different."""
    folder = resources.files("siamtrack").joinpath(_FOLDER)
    return sorted(Path(item.name).stem for item in folder.iterdir() if item.name.endswith(".toml"))


def read_any_recipe(name_or_path: str) -> Recipe | VerificationRecipe:
    """Read a recipe of the package or a TOML file, of a tracking model or of one that tells same from different.

    Those of the latter kind have a section `data` or `changes`, which the former do not know.

    Raises:
        RecipeError: for an unknown name, a file that is not TOML, an unknown key or an impossible value.
    """
    own = list_verification_recipes()
    folder = _FOLDER if name_or_path in own else "recipes"
    tables = parse_toml(recipe_text(name_or_path, folder, [*list_recipes(), *own]), name_or_path)
    if {"data", "augmentation"} & tables.keys():
        return validate_recipe(VerificationRecipe, tables, name_or_path)
    return validate_recipe(Recipe, tables, name_or_path)
