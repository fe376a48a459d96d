"""Rendered data that several parts are tested with."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.models.registry import create_network, list_architectures

# What tests compare is PyTorch's unless they say otherwise: which runtime is the fastest one depends on the machine.
os.environ["SIAMTRACK_RUNTIME"] = "torch"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is measured and prepared for this machine is not the user's, and not of another run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIAMTRACK_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("siamtrack.runtime.measurement_cache.BUSY", 1.0)  # other tests run at the same time
        yield


DEMO = Path(__file__).resolve().parents[1] / "data" / "demo"

FRAME_HEIGHT, FRAME_WIDTH = 120, 160
OBJECT_SIDE = 30


def texture(height: int, width: int, rng: np.random.Generator, cell: int = 6) -> NDArray[np.uint8]:
    """Smooth random colors: something to recognize at every place."""
    coarse = rng.integers(0, 256, (height // cell + 2, width // cell + 2, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def write_sequence(folder: Path, frames: int, rng: np.random.Generator) -> None:
    """A textured square that moves two pixels right and one down every frame; the third frame has no box."""
    (folder / "img").mkdir(parents=True)
    background = texture(FRAME_HEIGHT, FRAME_WIDTH, rng)
    patch = texture(OBJECT_SIDE, OBJECT_SIDE, rng, 4)
    lines = []
    for index in range(frames):
        x, y = 40 + 2 * index, 30 + index
        frame = background.copy()
        frame[y : y + OBJECT_SIDE, x : x + OBJECT_SIDE] = patch
        cv2.imwrite(str(folder / "img" / f"{index + 1:04d}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 98])
        lines.append("nan,nan,nan,nan" if index == 2 else f"{x + 1},{y + 1},{OBJECT_SIDE},{OBJECT_SIDE}")
    (folder / "groundtruth_rect.txt").write_text("\n".join(lines) + "\n")


def write_stills(folder: Path, photos: int, rng: np.random.Generator) -> None:
    """Photographs with one round object each, its mask, and a cut-out."""
    for name in ("photos", "masks", "cutouts"):
        (folder / name).mkdir(parents=True)
    rows = []
    for index in range(photos):
        photo = texture(FRAME_HEIGHT, FRAME_WIDTH, rng)
        x, y, side = 50 + 5 * index, 35, 40
        mask = np.zeros((side, side), np.uint8)
        cv2.circle(mask, (side // 2, side // 2), side // 2 - 1, 255, -1)
        area = photo[y : y + side, x : x + side]
        area[mask > 0] = texture(side, side, rng, 5)[mask > 0]
        cv2.imwrite(str(folder / "photos" / f"p{index}.jpg"), photo, [cv2.IMWRITE_JPEG_QUALITY, 98])
        cv2.imwrite(str(folder / "masks" / f"p{index}.png"), mask)
        rows.append(
            [f"p{index}.jpg", "rendered", FRAME_WIDTH, FRAME_HEIGHT, x, y, side, side, f"p{index}.png", "polygon"]
        )
    with (folder / "objects.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["photo", "source", "w", "h", "x", "y", "bw", "bh", "mask", "quality", "touch", "label"])
        writer.writerows([*row, 0, "disc"] for row in rows)
    alpha = np.zeros((60, 60), np.uint8)
    cv2.circle(alpha, (30, 30), 20, 255, -1)
    cutout = np.dstack([texture(60, 60, rng), alpha])
    cv2.imwrite(str(folder / "cutouts" / "c0.webp"), cutout, [cv2.IMWRITE_WEBP_QUALITY, 101])


@pytest.fixture(scope="session")
def training_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data folder in the layout of training: two sequences, one of them kept for validation, and stills."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    write_sequence(root / "clips" / "moving_square", 8, rng)
    write_sequence(root / "clips" / "airplane", 8, rng)
    write_stills(root / "stills", 3, rng)
    return root


@pytest.fixture
def own_threads() -> Iterator[None]:
    """PyTorch's number of threads is as before when a test ends: loading a model may change it for the process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def demo() -> Path:
    """The folder of the clips; they must be there in CI."""
    if not (DEMO / "bikes.mp4").is_file() or not (DEMO / "carphone_pristine.mp4").is_file():
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain("data/demo has no clips: run tools/test.sh or tools/demo.sh once")
    return DEMO


@pytest.fixture
def only_when_asked(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--benchmark-enable"):
        pytest.skip("a benchmark: run it with --benchmark-enable")


Crops = Callable[..., tuple[Tensor, Tensor]]


def _small_crops(network: TrackingNetwork, batch: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random RGB crops smaller than the standard ones, but large enough for every backbone."""
    generator = torch.Generator().manual_seed(seed)
    exemplar, search = network.exemplar_size - 32, network.exemplar_size
    return (
        torch.rand(batch, 3, exemplar, exemplar, generator=generator) * 255,
        torch.rand(batch, 3, search, search, generator=generator) * 255,
    )


@pytest.fixture
def small_crops() -> Crops:
    """Makes `(exemplars, searches)` for a network, `batch` of them."""
    return _small_crops


@pytest.fixture(scope="session", params=list_architectures())
def every_network(request: pytest.FixtureRequest) -> TrackingNetwork:
    """One network of each architecture in evaluation mode, its batch norms set to uneven, plausible statistics.

    Shared by all tests: none may change it.
    """
    generator = torch.Generator().manual_seed(1)
    network = create_network(request.param, generator)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0  # the statistics of one batch become the running ones
    exemplars, _ = _small_crops(network, seed=2)
    with torch.no_grad():
        network.train().backbone(exemplars)
        if isinstance(network, BoxNetwork):
            _, levels = network.embed_levels(exemplars)
            network.read_boxes(network.box_kernel(levels), levels, torch.full((len(exemplars), 2), 60.0))
        for norm in norms:
            norm.weight.uniform_(0.8, 1.2, generator=generator)
            norm.bias.normal_(0, 0.1, generator=generator)
            norm.running_mean += 0.1 * torch.randn(norm.num_features, generator=generator)
            norm.running_var *= 0.8 + 0.4 * torch.rand(norm.num_features, generator=generator)
    if isinstance(network, BoxNetwork):  # a fresh one answers 0 everywhere, and passes no gradient on
        nn.init.normal_(network.box_head.read.weight, std=0.05, generator=generator)
    return network.eval()
