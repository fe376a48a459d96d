"""Memory that a network frees between two layers is there for the next frame."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from siamtrack.runtime.memory import VARIABLES

FRAMES = """
import resource, numpy, siamtrack
tracker = siamtrack.load("siamtrack-lite", device="cpu", precision="float32")
frame = numpy.random.default_rng(0).integers(0, 256, (120, 160, 3), numpy.uint8)
states = [tracker.start(frame, (40 + 5 * i, 30, 40, 40)) for i in range(3)]  # more than fits below glibc's own limits
for warm in (True, False):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        tracker.step(frame, states)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 8)
"""


def page_faults(**variables: str) -> float:
    """Pages a frame that a new process gets from the system, with these variables set."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    ran = subprocess.run(
        [sys.executable, "-c", FRAMES], capture_output=True, text=True, check=True, env=environment, timeout=120
    )
    return float(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back so eagerly")
def test_a_frame_takes_hardly_any_memory_from_the_system() -> None:
    # The blocks between two layers are of megabytes, so of thousands of pages of 4 KiB.
    assert page_faults() < 200


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc knows the variable")
def test_a_user_who_decides_is_obeyed() -> None:
    assert page_faults(MALLOC_MMAP_THRESHOLD_="65536") > 1000
