"""Docstrings open with a verb or a noun phrase, not with a clause in place of one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "siamtrack"
CLAUSE = re.compile(r"(What|As of|Whether|Where|That|The same|Beside it|Of a)\b")
"""Openings in place of a noun or a verb."""


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines and texts of all docstrings, those of attributes included: every string that stands alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_docstring_opens_with_a_verb_or_a_noun_phrase(path: Path) -> None:
    found = docstrings(ast.parse(path.read_text(encoding="utf-8")))
    assert [f"line {line}: {text[:60]}" for line, text in found if CLAUSE.match(text)] == []


@pytest.mark.parametrize(("text", "clause"), [("Whether it is.", True), ("Return whether it is.", False)])
def test_clause_is_recognized(text: str, clause: bool) -> None:
    assert bool(CLAUSE.match(text)) is clause
