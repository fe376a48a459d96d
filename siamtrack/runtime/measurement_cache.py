"""The folder in which the user's machine keeps what was made or measured for a model, so that it happens once."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from platformdirs import user_cache_path
from pydantic import ValidationError

from siamtrack.config import Frozen
from siamtrack.system.atomic_files import replace_file
from siamtrack.system.machine import ProcessorUse, cpu_name, usable_cores, waiting_policy

CACHE_VARIABLE = "SIAMTRACK_CACHE"
"""The environment variable that says where the cache is."""
PACKAGES = ("siamtrack", "torch", "openvino", "onnxruntime", "onnx", "onnxscript")
"""With another version of one of these, everything is made and measured anew."""

BUSY = 0.25
"""Share of the processor that other processes may use during a measurement that is kept."""

_logger = logging.getLogger(__name__)

Measurement = TypeVar("Measurement", bound=Frozen)


def cache_folder() -> Path:
    """Return the folder of the cache. Deleted files are made and measured again."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else user_cache_path("siamtrack")


def model_folder(weights: Path) -> Path:
    """Return the cache's folder for a model, as the packages that are installed make it of these weights."""
    digest = hashlib.sha256(weights.read_bytes())
    for package in PACKAGES:
        digest.update(f"{package} {_version(package)}\n".encode())
    return cache_folder() / f"{weights.stem}-{digest.hexdigest()[:16]}"


@dataclass(frozen=True)
class Measurements:
    """Measurements of a model on this machine: of its processor, the usable cores, and how threads wait.

    Args:
        folder: of the model in the cache.
    """

    folder: Path

    def recall(
        self, name: str, kind: type[Measurement], measure: Callable[[], Measurement], *conditions: object
    ) -> Measurement:
        """Return the kept measurement, or measure now.

        Where it cannot be kept, a line in the log says so, and it is measured every time.

        Args:
            name: of the measurement, and of its file.
            kind: of its result.
            measure: gives it.
            conditions: under which it holds, beside the machine's.
        """
        known = repr((cpu_name(), usable_cores(), waiting_policy(), *conditions))
        file = self.folder / f"{name}-{hashlib.sha256(known.encode()).hexdigest()[:16]}.json"
        try:
            return kind.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            with ProcessorUse() as use:
                measured = measure()
        if use.by_others > BUSY:
            _logger.debug("%s was measured beside other programs: it is measured again the next time", name)
            return measured
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(file, measured.model_dump_json().encode())
        except OSError as error:
            _logger.info(
                "what was measured cannot be kept in %s, and will be measured again: %s; set %s to a folder that can "
                "be written",
                *(self.folder, error.strerror or error, CACHE_VARIABLE),
            )
        return measured


def _version(package: str) -> str:
    """Return the version that is installed; nothing for a package that is missing, or was not installed as one."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
