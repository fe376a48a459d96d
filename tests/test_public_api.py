"""`import siamtrack` gives a dozen names and costs nothing until one is used."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import siamtrack


@pytest.mark.parametrize("name", siamtrack.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(siamtrack, name) is not None
    assert name in dir(siamtrack)


def test_public_names_are_the_objects_of_their_modules() -> None:
    from siamtrack.boxes import Box
    from siamtrack.errors import SiamTrackError
    from siamtrack.io import draw, sources
    from siamtrack.io.video import writer
    from siamtrack.models.registry import list_models
    from siamtrack.profiling import workflow as profiling
    from siamtrack.tracking import factory
    from siamtrack.tracking.got10k import as_got10k_tracker
    from siamtrack.tracking.loop import track
    from siamtrack.tracking.multi import MultiTracker

    assert siamtrack.Box is Box
    assert siamtrack.SiamTrackError is SiamTrackError
    assert siamtrack.list_models is list_models
    assert siamtrack.load is factory.load
    assert siamtrack.open_source is sources.open_source
    assert siamtrack.VideoWriter is writer.VideoWriter
    assert siamtrack.profile is profiling.profile
    assert siamtrack.draw is draw.draw
    assert siamtrack.MultiTracker is MultiTracker
    assert siamtrack.track is track
    assert siamtrack.as_got10k_tracker is as_got10k_tracker


def test_model_card_is_that_of_the_weights_file() -> None:
    card = siamtrack.model_card("siamtrack-lite")
    assert card.name == "siamtrack-lite"
    with pytest.raises(siamtrack.SiamTrackError, match="siamtrack-lite"):
        siamtrack.model_card("siamtrack-light")


def test_version_is_that_of_the_installed_package() -> None:
    assert siamtrack.__version__ == importlib.metadata.version("siamtrack")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'lead'"):
        siamtrack.lead  # noqa: B018


def loaded_by(statement: str) -> set[str]:
    """The libraries that a fresh interpreter has loaded after a statement."""
    script = f"{statement}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_no_library() -> None:
    libraries = {"torch", "numba", "cv2", "av", "numpy", "pydantic", "typer"}
    assert libraries.isdisjoint(loaded_by("import siamtrack; dir(siamtrack)"))


@pytest.mark.parametrize("name", ["open_source", "VideoWriter", "draw"])
def test_reading_writing_and_drawing_need_no_network(name: str) -> None:
    assert {"torch", "numba", "typer"}.isdisjoint(loaded_by(f"from siamtrack import {name}"))
