"""Whole runs on rendered data: resuming, stopping, and what comes out."""

from __future__ import annotations

import csv
import dataclasses
import math
import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from siamtrack.errors import DataError, OutputError, RecipeError, SiamTrackError, UsageError, WeightsError
from siamtrack.models.weights import load_network, read_card
from siamtrack.training import loop
from siamtrack.training.checkpoint import FILE_NAME, Checkpoint, load_checkpoint, save_checkpoint
from siamtrack.training.dataset import read_training_data
from siamtrack.training.loader import iterate_batches, make_pairs
from siamtrack.training.loop import RunOptions, StepRecord, resume_run, start_run, train
from siamtrack.training.model import average_network, initial_network
from siamtrack.training.recipe import Recipe, list_recipes, parse_recipe, read_recipe
from siamtrack.training.records import Overlap, tables
from siamtrack.training.workflow import TrainingJob, run_training

TINY = """
[model]
name = "tiny"
architecture = "alexnet_v1"

[run]
steps = 4
batch_size = 2
seed = 7
search_size = 143

[mix]
validation = ["airplane"]

[geometry]
shift = 8

[loss]
ranking = 0.5
batch_negatives = 0.5
hard_negatives = 2

[optimizer]
kind = "adamw"
learning_rate = 1e-3
schedule = "cosine"
warmup_steps = 2
ema_decay = 0.5
"""


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return parse_recipe(TINY, "tiny")


def quiet(progress: StepRecord) -> None:
    del progress


def stop_after(steps: int) -> object:
    """Something to ask after every step that says yes once."""
    count = 0

    def should_stop() -> bool:
        nonlocal count
        count += 1
        return count == steps

    return should_stop


def run(recipe: Recipe, folder: Path, out: Path, workers: int = 0, **more: object) -> Checkpoint:
    start = start_run(recipe)
    return train(start, read_training_data(folder), RunOptions(out, workers=workers), quiet, **more)  # type: ignore[arg-type]


def assert_same_weights(a: Checkpoint, b: Checkpoint) -> None:
    for mine, theirs in ((a.weights, b.weights), (a.average, b.average)):
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            assert torch.equal(value, theirs[name]), name


def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(
    recipe: Recipe, training_folder: Path, tmp_path: Path
) -> None:
    whole = run(recipe, training_folder, tmp_path / "whole")
    half = run(recipe, training_folder, tmp_path / "half", should_stop=stop_after(2))
    assert (half.step, whole.step) == (2, 4)
    again = resume_run(tmp_path / "half" / FILE_NAME, recipe)
    rest = train(again, read_training_data(training_folder), RunOptions(tmp_path / "half", workers=0), quiet)
    assert_same_weights(whole, rest)
    assert rest.step == 4
    assert rest.seconds > half.seconds


def test_the_next_batch_is_the_same_whoever_makes_it(recipe: Recipe, training_folder: Path) -> None:
    pairs = make_pairs(recipe, initial_network(recipe)[0], read_training_data(training_folder))
    one, two = (list(iterate_batches(pairs, 2, workers, first)) for workers, first in ((0, 0), (2, 1)))
    assert len(one) == 4
    for mine, theirs in zip(one[1:], two, strict=True):
        for field in dataclasses.fields(mine):
            a, b = getattr(mine, field.name), getattr(theirs, field.name)
            assert torch.equal(torch.nan_to_num(a.double()), torch.nan_to_num(b.double())), field.name


def test_training_lowers_the_loss(training_folder: Path, tmp_path: Path) -> None:
    longer = parse_recipe(TINY.replace("steps = 4", "steps = 30"), "tiny")
    seen: list[StepRecord] = []
    options = RunOptions(tmp_path, workers=0, report_every=10)
    train(start_run(longer), read_training_data(training_folder), options, seen.append)
    assert [progress.step for progress in seen] == [10, 20, 30]
    assert seen[-1].loss < 0.8 * seen[0].loss
    assert all(0 <= progress.wait <= 1 and progress.pairs_per_second > 0 for progress in seen)


def test_another_recipe_is_refused_on_resuming(recipe: Recipe, training_folder: Path, tmp_path: Path) -> None:
    run(recipe, training_folder, tmp_path, should_stop=stop_after(1))
    other = parse_recipe(TINY.replace("learning_rate = 1e-3", "learning_rate = 2e-3"), "tiny")
    with pytest.raises(RecipeError, match=r"optimizer\.learning_rate = 0\.001, the recipe says 0\.002"):
        resume_run(tmp_path / FILE_NAME, other)
    longer = parse_recipe(TINY.replace("steps = 4", "steps = 9"), "tiny")
    assert resume_run(tmp_path / FILE_NAME, longer).recipe.run.steps == 9


