"""Models that were exported: a folder of graphs, and the runtimes that run them."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from siamtrack.config import Frozen, Precision
from siamtrack.errors import UsageError, WeightsError
from siamtrack.models.cards import ModelCard
from siamtrack.runtime.autotune import choose
from siamtrack.runtime.base import Backend, Embedding, Geometry
from siamtrack.runtime.correlation import compile_correlation, correlate
from siamtrack.runtime.measurement_cache import Measurements
from siamtrack.system.machine import usable_cores

Format = Literal["onnx", "openvino"]
SUFFIXES: MappingProxyType[Format, str] = MappingProxyType({"onnx": ".onnx", "openvino": ".xml"})
"""Ending of a graph's file, by format."""
METADATA = "siamtrack"
"""Under this key the backbone's graph holds its `Manifest`, as JSON."""

Array = NDArray[np.float32] | NDArray[np.uint8]


class Manifest(Frozen):
    """Metadata of an exported model."""

    card: ModelCard
    geometry: Geometry
    scale: float
    """A response is `scale * correlation + bias`, a logit."""
    bias: float
    reads_boxes: bool
    int8: bool = False
    """The backbone is quantized to 8 bits."""


class Runtime(ABC):
    """Runs the graphs of a folder."""

    name: Format
    """Name of the format of its graphs."""

    @abstractmethod
    def __init__(self, folder: Path, precision: Precision, threads: int) -> None:
        """Get ready; graphs are read when they are first run."""

    @classmethod
    @abstractmethod
    def precisions(cls) -> tuple[Precision, ...]:
        """Return the precisions that exist on this machine, float32 first."""

    @abstractmethod
    def run(self, graph: str, inputs: Sequence[Array]) -> list[NDArray[np.float32]]:
        """Return the outputs of a graph, all of batch 1, in arrays of their own."""

    @classmethod
    @abstractmethod
    def read_metadata(cls, file: Path) -> str | None:
        """Return the text under `METADATA` in a graph's file; None without one."""


class ExportedBackend(Backend):
    """Runs an exported model.

    Args:
        manifest: what it says about itself.
        runtime: runs its graphs.
        precision: what the runtime was told to compute in.
    """

    def __init__(self, manifest: Manifest, runtime: Runtime, precision: Precision) -> None:
        super().__init__(
            manifest.geometry,
            scale=manifest.scale,
            bias=manifest.bias,
            reads_boxes=manifest.reads_boxes,
            precision=precision,
            runtime=runtime.name,
            device=torch.device("cpu"),
        )
        self._runtime = runtime
        self.threads = 1  # two runtimes with a thread for each core would wait for each other
        compile_correlation()

    def upload(self, crops: NDArray[np.uint8]) -> Tensor:
        """See `Backend`: as they are, the conversion is part of the graph."""
        return torch.from_numpy(crops)

    def embed(self, images: Tensor) -> Embedding:
        """See `Backend`."""
        features, *levels = self._run("backbone", images)
        return Embedding(features, tuple(levels))

    def correlate(self, kernels: Tensor, features: Tensor) -> Tensor:
        """See `Backend`: faster than the graph, which is there for other programs."""
        return correlate(kernels, features)

    def box_kernels(self, levels: Sequence[Tensor]) -> Tensor:
        """See `Backend`."""
        return self._run("box_kernels", *levels)[0]

    def read_boxes(self, kernels: Tensor, levels: Sequence[Tensor], sizes: Tensor) -> Tensor:
        """See `Backend`."""
        return self._run("boxes", kernels, sizes, *levels)[0]

    def _run(self, graph: str, *inputs: Tensor) -> list[Tensor]:
        """Return a graph on each sample: a fixed batch of 1 is what runtimes are fastest at on a CPU."""
        arrays = [np.ascontiguousarray(tensor.numpy()) for tensor in inputs]
        singles = ([array[index : index + 1] for array in arrays] for index in range(len(arrays[0])))
        outputs = zip(*(self._runtime.run(graph, single) for single in singles), strict=True)
        return [torch.from_numpy(parts[0] if len(parts) == 1 else np.concatenate(parts)) for parts in outputs]


def format_of(folder: Path) -> Format:
    """Return the format of an exported model.

    Raises:
        WeightsError: when the folder holds none.
    """
    for name, suffix in SUFFIXES.items():
        if (folder / f"backbone{suffix}").is_file():
            return name
    raise WeightsError(f"{folder} holds no exported model (backbone.onnx or backbone.xml): see siamtrack export")


def runtime_of(name: Format) -> type[Runtime]:
    """Return the runtime of a format.

    Raises:
        UsageError: when its package is not installed.
    """
    homes = {"onnx": ("onnx_runtime", "OnnxRuntime"), "openvino": ("openvino_runtime", "OpenVinoRuntime")}
    module, kind = homes[name]
    try:
        made: type[Runtime] = getattr(importlib.import_module(f"siamtrack.runtime.{module}"), kind)
    except ModuleNotFoundError as error:
        raise UsageError(f"{name} models need the package '{error.name}': pip install 'siamtrack[{name}]'") from error
    return made


def read_manifest(folder: Path) -> Manifest:
    """Read the metadata of an exported model.

    Raises:
        UsageError: when the package of its format is not installed.
        WeightsError: when the folder holds no exported model, or one that siamtrack has not written.
    """
    name = format_of(folder)
    file = folder / f"backbone{SUFFIXES[name]}"
    text = runtime_of(name).read_metadata(file)
    if text is None:
        raise WeightsError(f"{file} has no model card: it was not written by siamtrack export")
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the text"
        raise WeightsError(f"{file} has a model card that cannot be read: {where}: {first['msg']}") from error


def load_exported(
    folder: Path,
    precision: Precision | Literal["auto"] = "auto",
    threads: int | None = None,
    measurements: Measurements | None = None,
) -> tuple[Backend, ModelCard]:
    """Return a backend that runs an exported model, and the model's card.

    Args:
        folder: what `siamtrack export` wrote.
        precision: see `siamtrack.tracking.factory.load`.
        threads: of the runtime; None takes all cores that this process may use.
        measurements: what is known of its speed; None measures whatever is not said.

    Raises:
        UsageError: when the package of its format is not installed, or the precision does not exist here.
        WeightsError: when the folder holds no exported model, or one that siamtrack has not written.
    """
    manifest, name = read_manifest(folder), format_of(folder)
    runtime = runtime_of(name)

    def make(precision: Precision) -> Backend:
        return ExportedBackend(manifest, runtime(folder, precision, threads or usable_cores()), precision)

    return choose(make, runtime.precisions(), precision, name, measurements, threads), manifest.card
