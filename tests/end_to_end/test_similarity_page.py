"""docs/similarity.md: its examples run as they are shown, and its tables say what the code says."""

from __future__ import annotations

import inspect
import math
import re
from pathlib import Path

import pytest

from siamtrack.losses import contrastive, triplet
from siamtrack.models.comparisons import Comparison, Concatenation, Hamming, create_comparison, list_comparisons
from siamtrack.verification import losses, mining

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "similarity.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


def example(heading: str) -> str:
    (block,) = re.findall(r"^```python\n(.*?)^```$", SECTIONS[heading], re.DOTALL | re.MULTILINE)
    return str(block)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table in a section, without its head; a bar within a cell is escaped."""
    lines = [line for line in SECTIONS[heading].splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def named(cells: list[str]) -> set[str]:
    """The function that each cell names."""
    return {match[1] for cell in cells if (match := re.match(r"`(\w+)", cell))}


def functions_of(*modules: object) -> set[str]:
    """Public functions that are at home in the modules."""
    return {
        name
        for module in modules
        for name, found in inspect.getmembers(module, inspect.isfunction)
        if found.__module__ == module.__name__ and not name.startswith("_")  # type: ignore[attr-defined]
    }


def test_the_example_of_learning_tells_textures_apart_that_it_never_saw(capsys: pytest.CaptureFixture[str]) -> None:
    exec(example("Learn what is the same"), {})
    match = re.fullmatch(r"the same: (\S+), different: (\S+)\n", capsys.readouterr().out)
    assert match
    same, different = map(float, match.groups())
    assert same < 0.6 * different


def test_the_example_of_a_map_finds_the_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    exec(example("Find it in a larger picture"), {})
    assert capsys.readouterr().out == "found at row 5, column 8\n"


def test_there_is_no_example_that_is_not_run() -> None:
    assert PAGE.count("```python") == 2


def number(value: float) -> str:
    return f"{value:g}".replace("inf", "∞") if math.isinf(value) else f"{value:g}"


def test_the_table_of_comparisons_says_what_they_say() -> None:
    made: list[tuple[str, Comparison]] = [(f"`{name}`", create_comparison(name)) for name in list_comparisons()]
    made += [("", Hamming()), ("", Concatenation(2, 2))]
    expected = [
        [
            name,
            f"`{type(comparison).__name__}`",
            " to ".join(map(number, comparison.range)),
            comparison.similar_is,
            "no" if isinstance(comparison, Concatenation) else "yes",
        ]
        for name, comparison in made
    ]
    assert [[name, kind, *rest] for name, kind, _, *rest in rows("Comparisons")] == expected


def test_the_table_of_losses_names_all_and_the_convention_of_each() -> None:
    table = rows("Losses")
    public = {name for name in functions_of(contrastive, triplet, losses) if name.endswith("_loss")}
    assert named([row[0] for row in table]) == public
    labelled = named([row[0] for row in table if row[3].startswith("`same=`")])
    for module in (contrastive, triplet, losses):
        for name in functions_of(module) & public:
            assert ("same" in inspect.signature(getattr(module, name)).parameters) == (name in labelled)


def test_the_table_of_miners_names_all() -> None:
    assert named([row[0] for row in rows("Miners")]) == functions_of(mining)
