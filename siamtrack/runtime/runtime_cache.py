"""Models written for a runtime other than PyTorch: once, compared with PyTorch, and kept for the next time."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from filelock import FileLock

from siamtrack.config import Frozen, Precision
from siamtrack.errors import SiamTrackError, UsageError, WeightsError
from siamtrack.models.cards import ModelCard
from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.runtime.autotune import fastest_passes, probe, respond
from siamtrack.runtime.base import Backend, Geometry
from siamtrack.runtime.devices import torch_threads
from siamtrack.runtime.exportable import Graph, has_graphs, make_graphs
from siamtrack.runtime.exported import Format, Manifest, load_exported
from siamtrack.runtime.measurement_cache import CACHE_VARIABLE, Measurements
from siamtrack.system.atomic_files import replacing_folder

PACKAGES: Mapping[Format, tuple[str, ...]] = MappingProxyType(
    {"openvino": ("openvino",), "onnx": ("onnxruntime", "onnx", "onnxscript")}
)
"""Packages that a runtime and its export need."""
CANDIDATE: Format = "openvino"
"""The runtime that is compared with PyTorch; writing for the other one takes a minute."""
WORTHWHILE = 1.1
"""It is taken if it is this many times as fast as PyTorch."""
DIFFERENCE = 1e-3
"""Greatest difference of a response map from PyTorch's, both in float32, as a share of the map's range."""

_logger = logging.getLogger(__name__)


class Speeds(Frozen):
    """Seconds in which a search crop is embedded."""

    torch: float
    other: float


@dataclass(frozen=True)
class RuntimeCache:
    """A model that can be prepared for other runtimes.

    Args:
        folder: where it is kept: `siamtrack.runtime.measurement_cache.model_folder` of its weights.
        network: made of them.
        card: of the model.
        threads: that a runtime may use.
    """

    folder: Path
    network: TrackingNetwork
    card: ModelCard
    threads: int

    def faster(self, in_torch: Callable[[], Backend]) -> Backend | None:
        """Return the model on a runtime that is faster here than PyTorch: measured once for a processor and number of
        threads.

        Args:
            in_torch: gives the backend to be faster than.

        Returns:
            None where there is no such runtime. Where it cannot be prepared or read, a warning says why.
        """
        if not has_graphs(self.network) or not all(map(importlib.util.find_spec, PACKAGES[CANDIDATE])):
            return None
        try:
            speeds = self.measurements.recall("speed", Speeds, lambda: self._measure(in_torch()), self.threads)
            return self.load(CANDIDATE) if speeds.other * WORTHWHILE <= speeds.torch else None
        except (SiamTrackError, OSError) as error:
            _logger.warning("%s runs on PyTorch, as it cannot run on %s: %s", self.card.name, CANDIDATE, error)
            return None

    def load(self, runtime: Format, precision: Precision | Literal["auto"] = "auto") -> Backend:
        """Return the model on another runtime, written first where it is not yet.

        Raises:
            UsageError: when a package that it needs is not installed, the precision does not exist there, or the
                network has no graphs.
            WeightsError: when it cannot be written or read, or does not respond as in PyTorch.
        """
        folder = self.folder / runtime
        if not folder.is_dir():  # it comes into being as a whole: what is there needs no lock, nor the right to write
            self._prepare(folder, runtime)
        try:
            return load_exported(folder, precision, self.threads, self.measurements)[0]
        except WeightsError as error:
            raise WeightsError(f"what was prepared in {folder} is damaged: delete that folder") from error

    def _prepare(self, folder: Path, runtime: Format) -> None:
        for package in PACKAGES[runtime]:
            if importlib.util.find_spec(package) is None:
                raise UsageError(
                    f"runtime '{runtime}' needs the package '{package}': pip install 'siamtrack[{runtime}]'"
                )
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.parent / f"{runtime}.lock"):
                if not folder.is_dir():
                    self._write(folder, runtime)
        except OSError as error:
            raise WeightsError(
                f"{self.card.name} cannot be prepared for {runtime} in {folder.parent}: {error.strerror or error}; "
                f"set {CACHE_VARIABLE} to a folder that can be written"
            ) from error

    def _write(self, folder: Path, runtime: Format) -> None:
        _logger.info("preparing %s for %s, once", self.card.name, runtime)
        module = importlib.import_module(f"siamtrack.runtime.{runtime}_export")
        write = cast("Callable[[Mapping[str, Graph], Path, str], None]", getattr(module, f"write_{runtime}"))
        with replacing_folder(folder) as scratch:
            write(make_graphs(self.network), scratch, manifest_of(self.network, self.card).model_dump_json())
            self._check(load_exported(scratch, "float32", self.threads)[0], runtime)

    def _check(self, written: Backend, runtime: Format) -> None:
        from siamtrack.runtime.pytorch import TorchBackend  # noqa: PLC0415 - only when something is written

        original = TorchBackend(self.network)
        crops = probe(original)
        wanted, found = respond(original, *crops), respond(written, *crops)
        off = float((found - wanted).abs().max()) / float(wanted.max() - wanted.min())
        if not off <= DIFFERENCE:
            raise WeightsError(f"in {runtime} {self.card.name} responds otherwise than in PyTorch ({off:.2%} off)")

    @property
    def measurements(self) -> Measurements:
        """Measurements of the model."""
        return Measurements(self.folder)

    def _measure(self, in_torch: Backend) -> Speeds:
        other = self.load(CANDIDATE)

        def embed(backend: Backend) -> None:
            with torch_threads(backend.threads):
                backend.embed(backend.upload(crop))

        crop = probe(in_torch)[1]
        took = fastest_passes((in_torch, other), embed)
        speeds = Speeds(torch=took[in_torch], other=took[other])
        _logger.info(
            "%s embeds in %.1f ms with PyTorch and in %.1f ms with %s",
            *(self.card.name, 1000 * speeds.torch, 1000 * speeds.other, CANDIDATE),
        )
        return speeds


def manifest_of(network: TrackingNetwork, card: ModelCard) -> Manifest:
    """Return the metadata of the model for its export."""
    return Manifest(
        card=card,
        geometry=Geometry.of(network),
        scale=network.head.log_scale.exp().item(),
        bias=network.head.bias.item(),
        reads_boxes=isinstance(network, BoxNetwork),
    )
