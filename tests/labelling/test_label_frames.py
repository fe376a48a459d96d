"""Stored frames in any order."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled_videos import make_store, straight_on, write_pictures

from siamtrack.errors import OutputError
from siamtrack.io.sources import open_source
from siamtrack.labelling.frames import FrameStore


def test_frame_store_returns_frames_in_any_order(tmp_path: Path) -> None:
    frames, _ = straight_on(6)
    with make_store(write_pictures(tmp_path / "video", frames)) as store:
        assert len(store) == 6
        assert store.size == (320, 240)
        assert store.missing == frozenset()
        for index in (5, 0, 3, 3):
            image = store.image(index)
            assert image.shape == frames[index].shape
            assert np.abs(image.astype(int) - frames[index]).mean() < 3
            assert (cv2.imdecode(np.frombuffer(store.picture(index), np.uint8), cv2.IMREAD_COLOR) == image).all()


def test_frame_store_replaces_missing_frames_by_a_neighbor(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "video", straight_on(6)[0])
    for bad in (0, 1, 4):
        (folder / f"{bad}.png").write_bytes(b"")
    with make_store(folder) as store:
        assert len(store) == 6
        assert store.missing == {0, 1, 4}
        assert store.picture(0) == store.picture(1) == store.picture(2)
        assert store.picture(3) == store.picture(4) != store.picture(5)


def test_frame_store_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "video", straight_on(3)[0])
    make_store(folder).close()
    assert list(tmp_path.iterdir()) == [folder]


def test_frame_store_names_a_missing_folder(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "video", straight_on(2)[0])
    with open_source(folder) as source, pytest.raises(OutputError, match="cannot be written"):
        FrameStore(source, tmp_path / "missing", lambda: None)
