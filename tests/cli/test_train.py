"""`siamtrack train`, `siamtrack tune` and `siamtrack data` on rendered data."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from command_clips import Run

RECIPE = """
[model]
name = "tiny"
architecture = "alexnet_v1"

[run]
steps = 2
batch_size = 2
search_size = 143

[mix]
validation = ["airplane"]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


def test_train_prints_the_file_of_the_model(run: Run, recipe: Path, training_folder: Path, tmp_path: Path) -> None:
    done = run("train", recipe, "--data", training_folder, "--out", tmp_path / "run", "--workers", 0, "--tensorboard")
    assert done.code == 0, done.err
    assert f"wrote {tmp_path / 'run' / 'tiny.safetensors'}" in done.out
    assert "trained 2 steps" in done.out
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))


def test_train_goes_on_only_with_resume(run: Run, recipe: Path, training_folder: Path, tmp_path: Path) -> None:
    job = ("train", recipe, "--data", training_folder, "--out", tmp_path / "run", "--workers", 0)
    assert run(*job, "--steps", 1).code == 0
    refused = run(*job)
    assert refused.code == 2
    assert "go on with --resume auto" in refused.err
    resumed = run(*job, "--resume", "auto")
    assert resumed.code == 0, resumed.err
    assert "trained 2 steps" in resumed.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("siamtrack-lit", "--data", "."), "did you mean 'siamtrack-lite'"),
        (("siamtrack-lite", "--data", "nowhere"), "training data folder nowhere does not exist"),
        (("siamtrack-lite", "--data", ".", "--steps", "0"), "--steps"),
        (("siamtrack-lite",), "--data"),
    ],
)
def test_train_names_mistakes_in_one_line(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run("train", *arguments)
    assert done.code in (1, 2)
    assert message in done.err
    assert done.err.count("\n") == 1


def test_data_preview_writes_a_picture(run: Run, recipe: Path, training_folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "preview.png"
    done = run("data", "preview", recipe, "--data", training_folder, "--output", picture, "--count", 4)
    assert done.code == 0, done.err
    image = cv2.imread(str(picture))
    assert image is not None
    assert image.std() > 20


def test_data_preview_refuses_an_output_that_is_no_picture(run: Run, recipe: Path, training_folder: Path) -> None:
    done = run("data", "preview", recipe, "--data", training_folder, "--output", "preview.txt")
    assert done.code == 2
    assert "call it .png or .jpg" in done.err


def test_tune_prints_overlaps_and_settings(run: Run, training_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "tuned.safetensors"
    arguments = ("tune", "-m", "siamtrack-lite", "--data", training_folder, "-o", output)
    done = run(*arguments, "--trials", 2, "--threads", 1)
    assert done.code == 0, done.err
    assert "average overlap on 1 tracks searched: " in done.out
    assert "window_influence = " in done.out
    assert f"wrote {output}" in done.out
    assert "2 of 2 trials" in done.err
    assert output.is_file()


def test_data_stats_counts_the_data_and_the_pairs(run: Run, recipe: Path, training_folder: Path) -> None:
    done = run("data", "stats", recipe, "--data", training_folder, "--count", 4)
    assert done.code == 0, done.err
    first, second, *_ = done.out.splitlines()
    assert " tracks with " in first
    assert second.startswith("4 pairs of ")
    table = {line.rsplit(maxsplit=3)[0].strip(): line.split()[-3:] for line in done.out.splitlines()[-5:]}
    assert set(table) == {"target side", "aspect ratio", "offset", "scale", "brightness"}
    low, median, high = map(float, table["brightness"])
    assert 0 < low <= median <= high < 255
