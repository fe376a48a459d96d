"""`siamtrack export`, and the other commands with an exported model."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_clips import Clip, Run, read_rows


def test_export_writes_a_model_for_the_other_commands(clip: Clip, run: Run) -> None:
    pytest.importorskip("openvino")
    done = run("export", "siamtrack-lite", "--format", "openvino")
    assert done.code == 0, done.err
    assert "mean IoU 1.0000 with the original's" in done.out
    assert "wrote siamtrack-lite-openvino (3." in done.out
    about = run("info", "siamtrack-lite-openvino")
    assert about.code == 0, about.err
    assert "name: siamtrack-lite" in about.out
    assert "format: openvino" in about.out

    def boxes(model: str) -> list[list[float]]:
        where = ",".join(map(str, clip.boxes[0]))
        outcome = run("track", clip.path, "--box", where, "--no-video", "--csv", "a.csv", "-m", model, "--threads", 1)
        assert outcome.code == 0, outcome.err
        return [[float(row[key]) for key in "xywh"] for row in read_rows(Path("a.csv"))]

    for found, wanted in zip(boxes("siamtrack-lite-openvino"), boxes("siamtrack-lite"), strict=True):
        assert found == pytest.approx(wanted, abs=2)  # the precision is this machine's choice


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("siamtrack-light", "--format", "onnx"), "unknown model 'siamtrack-light', did you mean 'siamtrack-lite'?"),
        (("siamtrack-lite", "--format", "onnx", "--int8", "."), "--int8 quantizes OpenVINO models, not onnx"),
        (("siamtrack-lite", "--format", "onnx", "--output", "README.md"), "README.md is a file: give a new folder"),
    ],
)
def test_export_refuses_impossible_options(run: Run, arguments: tuple[str, ...], message: str) -> None:
    Path("README.md").touch()
    outcome = run("export", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("siamtrack: error: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
