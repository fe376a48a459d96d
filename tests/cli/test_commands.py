"""`--help`, `--version`, `models`, `info`: commands without a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_clips import Clip, Run

import siamtrack

SLOW = {"torch", "numba", "cv2", "av", "numpy", "safetensors", "matplotlib", "got10k", "siamtrack.config"}
"""Without pydantic, which typer itself may use."""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["--version"],
        ["track", "--help"],
        ["webcam", "--help"],
        ["explain", "--help"],
        ["profile", "--help"],
        ["benchmark", "--help"],
        ["info", "-h"],
    ],
)
def test_help_and_version_import_nothing_slow(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from siamtrack.cli import main\n"
        f"code = main({arguments!r})\n"
        "print(*sys.modules, file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == (0 if arguments else 2), done.stderr
    assert SLOW.isdisjoint(done.stderr.split())


def test_version_is_that_of_the_package(run: Run) -> None:
    outcome = run("--version")
    assert (outcome.code, outcome.out) == (0, f"siamtrack {siamtrack.__version__}\n")


def test_track_help_names_every_option(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = run("track", "--help").out
    options = "--box --model --output --no-video --csv --json --otb --start --end --device --threads --show --quiet"
    for option in [*options.split(), "--debug", "overwritten", "-tracked.mp4"]:
        assert option in text


def test_models_lists_the_shipped_models(run: Run, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siamtrack.models.registry.list_models", lambda: ["siamtrack-box", "other"])
    monkeypatch.setattr("siamtrack.models.registry.find_model", lambda name: weights)
    outcome = run("models")
    assert outcome.code == 0
    for word in ("siamtrack-box (default)", "other", "lite0", f"{weights.stat().st_size / 1e6:.1f} MB"):
        assert word in outcome.out


def test_info_shows_the_card_of_weights(run: Run, weights: Path) -> None:
    lines = run("info", weights).out.splitlines()
    assert f"file: {weights}" in lines
    assert "architecture: lite0" in lines
    assert "  scale_search: exemplar" in lines


def test_info_shows_size_rate_and_length_of_a_video(run: Run, clip: Clip) -> None:
    assert run("info", clip.path).out.splitlines() == [
        f"source: {clip.path}",
        "size: 160x120",
        "rate: 29.97 fps (30000/1001)",
        "frames: 16",
        "seconds: 0.53",
    ]


def test_info_names_another_file_in_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    outcome = run("info", path)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert str(path) in outcome.err


@pytest.mark.parametrize("arguments", [(), ("data",)])
def test_a_group_without_a_command_prints_its_help_and_no_error(run: Run, arguments: tuple[str, ...]) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.err) == (2, "")
    assert "Usage: siamtrack" in outcome.out
    assert "Commands" in outcome.out
