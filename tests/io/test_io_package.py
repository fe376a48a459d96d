from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import siamtrack.io


def test_every_public_name_is_there() -> None:
    for name in siamtrack.io.__all__:
        module = import_module(f"siamtrack.io.{siamtrack.io._HOME[name]}")
        assert getattr(siamtrack.io, name) is getattr(module, name)
    assert sorted(siamtrack.io.__all__) == sorted(siamtrack.io._HOME)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        siamtrack.io.nothing  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, siamtrack.io; print(sorted({'cv2', 'av', 'torch', 'numba'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_reading_and_writing_needs_no_network() -> None:
    code = "import sys, siamtrack.io.draw, siamtrack.io.contact_sheet; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
