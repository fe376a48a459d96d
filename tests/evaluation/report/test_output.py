"""What is on disk afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest
from made_up import GOOD, report, tracker_score

from siamtrack.errors import OutputError
from siamtrack.evaluation.report.output import write_report
from siamtrack.evaluation.report.palette import make_styles
from siamtrack.evaluation.report.plots import curve_plots
from siamtrack.evaluation.report.png import draw_png

FILES = {
    "report.html",
    "summary.csv",
    "sequences.csv",
    "curves.csv",
    "performance.json",
    "success.png",
    "precision.png",
    "norm_precision.png",
    "speed.png",
}


def test_all_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    written = write_report(report(), folder)
    assert {path.name for path in written} == FILES == {path.name for path in folder.iterdir()}
    assert written[0].name == "report.html"
    assert "<!DOCTYPE html>" in written[0].read_text(encoding="utf-8")
    assert list(json.loads((folder / "performance.json").read_text())) == ["good", "bad"]


def test_a_report_is_replaced(tmp_path: Path) -> None:
    write_report(report(trackers=["old"]), tmp_path)
    write_report(report(trackers=["new"]), tmp_path)
    assert "old" not in (tmp_path / "summary.csv").read_text()


def test_without_times_there_is_no_plot_of_speed(tmp_path: Path) -> None:
    made = report(scores=(tracker_score("good", {"one": GOOD, "two": GOOD}, None),))
    assert {path.name for path in write_report(made, tmp_path)} == FILES - {"speed.png"}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/report/report\.html cannot be written: .*--out"):
        write_report(report(), tmp_path / "file" / "report")


def test_curves_of_a_png_are_in_the_colors_of_their_trackers() -> None:
    before = plt.get_fignums()
    names = ["good", r"a $formula$ that \is none"]
    styles = make_styles(names)
    scores = [tracker_score(name, {"one": [0.9 - 0.3 * number] * 5}) for number, name in enumerate(names)]
    image = cv2.imdecode(np.frombuffer(draw_png(curve_plots(scores, styles)[0]), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    for style in styles.values():
        assert (image == style.bgr).all(axis=2).sum() > 100
    assert plt.get_fignums() == before  # pyplot would keep every figure
