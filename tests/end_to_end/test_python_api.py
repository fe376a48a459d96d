"""Every example of the Python API runs as it is shown: in docstrings, in the package's own, in docs/python-api.md."""

from __future__ import annotations

import doctest
import re
import textwrap
from pathlib import Path

import pytest
import shown_clip

import siamtrack
from siamtrack.boxes import iou
from siamtrack.io.sources import open_source

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "python-api.md").read_text(encoding="utf-8")
BLOCKS: dict[str, str] = dict(
    re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
)
"""The example under each heading."""
SHOWN = ("MultiTracker", "Tracker", "VideoWriter", "draw", "load", "open_source", "profile")
"""Public names whose docstrings have an example."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with clip.mp4 in it."""
    shown_clip.write_clip(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SHOWN)
def test_the_example_of_a_docstring_gives_what_it_shows(name: str) -> None:
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(getattr(siamtrack, name), name, globs={"siamtrack": siamtrack})
    assert example.examples
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=report.append)
    assert "".join(report) == ""


def box_in(line: str) -> list[float]:
    """The box in a printed line."""
    match = re.search(r"Box\(x=(.*?), y=(.*?), width=(.*?), height=(.*?)\)", line)
    assert match, line
    return [float(value) for value in match.groups()]


def frames_of(path: Path) -> int:
    with open_source(path) as source:
        return sum(frame.image is not None for frame in source)


def test_the_example_of_the_package_writes_a_video_and_follows(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    indented = re.search(r"\n\n((?: {4}.*\n)+)", siamtrack.__doc__ or "")
    assert indented
    exec(textwrap.dedent(indented[1]), {"siamtrack": siamtrack})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == frames_of(folder / "out.mp4") == shown_clip.FRAMES - 1
    assert iou(box_in(lines[-1]), shown_clip.truth(shown_clip.FIRST, shown_clip.FRAMES - 1)) > 0.8


def test_there_is_an_example_under_every_heading() -> None:
    assert list(BLOCKS) == re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert len(BLOCKS) == len(re.findall(r"^```python$", PAGE, re.MULTILINE)) == 6


def test_the_table_of_the_page_names_what_there_is() -> None:
    table = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))
    words = set(re.findall(r"\w+", table))
    assert set(siamtrack.__all__) - words == {"Box", "Status", "TrackingSettings", "__version__"}


@pytest.mark.parametrize("heading", BLOCKS)
def test_the_examples_of_the_page_run(heading: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(BLOCKS[heading], {})
    lines = capsys.readouterr().out.splitlines()
    last = shown_clip.FRAMES - 1
    if heading == "Write what was found":
        assert frames_of(folder / "out.mp4") == last
    elif heading == "Frames of your own":
        assert frames_of(folder / "mine.mp4") == last
    elif heading == "Several targets that come and go":
        assert {line.split()[1] for line in lines} == {"1", "2"}
        assert lines[-1].startswith(f"{last} 2 ")
        assert iou(box_in(lines[-1]), shown_clip.truth(shown_clip.SECOND, last)) > 0.8
    elif heading == "Errors":
        (comment,) = re.findall(r"print\(error\)  # (.+)", BLOCKS[heading])
        assert lines == [comment]
    else:
        assert len(lines) == last
        assert iou(box_in(lines[-1]), shown_clip.truth(shown_clip.FIRST, last)) > 0.8
