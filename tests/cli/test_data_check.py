"""`siamtrack data check` on a rendered data set."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from command_clips import Run


def folder_of_sequences(root: Path) -> Path:
    for name in ("one", "two"):
        (root / name / "img").mkdir(parents=True)
        (root / name / "groundtruth_rect.txt").write_text("1,2,3,4\n" * 3)
        for number in (1, 2, 3):
            cv2.imwrite(str(root / name / "img" / f"{number:04d}.jpg"), np.zeros((8, 8, 3), np.uint8))
    return root


def test_data_check_prints_one_line_for_a_correct_set(run: Run, tmp_path: Path) -> None:
    done = run("data", "check", folder_of_sequences(tmp_path / "mine"))
    assert done.code == 0
    assert done.out.replace("\n", "").endswith("nothing is wrong with mine (custom): 2 sequences, 6 frames")


def test_data_check_lists_all_errors(run: Run, tmp_path: Path) -> None:
    root = folder_of_sequences(tmp_path / "mine")
    (root / "one" / "img" / "0003.jpg").unlink()
    (root / "two" / "groundtruth_rect.txt").write_text("1,2,3,4\nbox\n")
    done = run("data", "check", root)
    assert done.code == 1
    assert [line.split(": ")[2] for line in done.err.splitlines()] == ["one", "two"]
    assert "3 boxes for 2 pictures" in done.err
    assert "line 2: 'box' is not four numbers" in done.err
