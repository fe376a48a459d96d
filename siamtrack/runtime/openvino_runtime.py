"""Graphs in OpenVINO's format, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamtrack.config import Precision
from siamtrack.errors import WeightsError
from siamtrack.runtime.exported import METADATA, SUFFIXES, Array, Runtime
from siamtrack.runtime.openvino_import import openvino

_HINTS: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoRuntime(Runtime):
    """Runs graphs with OpenVINO, each compiled once for every shape of its inputs: fixed shapes are faster."""

    name = "openvino"

    def __init__(self, folder: Path, precision: Precision, threads: int) -> None:
        self._folder = folder
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
        }
        self._requests: dict[tuple[str, tuple[tuple[int, ...], ...]], openvino.InferRequest] = {}

    @classmethod
    def precisions(cls) -> tuple[Precision, ...]:
        """See `Runtime`."""
        capabilities = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return ("float32", "bfloat16") if "BF16" in capabilities else ("float32",)

    def run(self, graph: str, inputs: Sequence[Array]) -> list[NDArray[np.float32]]:
        """See `Runtime`."""
        shapes = tuple(array.shape for array in inputs)
        request = self._requests.get((graph, shapes))
        if request is None:
            request = self._requests[graph, shapes] = self._compile(graph, shapes)
        outputs = request.infer(list(inputs), share_inputs=True)
        return list(outputs.values())

    def _compile(self, graph: str, shapes: Sequence[Sequence[int]]) -> openvino.InferRequest:
        model = _read(self._folder / f"{graph}{SUFFIXES['openvino']}")
        model.reshape(dict(enumerate(list(shape) for shape in shapes)))
        return _core().compile_model(model, "CPU", self._options).create_infer_request()

    @classmethod
    def read_metadata(cls, file: Path) -> str | None:
        """See `Runtime`."""
        model = _read(file)
        return str(model.get_rt_info(METADATA).value) if model.has_rt_info(METADATA) else None


@cache
def _core() -> openvino.Core:
    """Return one for as long as the process lives.

    With several, the main thread is left without a valid stack for signal handlers when they are gone (seen with
    OpenVINO 2026.4): the next Ctrl-C would be a segmentation fault.
    """
    return openvino.Core()


def _read(file: Path) -> openvino.Model:
    try:
        return _core().read_model(file)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise WeightsError(f"{file} cannot be read: {reason}; export the model again") from error
