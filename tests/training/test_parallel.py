"""Training in two processes, against the same training in one."""

from __future__ import annotations

import csv
import dataclasses
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from siamtrack.cli import main
from siamtrack.models.registry import build_network
from siamtrack.training.checkpoint import FILE_NAME, Checkpoint, load_checkpoint
from siamtrack.training.dataset import read_training_data
from siamtrack.training.loader import iterate_batches, make_pairs
from siamtrack.training.loop import RunOptions, start_run, train
from siamtrack.training.objective import objective
from siamtrack.training.optimizer import freeze, training_mode
from siamtrack.training.parallel import SINGLE_PROCESS, OtherProcessError, Processes, join_processes
from siamtrack.training.recipe import Recipe, parse_recipe

LOSS_OF_ALL = """
[mix]
negatives = 0.3

[geometry]
shift = 8

[loss]
ranking = 0.5
batch_negatives = 0.5
hard_negatives = 2
box = 1.0
"""
"""Everything that couples the pairs of a batch, some of which hold no target."""

FREE = f"""
[model]
name = "free"
architecture = "alexnet_v1"

[run]
steps = 3
batch_size = 4
seed = 7
search_size = 143
{LOSS_OF_ALL}"""
"""Batch norm takes its statistics from the batch."""

BOXES = FREE.replace("alexnet_v1", "lite0_box").replace("143", "160")
"""A head that reads boxes, with batch norm of its own."""

FROZEN = FREE.replace("alexnet_v1", "lite0").replace("143", "160").replace('name = "free"', 'name = "frozen"')
FROZEN = FROZEN.replace("[run]", 'init = "siamtrack-lite"\nfreeze_batch_norm = true\n\n[run]')
"""What is tuned further, as the shipped recipes do."""

RECIPES = {"free": FREE, "boxes": BOXES}

Measured = tuple[float, dict[str, Tensor], dict[str, Tensor]]
"""Loss, gradients, and buffers after the step, by name."""


def measure(recipe: Recipe, folder: Path, processes: Processes) -> Measured:
    """The first step of a run in double precision, where an error is no rounding."""
    network = build_network(recipe.model.architecture)
    network.load_state_dict(start_run(recipe).weights)
    for name, parameter in network.named_parameters():
        if name == "box_head.read.weight":  # starts at 0: nothing before it would have a gradient
            nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    freeze(network, recipe.model)
    training_mode(network, recipe.model)
    network.double()
    processes.sync_batch_norm(network.backbone)
    pairs = make_pairs(recipe, network, read_training_data(folder))
    batch = next(iterate_batches(pairs, recipe.run.batch_size, 0, 0, processes.share(recipe.run.batch_size)))
    floats = {name: value.double() for name, value in vars(batch).items() if value.is_floating_point()}
    found = objective(network, dataclasses.replace(batch, **floats), recipe.loss, processes)
    found.loss.backward()  # type: ignore[no-untyped-call]
    gradients = {name: value.grad for name, value in network.named_parameters() if value.grad is not None}
    processes.average_gradients(list(gradients.values()))
    return float(found.loss.detach()), gradients, dict(network.named_buffers())


def stop_in_the_second(folder: Path, out: Path, processes: Processes) -> int:
    """How many steps are done when the second process alone is told to stop after its second step."""
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return processes.rank == 1 and asked == 2

    start = processes.broadcast(lambda: start_run(parse_recipe(FREE, "free")))
    options = RunOptions(out / str(processes.rank), workers=0)
    data = read_training_data(folder)
    return train(start, data, options, lambda progress: None, should_stop, processes=processes).step


