"""The wheel carries everything that the package needs beside its code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from siamtrack.models.registry import DEFAULT_MODEL

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ("siamfc-alexnet.safetensors", "siamtrack-box.safetensors", "siamtrack-lite.safetensors")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `pip install .` builds it: the build backend comes from the package index."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "-w", folder, "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    # Nothing but the backend and what it needs is looked up.
    missing = re.search(r"No matching distribution found for \S+", done.stderr)
    if done.returncode and missing:
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain(f"the package index does not give the build backend: {missing[0]}")
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_it_is_one_wheel_for_every_system(wheel: Path) -> None:
    assert re.fullmatch(r"siamtrack-[\d.]+-py3-none-any\.whl", wheel.name)


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_weights_are_in_it_byte_for_byte(wheel: Path, name: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        carried = archive.read(f"siamtrack/weights/{name}")
    assert len(carried) > 1_000_000
    assert carried == (ROOT / "weights" / name).read_bytes()


def test_no_other_weights_are_in_it(names: set[str]) -> None:
    carried = {name for name in names if name.startswith("siamtrack/weights/")}
    assert carried == {f"siamtrack/weights/{name}" for name in WEIGHTS}


def test_code_recipes_and_type_marker_are_in_it(names: set[str]) -> None:
    package = ROOT / "siamtrack"
    patterns = ("recipes/*.toml", "**/templates/*", "live/page/*", "**/*.py")
    files = [package / "py.typed", *(file for pattern in patterns for file in package.glob(pattern))]
    expected = {path.relative_to(ROOT).as_posix() for path in files}
    assert {"siamtrack/recipes/siamtrack-lite.toml", "siamtrack/recipes/siamfc-alexnet.toml"} <= expected
    assert expected <= names


def test_nothing_else_is_in_it(names: set[str]) -> None:
    folders = {name.split("/")[0] for name in names}
    assert len(folders) == 2
    assert all(re.fullmatch(r"siamtrack|siamtrack-[\d.]+\.dist-info", folder) for folder in folders)
    assert {Path(name).suffix for name in names if name.startswith("siamtrack/")} == {
        ".py",
        ".safetensors",
        ".toml",
        ".css",
        ".html",
        ".j2",
        ".js",
        ".svg",
        ".typed",
    }


def test_the_command_and_the_licence_are_in_it(wheel: Path, names: set[str]) -> None:
    (scripts,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
    (license,) = (name for name in names if name.endswith(".dist-info/licenses/LICENSE"))
    with zipfile.ZipFile(wheel) as archive:
        assert "siamtrack = siamtrack.cli:command" in archive.read(scripts).decode().splitlines()
        assert archive.read(license) == (ROOT / "LICENSE").read_bytes()


def test_the_unpacked_package_finds_its_own_weights(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    script = (
        "import siamtrack, siamtrack.models.registry as registry\n"
        "print(siamtrack.__file__)\n"
        "for name in siamtrack.list_models(): print(registry.find_model(name))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    package = tmp_path / "siamtrack"
    found = [Path(line) for line in done.stdout.splitlines()]
    assert found[0] == package / "__init__.py"
    assert found[1].stem == DEFAULT_MODEL
    assert sorted(found[1:]) == [package / "weights" / name for name in WEIGHTS]
