"""A model written as graphs for another runtime, kept only if it tracks as the original does."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from siamtrack.boxes import iou
from siamtrack.config import TrackingSettings
from siamtrack.errors import OutputError, SourceError, UsageError, WeightsError
from siamtrack.io.sources import open_source
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.models.registry import DEFAULT_MODEL, find_model
from siamtrack.models.weights import load_network
from siamtrack.runtime.autotune import probe
from siamtrack.runtime.base import Backend
from siamtrack.runtime.exportable import make_graphs
from siamtrack.runtime.exported import SUFFIXES, Format, format_of, load_exported, runtime_of
from siamtrack.runtime.pytorch import TorchBackend
from siamtrack.runtime.runtime_cache import manifest_of
from siamtrack.system.atomic_files import replacing_folder
from siamtrack.system.machine import usable_cores
from siamtrack.tracking.crops import crop_whole_pixels_into, mean_color
from siamtrack.tracking.loop import track
from siamtrack.tracking.scales import whole_pixels
from siamtrack.tracking.tracker import Tracker

LEAST_OVERLAP = 0.99
"""Mean IoU of the exported model's path with the original's, below which nothing is kept."""
DIFFERENCE = 1e-3
"""Greatest difference of a correlation's graph from the original, as a share of the map's range."""
CLIP = (320, 240, 40)
"""Width, height and frames of the rendered clip that is tracked to compare them."""
CALIBRATION_FRAMES = 100
"""Frames, evenly spread, of which four in five decide the steps of 8 bits."""
LEAST_FRAMES = 10
"""With fewer, the steps would be those of a single picture."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exported:
    """Result of an export."""

    folder: Path
    size: int
    """Bytes of all files."""
    overlap: float
    """Mean IoU of its path with the original's, in float32, on a rendered clip."""
    int8_overlap: float | None = None
    """Mean IoU with 8 bits."""
    int8_similarity: float | None = None
    """Mean cosine of 8-bit features to the original's, over cells, on crops of the frames."""


def export(
    model: str | Path = DEFAULT_MODEL,
    *,
    format: Format,
    output: str | Path | None = None,
    frames: str | Path | None = None,
) -> Exported:
    """Write a model for another runtime, and check that it tracks as before.

    Args:
        model: name of a shipped model, or a weights file.
        format: `onnx` or `openvino`.
        output: folder to write; a folder that holds an exported model is replaced. None is `NAME-FORMAT` in the current
            folder.
        frames: folder of images, or a video; the backbone is quantized to 8 bits and calibrated on them (OpenVINO
            only). None keeps its precision.

    Raises:
        UsageError: for an unknown model, or one that has no graphs (`siamtrack.runtime.exportable`), an option that
            does not fit the format, a folder that is something else, or a missing package.
        WeightsError: when the model cannot be read, or what was written does not track as the original does.
        OutputError: when the folder cannot be written.
    """
    if frames is not None and format != "openvino":
        raise UsageError(f"--int8 quantizes OpenVINO models, not {format}: take --format openvino")
    folder = Path(output or f"{Path(model).stem}-{format}{'-int8' if frames else ''}").expanduser()
    _check_replaceable(folder)
    source = find_model(model)
    if source.is_dir():
        raise UsageError(f"{source} is exported already: give the model that it was made from")
    write = _import("write", format, format)
    quantize = _import("quantize", format, "int8") if frames is not None else None
    network, card = load_network(source)
    graphs = make_graphs(network)
    manifest = manifest_of(network, card)
    reference = TorchBackend(network)
    path = _follow(reference, card.tracking)

    def overlap(exported: Path) -> float:
        backend, _ = load_exported(exported, "float32")
        return float(iou(path, _follow(backend, card.tracking)).mean())

    similarity = int8_overlap = None
    with _replaced(folder) as scratch:
        _logger.info("writing the graphs")
        write(graphs, scratch, manifest.model_dump_json())
        _logger.info("tracking with them, to compare with the original")
        agreed = overlap(scratch)
        _check_correlation(reference, scratch)
        if agreed < LEAST_OVERLAP:
            raise WeightsError(
                f"the exported {card.name} does not track as the original does (mean IoU {agreed:.3f} on a rendered "
                f"clip, at least {LEAST_OVERLAP} wanted): nothing was kept; try another --format"
            )
        if frames is not None and quantize is not None:
            crops = sample_crops(Path(frames).expanduser(), reference.geometry.search_size)
            _logger.info("quantizing to 8 bits, on %d crops", len(crops))
            # Every fifth crop is kept back to see what was lost.
            taught, kept = [crop for index, crop in enumerate(crops) if index % 5], crops[::5]
            quantize(scratch, taught, manifest.model_copy(update={"int8": True}).model_dump_json())
            small, _ = load_exported(scratch, "float32")
            similarity = float(np.mean([_cosine(reference, small, crop) for crop in kept]))
            int8_overlap = overlap(scratch)
        size = sum(file.stat().st_size for file in scratch.iterdir())
    return Exported(folder, size, agreed, int8_overlap, similarity)


