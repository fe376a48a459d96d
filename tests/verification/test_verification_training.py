"""Runs that train verifiers: recipes, resuming, losses, and unseen digits."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from siamtrack.errors import DataError, RecipeError, UsageError
from siamtrack.models.comparisons import create_comparison
from siamtrack.training.checkpoint import FILE_NAME
from siamtrack.training.recipe import Recipe
from siamtrack.verification.dataset import PatchDataset, read_digits
from siamtrack.verification.networks import SiameseNetwork
from siamtrack.verification.recipe import VerificationRecipe, list_verification_recipes, read_any_recipe
from siamtrack.verification.training import (
    batch_loss,
    resume_verification,
    start_verification,
    train_verification,
    trained_branch,
)
from siamtrack.verification.verifier import BranchVerifier, load_verifier
from siamtrack.verification.workflow import VerificationJob, run_verification, split_classes, split_patches

pytest.importorskip("sklearn")

KINDS = ("contrastive", "energy", "triplet", "batch-hard")


def small(kind: str = "contrastive", steps: int = 4, **more: dict[str, object]) -> VerificationRecipe:
    tables: dict[str, dict[str, object]] = {
        "model": {"name": "tiny", "dimension": 8},
        "data": {"size": 8, "channels": 1, "held_out": ["6", "7", "8", "9"]},
        "augmentation": {"shift": 0.1},
        "loss": {"kind": kind, "bound": 2 * 8**0.5},
        "run": {"steps": steps, "classes_per_batch": 4, "patches_per_class": 4, "seed": 3, "evaluation_pairs": 200},
    }
    for section, values in more.items():
        tables[section] = tables.get(section, {}) | values
    return VerificationRecipe.model_validate(tables)


@pytest.fixture(scope="module")
def digits() -> PatchDataset:
    return read_digits(8, 1)


@pytest.fixture(scope="module")
def known(digits: PatchDataset) -> PatchDataset:
    return digits.select(tuple("012345"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_loss_goes_down(kind: str, known: PatchDataset, tmp_path: Path) -> None:
    seen: list[float] = []
    model = {"comparison": "manhattan"} if kind == "energy" else {}
    recipe = small(
        kind,
        steps=60,
        run={"classes_per_batch": 6, "patches_per_class": 6},
        model=model,
        optimizer={"learning_rate": 3e-3},
    )
    train_verification(start_verification(recipe), known, tmp_path, lambda progress: seen.append(progress.loss))
    assert len(seen) == 3
    assert seen[-1] < 0.97 * seen[0]


def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(known: PatchDataset, tmp_path: Path) -> None:
    recipe = small("triplet")
    whole = train_verification(start_verification(recipe), known, tmp_path / "whole", lambda progress: None)
    asked = iter([False, True])
    half = train_verification(
        start_verification(recipe), known, tmp_path / "half", lambda progress: None, lambda: next(asked)
    )
    assert half.step == 2
    again = resume_verification(tmp_path / "half" / FILE_NAME, recipe)
    rest = train_verification(again, known, tmp_path / "half", lambda progress: None)
    assert rest.step == 4
    for name, value in whole.average.items():
        assert torch.equal(value, rest.average[name]), name


def test_another_recipe_is_refused_on_resuming(known: PatchDataset, tmp_path: Path) -> None:
    train_verification(start_verification(small(steps=1)), known, tmp_path, lambda progress: None)
    with pytest.raises(RecipeError, match=r"loss\.kind = contrastive, the recipe says energy"):
        resume_verification(tmp_path / FILE_NAME, small("energy"))
    assert resume_verification(tmp_path / FILE_NAME, small(steps=9)).recipe.run.steps == 9


@pytest.mark.parametrize("kind", KINDS)
def test_classes_that_cannot_be_told_apart_have_a_finite_gradient(kind: str) -> None:
    """Patches that are all equal: every distance is 0."""
    same = PatchDataset(("a", "b"), np.zeros((8, 1, 8, 8), np.uint8), np.repeat([0, 1], 4))
    recipe = small(kind)
    branch = trained_branch(start_verification(recipe))
    loss = batch_loss(SiameseNetwork(branch, create_comparison("euclidean")), same, recipe, 0).loss
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in branch.parameters())


def test_a_whole_run_leaves_model_tables_and_checkpoint(tmp_path: Path) -> None:
    job = VerificationJob(
        small(steps=25, run={"classes_per_batch": 6, "patches_per_class": 6}), "digits", tmp_path / "run"
    )
    summary = run_verification(job, lambda progress: None)
    assert summary.finished
    verifier = load_verifier(summary.weights)
    assert isinstance(verifier, BranchVerifier)
    assert verifier.card.classes == tuple("012345")
    assert verifier.calibration.slope < 0
    figures = verifier.card.figures["held-out classes"]
    assert figures["classes"] == list("6789")
    assert figures["auc"] == round(summary.metrics.auc, 4)
    assert (tmp_path / "run" / FILE_NAME).is_file()
    rows = list(csv.DictReader((tmp_path / "run" / "validation.csv").open()))
    assert [row["step"] for row in rows] == ["0", "25"]
    assert [row["step"] for row in csv.DictReader((tmp_path / "run" / "log.csv").open())] == ["20", "25"]
    with pytest.raises(UsageError, match="holds a run already: go on with --resume auto"):
        run_verification(job, lambda progress: None)


def test_classes_are_parted_as_the_recipe_says(digits: PatchDataset) -> None:
    parts = split_classes(
        digits, small(data={"size": 8, "channels": 1, "held_out": ["7", "9"], "validation": ["1", "2"]}), "x"
    )
    assert parts.training.names == tuple("034568")
    assert parts.held_out.names == ("7", "9")
    assert parts.validation.names == ("1", "2")
    drawn = split_classes(digits, small(data={"held_out": [], "held_out_ratio": 0.4}), "x")
    assert len(drawn.held_out.names) == 4
    assert set(drawn.held_out.names) | set(drawn.training.names) == set("0123456789")


def test_too_few_classes_are_named_by_their_part(digits: PatchDataset) -> None:
    with pytest.raises(DataError, match=r"the held-out classes of digits: 1 of 1 classes"):
        split_classes(digits, small(data={"held_out": ["7"]}), "digits")
    with pytest.raises(DataError, match="there is no class 'x'"):
        split_classes(digits, small(data={"held_out": ["7", "x"]}), "digits")


def test_halves_share_no_picture(digits: PatchDataset) -> None:
    marked = PatchDataset(digits.names, np.arange(1797).reshape(-1, 1, 1, 1), digits.classes)  # type: ignore[arg-type]
    one, other = split_patches(marked, np.random.default_rng(0))
    assert not set(one.patches.ravel().tolist()) & set(other.patches.ravel().tolist())
    assert abs(len(one.classes) - len(other.classes)) <= 10
    assert one.names == other.names


@pytest.mark.parametrize("name", list_verification_recipes())
def test_every_shipped_recipe_is_one(name: str) -> None:
    recipe = read_any_recipe(name)
    assert isinstance(recipe, VerificationRecipe)
    assert recipe.model.name == name
    assert isinstance(read_any_recipe("siamtrack-lite"), Recipe)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[model]\nname = "x"\ncomparison = "cosine"\n[run]\nsteps = 1\n[data]\n', "a similarity: these losses take"),
        ('[model]\nname = "x"\nkind = "backbone"\n[run]\nsteps = 1\n[data]\nchannels = 1\n', "a trunk sees RGB, set 3"),
        ('[model]\nname = "x"\n[run]\nsteps = 1\n[data]\nsiz = 3\n', "unknown key 'data.siz'"),
        ('[model]\nname = "x"\nfreeze_backbone = true\n[run]\nsteps = 1\n[data]\n', "are for kind = 'backbone'"),
    ],
)
def test_impossible_recipes_are_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_any_recipe(str(path))


def test_figures_are_finite_without_training(tmp_path: Path) -> None:
    summary = run_verification(VerificationJob(small(steps=1), "digits", tmp_path), lambda progress: None)
    assert math.isfinite(summary.metrics.auc)


@pytest.mark.slow
def test_digits_that_were_never_seen_are_told_apart_better_than_by_their_pixels(tmp_path: Path) -> None:
    """The recipe of the package, as `tools/verification_results.py` changes it for the hardest triplets, one seed."""
    tables = read_any_recipe("verify-digits").model_dump()
    tables["loss"] |= {"kind": "batch-hard", "margin": 1.0}
    tables["run"] |= {"classes_per_batch": 12}
    recipe = VerificationRecipe.model_validate(tables)
    done = run_verification(VerificationJob(recipe, "digits", tmp_path / "run"), lambda progress: None)
    held_out = done.card.figures["held-out classes"]
    assert held_out["classes"] == ["6", "7", "8", "9"]
    assert set(done.card.classes) == set("012345")
    assert held_out["auc"] > 0.94 > held_out["auc of the pixels"] > 0.85
    assert held_out["4-way 1-shot"] > 0.85
    assert held_out["calibration error"] < 0.06
