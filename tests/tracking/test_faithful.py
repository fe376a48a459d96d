"""The shipped SiamFC follows the path of the published loop on real videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reference_loop

from siamtrack.boxes import Box, iou
from siamtrack.io.sources import open_source
from siamtrack.models.registry import find_model
from siamtrack.models.weights import load_network
from siamtrack.tracking.factory import load


@pytest.mark.parametrize(
    ("clip", "start", "box"),
    [
        ("carphone_pristine.mp4", 0, Box(60, 15, 54, 84)),  # a head that turns
        ("bikes.mp4", 100, Box(580, 160, 40, 42)),  # a helmet at the border of a frame that moves
    ],
)
@pytest.mark.parametrize("changes", [{"local_search": None}, {}], ids=["usual crops", "as shipped"])
def test_paths_agree(demo: Path, clip: str, start: int, box: Box, changes: dict[str, object]) -> None:
    with open_source(str(demo / clip), start, start + 40) as source:
        frames = [frame.image for frame in source if frame.image is not None]
    network, _ = load_network(find_model("siamfc-alexnet"))
    expected = list(reference_loop.follow(network, frames, box))
    tracker = load("siamfc-alexnet", device="cpu", precision="float32", settings={"scale_search": "search"} | changes)
    tracker.init(frames[0], box)
    found = [tracker.update(frame).box for frame in frames[1:]]
    assert len(frames) == 40
    assert iou(np.array(found), np.array(expected[1:])).mean() > 0.98