def _check_correlation(reference: Backend, folder: Path) -> None:
    """Compare the correlation's graph, which siamtrack itself does not run, with the original.

    Raises:
        WeightsError: when it answers otherwise.
    """
    exemplar, search = map(reference.upload, probe(reference))
    kernels = reference.cut_margin(reference.embed_exemplars(exemplar).features)[None]
    features = reference.embed(search).features
    wanted = reference.correlate(kernels, features).numpy()
    runtime = runtime_of(format_of(folder))(folder, "float32", usable_cores())
    (found,) = runtime.run("correlation", [kernels.numpy(), features.numpy()])
    off = float(np.abs(found - wanted).max() / np.ptp(wanted))
    if not off <= DIFFERENCE:
        raise WeightsError(f"the exported correlation differs from the original by {off:.1%}: nothing was kept")


def _import(what: str, name: Format, extra: str) -> Callable[..., None]:
    """`write_onnx`, `write_openvino` or `quantize_openvino`.

    Raises:
        UsageError: when a package that it needs is not installed.
    """
    try:
        if extra == "int8":
            importlib.import_module("nncf")
        found: Callable[..., None] = getattr(
            importlib.import_module(f"siamtrack.runtime.{name}_export"), f"{what}_{name}"
        )
    except ModuleNotFoundError as error:
        raise UsageError(f"this needs the package '{error.name}': pip install 'siamtrack[{extra}]'") from error
    return found


def _follow(backend: Backend, settings: TrackingSettings) -> NDArray[np.float64]:
    """Return the boxes `(T, 4)` of a target that is followed through a rendered clip."""
    tracker = Tracker(backend, settings)
    (first, (box,)), *rest = SyntheticClip(*CLIP)
    tracker.init(first, box)
    return np.array([result.box for _, result in track((frame for frame, _ in rest), tracker)])


def sample_crops(source: Path, side: int) -> list[NDArray[np.uint8]]:
    """Square crops `(1, side, side, 3)` uint8 RGB from frames evenly spread over a folder of images or a video.

    Raises:
        SourceError: when it cannot be read, or has too few frames.
    """
    with open_source(source) as opened:
        count = opened.expected or sum(1 for _ in opened)
    step = max(count // CALIBRATION_FRAMES, 1)
    rng = np.random.default_rng(0)
    crops: list[NDArray[np.uint8]] = []
    with open_source(source) as opened:
        for frame in opened:
            if frame.image is None or frame.index % step or len(crops) == CALIBRATION_FRAMES:
                continue
            height, width = frame.image.shape[:2]
            center = rng.uniform(0.25, 0.75, 2) * (width, height)
            square = whole_pixels((center[0], center[1]), rng.uniform(0.3, 1.0) * min(height, width))
            crop = np.empty((side, side, 3), np.uint8)
            crop_whole_pixels_into(crop, frame.image, square, mean_color(frame.image))
            crops.append(np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB), np.uint8)[None])
    if len(crops) < LEAST_FRAMES:
        raise SourceError(f"'{source}' has {len(crops)} frames: quantizing needs {LEAST_FRAMES} or more")
    return crops


def _cosine(one: Backend, other: Backend, crop: NDArray[np.uint8]) -> float:
    """Mean over cells of the cosine between the features of two backends."""
    first, second = (backend.embed(backend.upload(crop)).features for backend in (one, other))
    return float(torch.cosine_similarity(first, second, dim=1).mean())


def _check_replaceable(folder: Path) -> None:
    """Refuse to replace anything but an exported model.

    Raises:
        UsageError: when there is something else.
    """
    if folder.is_dir():
        strange = [file.name for file in folder.iterdir() if file.suffix not in (*SUFFIXES.values(), ".bin")]
        if not strange:
            return
        raise UsageError(f"--output {folder} holds other things ('{strange[0]}'): give a new folder")
    if folder.exists():
        raise UsageError(f"--output {folder} is a file: give a new folder")


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """See `replacing_folder`.

    Raises:
        OutputError: when it cannot be made or moved.
    """
    try:
        with replacing_folder(folder) as scratch:
            yield scratch
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
