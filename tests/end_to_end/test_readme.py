"""What the README and the pages in docs/ show works as it is shown."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from siamtrack.boxes import iou
from siamtrack.cli.app import app

Command = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
TEXT = "\n".join(PAGES.values())
HEAD_AT_THE_END = (40, 12, 59, 88)
"""The driver's head in the last frame of carphone_pristine.mp4, drawn by hand."""


def blocks(language: str, text: str = TEXT) -> list[str]:
    """Fenced code of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def command_lines() -> list[list[str]]:
    """Every `siamtrack ...` of the bash blocks, in words."""
    lines = [line for block in blocks("bash") for line in block.replace("\\\n", " ").splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True)) and words[0] == "siamtrack"]


def find_command(words: list[str]) -> tuple[list[str], Any, list[str]]:
    """The names that lead to a subcommand, the subcommand, and what is left of the words for it."""
    command, path, rest = typer.main.get_command(app), [], words[1:]
    while hasattr(command, "commands"):
        assert rest, f"{shlex.join(words)} has no subcommand"
        assert rest[0] in command.commands, f"{shlex.join(words)}: there is no {rest[0]}"
        command = command.commands[rest[0]]
        path.append(rest.pop(0))
    return path, command, rest


def inline_options() -> set[str]:
    """Long options of siamtrack that the text names in backticks."""
    text = re.sub(r"^```.*?^```$", "", TEXT, flags=re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", text)
    own = [span for span in spans if span.startswith(("--", "siamtrack "))]
    return {option for span in own for option in re.findall(r"(?<![\w-])--[a-z0-9-]+", span)}


COMMAND_LINES = command_lines()


@pytest.fixture
def help_of(siamtrack: Command, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], set[str]]:
    """The options that `--help` of a subcommand lists."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(path: list[str]) -> set[str]:
        done = siamtrack(*path, "--help")
        assert done.returncode == 0, done.stderr
        assert f"siamtrack {' '.join(path)} [OPTIONS]" in done.stdout
        return set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", done.stdout))

    return call


def test_the_snippet_tracks_a_real_clip(demo: Path, tmp_path: Path) -> None:
    section = README.split("### Use it from Python\n")[1].split("\n### ")[0]
    (snippet,) = blocks("python", section)
    for shown, real in (
        ('"street.mp4"', repr(str(demo / "carphone_pristine.mp4"))),
        ("(120, 80, 64, 48)", "(60, 15, 54, 84)"),
    ):
        assert snippet.count(shown) == 1, f"the snippet has no {shown} to replace"
        snippet = snippet.replace(shown, real)
    done = subprocess.run(
        [sys.executable, "-c", snippet],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    number = r"(-?[\d.]+)"
    form = rf"Box\(x={number}, y={number}, width={number}, height={number}\) {number} (\w+)"
    found = [re.fullmatch(form, line) for line in done.stdout.splitlines()]
    assert len(found) == 119  # of 120 frames, the first is given
    lines = [match.groups() for match in found if match]
    assert len(lines) == 119, done.stdout
    assert {line[5] for line in lines} <= {"tracked", "uncertain", "lost"}
    assert all(0 <= float(line[4]) <= 1 for line in lines)
    last = np.array([float(value) for value in lines[-1][:4]])
    assert iou(last, np.array(HEAD_AT_THE_END)) > 0.5


def test_there_are_command_lines_to_check() -> None:
    subcommands = {" ".join(find_command(words)[0]) for words in COMMAND_LINES}
    assert {"track", "train", "data preview", "benchmark", "report", "label"} <= subcommands


@pytest.mark.parametrize("words", COMMAND_LINES, ids=shlex.join)
def test_every_command_line_parses(words: list[str]) -> None:
    _, command, rest = find_command(words)
    command.make_context(words[0], rest)  # raises for unknown options, wrong values and missing arguments


@pytest.mark.parametrize("words", COMMAND_LINES, ids=shlex.join)
def test_every_option_of_a_command_line_is_in_its_help(
    words: list[str], help_of: Callable[[list[str]], set[str]]
) -> None:
    path, _, rest = find_command(words)
    options = {word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    assert options <= help_of(path)


def test_every_option_named_in_the_text_is_in_a_help(help_of: Callable[[list[str]], set[str]]) -> None:
    options = inline_options()
    assert {"--box", "--csv", "--show"} <= options
    named = (
        ["track"],
        ["webcam"],
        ["serve"],
        ["train"],
        ["explain"],
        ["data", "preview"],
        ["profile"],
        ["benchmark"],
        ["report"],
        ["label"],
        ["match"],
    )
    assert options <= set[str]().union(*map(help_of, named))


def test_every_file_that_a_page_links_or_runs_is_there() -> None:
    links = [
        path.parent / link
        for path, text in PAGES.items()
        for link in re.findall(r"\]\(([^)]+)\)", text)
        if "://" not in link
    ]
    scripts = [ROOT / name for name in re.findall(r"^(?:bash|python) (tools/\S+)", TEXT, flags=re.MULTILINE)]
    assert ROOT / "tools" / "demo.sh" in scripts
    assert ROOT / "docs" / "demo.jpg" in links
    missing = [path for path in (*links, *scripts) if not path.exists()]
    assert missing == []
