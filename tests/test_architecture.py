"""The directions of imports, read from the source of every module: `cli -> ... -> boxes, config, errors`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "siamtrack"

LAYERS = [
    {"__main__"},
    {"cli"},
    {"workflows"},
    {"labelling", "live", "profiling", "verification"},
    {"evaluation"},
    {"training"},
    {"datasets"},  # pictures and videos of a data set are decoded as those of a command
    {"io"},
    {"tracking"},
    {"runtime"},
    {"models", "losses"},
    {"system", "boxes", "config"},
    {"errors"},
]
"""Top to bottom. A part imports itself and what lies below it, never its neighbors."""
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

FORBIDDEN = {
    "models": {"cv2", "av", "PIL", "numba", "typer", "rich"},  # knows no image file
    "tracking": {"av", "PIL", "typer", "rich"},  # knows no video
    "io": {"torch", "safetensors", "typer", "rich"},  # knows no network
    "boxes": {"torch", "cv2", "numba", "pydantic"},
    "errors": {"torch", "cv2", "numba", "pydantic", "numpy"},
    "config": {"torch", "cv2", "numba", "numpy"},
}
"""Libraries that a part must not know."""

SLOW = {"torch", "numba", "cv2", "av", "pydantic", "numpy", "safetensors", "matplotlib", "got10k"}
"""Libraries that no command may import before it runs."""

MODULES = sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "__init__.py"})
"""All but the public API, which only names what it gives out."""


def part_of(module: str) -> str:
    """`siamtrack.io.sources` -> `io`; the package itself -> ``."""
    return module.partition(".")[2].partition(".")[0]


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(tree: ast.AST, package: str) -> Iterator[tuple[str, int]]:
    """Every imported module with its line; `from a import b` gives `a.b`, which may be a module as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def import_time_statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """What runs when a module is imported: no bodies of functions, nothing under `if TYPE_CHECKING`."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        statement = pending.pop()
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            pending.extend(statement.orelse)
            continue
        yield statement
        pending.extend(child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt))


def parse(path: Path) -> tuple[ast.Module, str]:
    module = name_of(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return ast.parse(path.read_text(encoding="utf-8")), package


def wrong_directions(tree: ast.AST, module: str, package: str) -> list[str]:
    part = part_of(module)
    found = []
    for target, line in imports(tree, package):
        if target.partition(".")[0] != "siamtrack":
            continue
        there = part_of(target)
        if there in RANK and there != part and RANK[there] <= RANK[part]:
            found.append(f"line {line}: {target}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards(path: Path) -> None:
    module = name_of(path)
    tree, package = parse(path)
    assert wrong_directions(tree, module, package) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_parts_know_only_their_own_libraries(path: Path) -> None:
    tree, package = parse(path)
    forbidden = FORBIDDEN.get(part_of(name_of(path)), set())
    assert [target for target, _ in imports(tree, package) if target.partition(".")[0] in forbidden] == []


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=name_of)
def test_commands_import_nothing_slow_before_they_run(path: Path) -> None:
    tree, package = parse(path)
    found = []
    for statement in import_time_statements(tree):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            found += [target for target, _ in imports(statement, package) if target.partition(".")[0] in SLOW]
    assert found == []


def imported_modules(path: Path) -> set[str]:
    """The modules of the package that a module imports, at once or when a function runs; types alone do not count."""
    tree, package = parse(path)
    names = {name_of(each) for each in MODULES}

    def visit(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                yield from visit(child)
            return
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target, _ in imports(node, package):
                yield target if target in names else target.rpartition(".")[0]
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    return set(visit(tree)) & names - {name_of(path)}


def test_no_module_imports_itself_by_way_of_others() -> None:
    # Modules that import nothing that is left are taken away, again and again: what stays is a circle.
    left = {name_of(path): imported_modules(path) for path in MODULES}
    while free := [module for module, targets in left.items() if not targets & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}


def test_only_the_ground_lies_loose_in_the_package() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "__main__", "boxes", "config", "errors"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_can_be_read_at_a_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_every_part_has_a_place_in_the_layers() -> None:
    parts = {part_of(name_of(path)) for path in MODULES}
    assert parts <= set(RANK)


@pytest.mark.parametrize(
    ("source", "module", "wrong"),
    [
        ("from siamtrack.io.sources import open_source", "siamtrack.tracking.tracker", True),
        ("from ..io import sources", "siamtrack.tracking.tracker", True),
        ("def f():\n    import siamtrack.cli", "siamtrack.models.weights", True),
        ("from siamtrack import labelling", "siamtrack.evaluation.metrics", True),
        ("from siamtrack.boxes import Box", "siamtrack.io.results", False),
        ("from siamtrack.tracking.crops import crop", "siamtrack.training.loop", False),
        ("from .crops import crop", "siamtrack.tracking.tracker", False),
    ],
)
def test_the_rule_itself(source: str, module: str, wrong: bool) -> None:
    assert bool(wrong_directions(ast.parse(source), module, module.rpartition(".")[0])) is wrong
