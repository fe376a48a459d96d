from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import growing_track, render

from siamtrack.boxes import Box, iou
from siamtrack.models.network import TrackingNetwork
from siamtrack.tracking.got10k import as_got10k_tracker
from siamtrack.tracking.tracker import Tracker

trackers = pytest.importorskip("got10k.trackers")


def test_toolkit_runs_a_sequence(network: TrackingNetwork, tmp_path: Path) -> None:
    sequence = render([growing_track(8)])
    files = []
    for i, frame in enumerate(sequence.frames):
        files.append(str(tmp_path / f"{i:08d}.png"))
        Image.fromarray(frame[..., ::-1].copy()).save(files[-1])
    one_based = np.array([box.to_one_based() for box in sequence.boxes[0]])

    adapter = as_got10k_tracker(Tracker(network), "SiamTrack")
    assert isinstance(adapter, trackers.Tracker)
    assert adapter.name == "SiamTrack"
    boxes, times = adapter.track(files, one_based[0])
    assert boxes.shape == (8, 4)
    assert (times > 0).all()

    direct = Tracker(network)
    direct.init(sequence.frames[0], sequence.boxes[0][0])
    expected = [direct.update(frame).box for frame in sequence.frames[1:]]
    np.testing.assert_allclose([Box.from_one_based(*box) for box in boxes[1:]], expected)
    assert iou(boxes, one_based).mean() > 0.8


def test_images_of_other_kinds(network: TrackingNetwork) -> None:
    sequence = render([growing_track(2)])
    rgb = [frame[..., ::-1].copy() for frame in sequence.frames]
    box = np.array(sequence.boxes[0][0].to_one_based())
    found = []
    for images in (rgb, [Image.fromarray(i) for i in rgb], [Image.fromarray(i).convert("RGBA") for i in rgb]):
        adapter = as_got10k_tracker(Tracker(network), "any")
        adapter.init(images[0], box)
        found.append(adapter.update(images[1]))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
