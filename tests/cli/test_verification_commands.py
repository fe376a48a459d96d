"""`siamtrack train verify-...`, `compare`, `match` and `oneshot`."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_clips import Clip, Run

pytest.importorskip("sklearn")

RECIPE = """
[model]
name = "tiny"
dimension = 8

[data]
size = 8
channels = 1
held_out = ["6", "7", "8", "9"]

[loss]
kind = "batch-hard"
margin = 0.3

[run]
steps = 20
classes_per_batch = 6
patches_per_class = 4
evaluation_pairs = 200
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def model(run: Run, recipe: Path, tmp_path: Path) -> Path:
    done = run("train", recipe, "--data", "digits", "--out", tmp_path / "run")
    assert done.code == 0, done.err
    return tmp_path / "run" / "tiny.safetensors"


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Write a texture, the texture in other light, and a disc on a plain ground."""
    one = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8), (60, 60))
    other = cv2.circle(np.full((60, 60, 3), 120, np.uint8), (30, 30), 20, (40, 200, 230), cv2.FILLED, cv2.LINE_AA)
    paths = tuple(tmp_path / name for name in ("one.png", "lit.png", "other.png"))
    for path, image in zip(paths, (one, np.clip(one * 0.9 + 20, 0, 255), other), strict=True):
        cv2.imwrite(str(path), image)
    return paths  # type: ignore[return-value]


def test_train_prints_the_figures_of_a_verifier(run: Run, recipe: Path, tmp_path: Path) -> None:
    done = run("train", recipe, "--data", "digits", "--out", tmp_path / "run", "--seed", 4, "--steps", 10)
    assert done.code == 0, done.err
    assert "trained 10 steps" in done.out
    assert re.search(r"on 4 classes kept from training: auc 0\.\d{3}, recall at 1 [01]\.\d{3}, 4-way 1-shot", done.out)
    assert f"wrote {tmp_path / 'run' / 'tiny.safetensors'}" in done.out
    refused = run("train", recipe, "--data", "digits", "--out", tmp_path / "run", "--seed", 4)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    again = run("train", recipe, "--data", "digits", "--out", tmp_path / "run", "--seed", 4, "--resume", "auto")
    assert "trained 20 steps" in again.out, again.err


def test_info_shows_the_card_of_a_verifier(run: Run, model: Path) -> None:
    lines = run("info", model).out.splitlines()
    assert "kind: verification" in lines
    assert "comparison: euclidean" in lines


def test_track_refuses_a_verifier(run: Run, model: Path, clip: Clip) -> None:
    done = run("track", clip.path, "--box", clip.box, "--no-video", "--model", model)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "tells same from different, it does not track" in done.err


@pytest.mark.parametrize("own", [True, False])
def test_compare_prints_value_probability_and_decision(
    run: Run, model: Path, pictures: tuple[Path, Path, Path], own: bool
) -> None:
    chosen = ("--model", model) if own else ()
    done = run("compare", pictures[0], pictures[0], *chosen)
    assert done.code == 0, done.err
    first, second, third = done.out.splitlines()
    assert re.fullmatch(r"(euclidean|cosine): \d\.\d{4} \(same from \d\.\d{4} (up|down)\)", first)
    assert re.fullmatch(r"probability of the same: [01]\.\d{3}", second)
    assert third == "decision: same"


def test_compare_tells_a_texture_from_a_disc(run: Run, pictures: tuple[Path, Path, Path]) -> None:
    one, lit, other = pictures
    assert run("compare", one, lit).out.endswith("decision: same\n")
    assert run("compare", one, other).out.endswith("decision: different\n")


def test_match_prints_a_table_and_writes_a_heat_map(
    run: Run, tmp_path: Path, pictures: tuple[Path, Path, Path]
) -> None:
    scene = np.full((150, 200, 3), 120, np.uint8)
    scene[40:100, 90:150] = cv2.imread(str(pictures[0]))
    cv2.imwrite(str(tmp_path / "scene.png"), scene)
    heat = tmp_path / "heat.png"
    done = run("match", pictures[0], tmp_path / "scene.png", "--output", heat, "--top", 2, "--scales", 3)
    assert done.code == 0, done.err
    head, best, *_ = done.out.splitlines()
    assert head.split() == ["x", "y", "width", "height", "cosine", "probability"]
    x, y, width, height, cosine, probability = map(float, best.split()[1:])
    assert (x + width / 2, y + height / 2) == pytest.approx((120, 70), abs=8)
    assert cosine > 0.5
    assert probability > 0.9
    assert cv2.imread(str(heat)).shape == scene.shape
    assert f"wrote {heat}" in done.out


def test_oneshot_prints_the_model_beside_the_pixels(run: Run, model: Path) -> None:
    done = run("oneshot", "digits", "--only", "6,7,8,9", "--ways", 4, "--episodes", 20, "--model", model)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "714 pictures of 4 classes"
    assert "4-way 1-shot" in lines[1]
    assert [line.split()[0] for line in lines[2:]] == ["tiny", "pixels"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "verify-digit", "--data", "digits"), "did you mean 'verify-digits'"),
        (("train", "verify-digits", "--data", "nowhere"), "nowhere is no folder"),
        (("train", "verify-digits", "--data", "digits", "--tensorboard"), "--tensorboard is for tracking models"),
        (("train", "verify-digits", "--data", "digits", "--minutes", "-1"), "--minutes -1 is no time to train"),
        (("compare", "gone.png", "gone.png"), "gone.png cannot be read"),
        (("match", "gone.png", "gone.png"), "gone.png cannot be read"),
        (("match", "gone.png", "gone.png", "--output", "heat.txt"), "heat.txt is no picture by its name"),
        (("oneshot", "nowhere"), "nowhere is no folder"),
        (("oneshot", "digits", "--ways", "11"), "10 classes have 2 pictures or more, too few for 11 ways"),
        (("oneshot", "digits", "--ways", "1"), "--ways"),
        (("oneshot", "digits", "--only", "6,x"), "there is no class 'x'"),
        (("oneshot", "digits", "--model", "siamtrak-lite"), "did you mean 'siamtrack-lite'"),
    ],
)
def test_verification_commands_name_mistakes_in_one_line(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.code in (1, 2)
    assert message in done.err
    assert done.err.count("\n") == 1


def test_oneshot_names_an_empty_class_folder(run: Run, tmp_path: Path, pictures: tuple[Path, Path, Path]) -> None:
    for name in ("a", "b", "empty"):
        (tmp_path / "classes" / name).mkdir(parents=True)
    for name in ("a", "b"):
        for number, path in enumerate(pictures):
            (tmp_path / "classes" / name / f"{number}.png").write_bytes(path.read_bytes())
    done = run("oneshot", tmp_path / "classes", "--ways", 2)
    assert done.code == 1
    assert f"class folder {tmp_path / 'classes' / 'empty'} holds no picture" in done.err
    (tmp_path / "classes" / "empty").rmdir()
    assert run("oneshot", tmp_path / "classes", "--ways", 2, "--episodes", 5).code == 0