def environment(rank: int, port: int) -> dict[str, str]:
    """What `torchrun` tells each of two processes."""
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return {**{name: str(value) for name, value in names.items()}, "OMP_NUM_THREADS": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def work(rank: int, port: int, folder: Path, out: Path) -> None:
    """What each of the two processes does; the results are left in files."""
    os.environ.update(environment(rank, port))
    torch.set_num_threads(1)
    try:
        with join_processes() as processes:
            for name, text in RECIPES.items():
                torch.save(measure(parse_recipe(text, name), folder, processes), out / f"{name}{rank}.pt")
            torch.save(stop_in_the_second(folder, out, processes), out / f"stopped{rank}.pt")
            if processes.rank == 0:
                raise ValueError("of the first")
            processes.maximum(0)
    except (ValueError, OtherProcessError) as error:
        (out / f"error{rank}.txt").write_text(type(error).__name__)


@pytest.fixture(scope="module")
def done(training_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what two processes have done."""
    out = tmp_path_factory.mktemp("two")
    torch.multiprocessing.spawn(work, (free_port(), training_folder, out), nprocs=2)
    return out


def assert_close(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], tolerance: float) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", RECIPES)
def test_two_processes_have_the_gradients_of_one(done: Path, training_folder: Path, name: str) -> None:
    alone = measure(parse_recipe(RECIPES[name], name), training_folder, SINGLE_PROCESS)
    assert max(float(value.abs().max()) for value in alone[1].values()) > 0.01
    for rank in (0, 1):
        loss, gradients, buffers = torch.load(done / f"{name}{rank}.pt", weights_only=True)
        assert loss == pytest.approx(alone[0], rel=1e-9)
        assert_close(gradients, alone[1], 1e-9)
        assert_close(buffers, alone[2], 1e-9)


def test_all_stop_at_the_same_step_and_the_first_one_writes(done: Path) -> None:
    assert [torch.load(done / f"stopped{rank}.pt") for rank in (0, 1)] == [2, 2]
    assert load_checkpoint(done / "0" / FILE_NAME).step == 2
    assert not (done / "1" / FILE_NAME).exists()


def test_one_process_says_what_went_wrong(done: Path) -> None:
    assert [(done / f"error{rank}.txt").read_text() for rank in (0, 1)] == ["ValueError", "OtherProcessError"]


def launch(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`torchrun` with two processes of the command."""
    launcher = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")
    port = ("--master-port", str(free_port()))
    command = [*launcher, *port, "-m", "siamtrack", "train", *(str(argument) for argument in arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def own_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("siamtrack: error:")]


def test_the_command_trains_the_same_weights(training_folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "frozen.toml"
    recipe.write_text(FROZEN)
    arguments = ("--data", training_folder, "--workers", 0, "--threads", 1)
    two = launch(recipe, *arguments, "--out", tmp_path / "two")
    assert two.returncode == 0, two.stderr
    assert two.stdout.splitlines()[0].startswith("trained 3 steps")
    assert len(two.stdout.splitlines()) == 2
    assert main(["train", *map(str, (recipe, *arguments, "--out", tmp_path / "one"))]) == 0
    mine, theirs = (load_checkpoint(tmp_path / name / FILE_NAME) for name in ("one", "two"))
    assert moved(mine) > 1e-3
    assert_close(theirs.weights, mine.weights, 1e-5)
    assert_close(theirs.average, mine.average, 1e-5)
    files = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("one", "two")]
    assert files[0] == files[1]
    logs = [list(csv.DictReader((tmp_path / name / "log.csv").open())) for name in ("one", "two")]
    for name in ("step", "loss", "negatives", "center_error"):
        assert float(logs[1][0][name]) == pytest.approx(float(logs[0][0][name]), rel=1e-4)
    assert len(logs[1]) == 1


def moved(checkpoint: Checkpoint) -> float:
    return max(float((value - checkpoint.initial[name]).abs().max()) for name, value in checkpoint.weights.items())


def test_a_batch_that_cannot_be_shared_is_one_line(training_folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "odd.toml"
    recipe.write_text(FREE.replace("batch_size = 4", "batch_size = 3"))
    done = launch(recipe, "--data", training_folder, "--out", tmp_path / "run")
    assert done.returncode != 0
    assert own_lines(done.stderr) == [
        "siamtrack: error: a batch of 3 pairs cannot be shared evenly by 2 processes: "
        "change run.batch_size of the recipe, or their number"
    ]
    assert not (tmp_path / "run").exists()


def test_processes_that_cannot_meet_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        patch.setenv("RANK", "0")
        patch.delenv("MASTER_ADDR", raising=False)
        assert main(["train", "siamtrack-lite", "--data", str(tmp_path)]) == 2
    assert own_lines(capsys.readouterr().err)[0].endswith("start them with torchrun")
