from __future__ import annotations

from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamtrack.errors import OutputError
from siamtrack.live.snapshots import save_snapshot

NOW = datetime(2031, 2, 3, 4, 5, 6)
PICTURE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


def test_pictures_of_the_same_second_have_names_of_their_own(tmp_path: Path) -> None:
    paths = [save_snapshot(tmp_path / "new" / "folder", PICTURE + index, NOW) for index in range(3)]
    assert [path.name for path in paths] == [
        "siamtrack-20310203-040506.png",
        "siamtrack-20310203-040506-2.png",
        "siamtrack-20310203-040506-3.png",
    ]
    for index, path in enumerate(paths):
        assert (cv2.imread(str(path)) == PICTURE + index).all()


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="file' cannot be written"):
        save_snapshot(tmp_path / "file", PICTURE, NOW)
    assert (tmp_path / "file").read_text() == "kept"