@pytest.mark.parametrize("begun", ["float32", "bfloat16"])
def test_a_run_goes_on_in_the_precision_that_it_began_in(
    begun: str, training_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = parse_recipe(TINY.replace("steps = 4", 'steps = 2\nprecision = "auto"'), "tiny")
    monkeypatch.setattr(loop, "choose_precision", lambda network, recipe, device: begun)
    half = run(auto, training_folder, tmp_path, should_stop=stop_after(1))
    assert half.recipe.run.precision == begun
    monkeypatch.undo()
    again = resume_run(tmp_path / FILE_NAME, auto)
    assert again.recipe.run.precision == begun
    rest = train(again, read_training_data(training_folder), RunOptions(tmp_path, workers=0), quiet)
    assert (rest.step, rest.recipe) == (2, again.recipe)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read as a checkpoint"):
        load_checkpoint(path)


def test_a_foreign_checkpoint_is_named(tmp_path: Path) -> None:
    torch.save({"state_dict": {"w": torch.zeros(2)}}, tmp_path / FILE_NAME)
    with pytest.raises(WeightsError, match="no checkpoint of a training run"):
        load_checkpoint(tmp_path / FILE_NAME)


def test_a_checkpoint_survives_a_failed_save(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = start_run(recipe)
    save_checkpoint(tmp_path, first)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space left on device.*untouched"):
        save_checkpoint(tmp_path, dataclasses.replace(first, step=3))
    assert load_checkpoint(tmp_path / FILE_NAME).step == 0
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_batch(
    recipe: Recipe, training_folder: Path, tmp_path: Path
) -> None:
    start = start_run(recipe)
    start.weights["head.log_scale"].fill_(float("inf"))
    with pytest.raises(SiamTrackError, match="loss of step 0 is not finite"):
        train(start, read_training_data(training_folder), RunOptions(tmp_path, workers=0), quiet)
    batch = torch.load(tmp_path / "bad-batch.pt", weights_only=True)
    assert batch["searches"].shape == (2, 3, 143, 143)


@pytest.mark.parametrize("workers", [0, 1])
def test_data_that_cannot_be_read_ends_the_run_with_its_name(
    recipe: Recipe, training_folder: Path, tmp_path: Path, workers: int
) -> None:
    shutil.copytree(training_folder, tmp_path / "data")
    for photo in (tmp_path / "data" / "stills" / "photos").iterdir():
        photo.write_text("no picture")
    data = read_training_data(tmp_path / "data")
    with pytest.raises(DataError, match=r"^\S+p\d\.jpg cannot be read as a picture$"):
        train(start_run(recipe), data, RunOptions(tmp_path, workers=workers), quiet)


def test_a_process_that_is_killed_ends_the_run_with_one_line(
    recipe: Recipe, training_folder: Path, tmp_path: Path
) -> None:
    longer = recipe.model_copy(update={"run": recipe.run.model_copy(update={"steps": 40})})

    def kill(progress: StepRecord) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    options = RunOptions(tmp_path, workers=1, report_every=2)
    with pytest.raises(SiamTrackError, match=r"^a process that makes pairs was killed[^\n]+--resume auto$"):
        train(start_run(longer), read_training_data(training_folder), options, kill)


def test_a_table_that_cannot_be_written_loses_no_step(recipe: Recipe, training_folder: Path, tmp_path: Path) -> None:
    def full(progress: StepRecord) -> None:
        raise OSError(28, "No space left on device", "log.csv")

    options = RunOptions(tmp_path, workers=0, report_every=3)
    with pytest.raises(OSError, match="No space left"):
        train(start_run(recipe), read_training_data(training_folder), options, full)
    assert load_checkpoint(tmp_path / FILE_NAME).step == 3


def test_a_resumed_run_drops_what_was_recorded_after_its_checkpoint(tmp_path: Path) -> None:
    for step, last in ((0, 3), (2, 4)):  # broke off after 3 with a checkpoint of 2; then to 4
        with tables(tmp_path, step) as record:
            for now in range(step + 1, last + 1):
                record(Overlap(now, overlap=step / 10, tracks=1))
    rows = list(csv.DictReader((tmp_path / "validation.csv").open()))
    assert [(row["step"], row["overlap"]) for row in rows] == [("1", "0"), ("2", "0"), ("3", "0.2"), ("4", "0.2")]


@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_trains(name: str, training_folder: Path, tmp_path: Path) -> None:
    shipped = read_recipe(name)
    short = shipped.model_copy(update={"run": shipped.run.model_copy(update={"steps": 2, "batch_size": 2})})
    start = start_run(short)
    seen: list[StepRecord] = []
    options = RunOptions(tmp_path, workers=0, report_every=1)
    final = train(start, read_training_data(training_folder), options, seen.append)
    assert [math.isfinite(progress.loss) for progress in seen] == [True, True]
    changed = {key for key, value in final.weights.items() if not torch.equal(value, start.weights[key])}
    trained = {"box_head.read.weight"} if short.loss.box else {"head.log_scale"}
    if short.loss.contrastive:  # it measures distances, which have neither scale nor bias
        trained = {"backbone.neck.deep.weight"}
    assert trained <= changed
    assert not [key for key in changed if key.startswith(short.model.frozen)]
    assert average_network(final).state_dict().keys() == start.weights.keys()


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(recipe: Recipe, training_folder: Path, tmp_path: Path, minutes: float) -> None:
    with pytest.raises(UsageError, match="is no time to train"):
        run_training(TrainingJob(recipe, training_folder, tmp_path, minutes=minutes), quiet)


def test_the_workflow_leaves_a_model_a_table_and_a_checkpoint(
    recipe: Recipe, training_folder: Path, tmp_path: Path
) -> None:
    job = TrainingJob(recipe, training_folder, tmp_path / "run", workers=0)
    summary = run_training(job, quiet)
    assert summary.finished
    network, card = load_network(summary.weights)
    saved = load_checkpoint(tmp_path / "run" / FILE_NAME)
    assert all(torch.equal(value, saved.average[name]) for name, value in network.state_dict().items())
    assert card == read_card(summary.weights)
    assert (card.training["steps"], card.training["pairs"]) == (4, 8)
    assert card.training["recipe"]["run"]["seed"] == 7
    assert 0 <= card.figures["validation"]["mean average overlap"] <= 1
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    assert [int(row["step"]) for row in rows] == [4]
    assert np.isfinite(float(rows[0]["loss"]))
    with pytest.raises(UsageError, match="holds a run already"):
        run_training(job, quiet)
    more = dataclasses.replace(job, resume=True)
    assert run_training(more, quiet).steps == 4


def test_a_run_may_start_from_another_model_and_its_card_says_so(
    recipe: Recipe, training_folder: Path, tmp_path: Path
) -> None:
    first = run_training(TrainingJob(recipe, training_folder, tmp_path / "first", workers=0), quiet)
    tuned = parse_recipe(TINY.replace("[run]", f'init = "{first.weights}"\n\n[run]'), "tuned")
    weights, _ = load_network(first.weights)
    start = start_run(tuned)
    assert all(torch.equal(value, start.weights[name]) for name, value in weights.state_dict().items())
    second = run_training(TrainingJob(tuned, training_folder, tmp_path / "second", workers=0), quiet)
    base = read_card(second.weights).training["continued from"]
    assert (base["name"], base["steps"], base["pairs"]) == ("tiny", 4, 8)


@pytest.mark.parametrize(
    ("init", "architecture", "message"),
    [
        ("siamtrack-lit", "lite0", "did you mean 'siamtrack-lite'"),
        ("siamtrack-lite", "alexnet_v1", "is of architecture lite0, not alexnet_v1"),
        ("imagenet", "alexnet_v1", "is of architecture lite0, not alexnet_v1"),
    ],
)
def test_initial_weights_that_do_not_fit_are_named(init: str, architecture: str, message: str) -> None:
    text = TINY.replace("[run]", f'init = "{init}"\n\n[run]').replace("alexnet_v1", architecture)
    with pytest.raises(RecipeError, match=f"model.init.*{message}"):
        start_run(parse_recipe(text, "tiny"))


def test_every_checkpoint_is_tracked_with_and_recorded(training_folder: Path, tmp_path: Path) -> None:
    text = TINY.replace("steps = 4", "steps = 3\ncheckpoint_minutes = 1e-6\nvalidation_frames = 5")
    job = TrainingJob(parse_recipe(text, "tiny"), training_folder, tmp_path / "run", workers=0)
    run_training(job, quiet)
    rows = list(csv.DictReader((tmp_path / "run" / "validation.csv").open()))
    assert [int(row["step"]) for row in rows] == [0, 1, 2, 3]  # 0: what the others are to be compared with
    assert all(0 <= float(row["overlap"]) <= 1 and int(row["tracks"]) == 1 for row in rows)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_model_keeps_a_share_of_the_initial_weights(
    recipe: Recipe, training_folder: Path, tmp_path: Path, share: float
) -> None:
    trained = run(recipe, training_folder, tmp_path)
    mixed = trained.recipe.model_copy(update={"model": recipe.model.model_copy(update={"initial_weight_ratio": share})})
    model = average_network(dataclasses.replace(trained, recipe=mixed)).state_dict()
    before, after = start_run(recipe).weights, trained.average
    for name in ("backbone.conv3.0.weight", "backbone.conv1.1.running_mean", "head.bias"):
        torch.testing.assert_close(model[name], share * before[name] + (1 - share) * after[name])


def test_the_time_limit_stops_a_run_that_can_go_on(recipe: Recipe, training_folder: Path, tmp_path: Path) -> None:
    job = TrainingJob(recipe, training_folder, tmp_path / "run", workers=0, minutes=1e-6)
    summary = run_training(job, quiet)
    assert summary.steps == 1
    assert not summary.finished
