"""Graphs in the ONNX format, run by ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from siamtrack.config import Precision
from siamtrack.errors import WeightsError
from siamtrack.runtime.exported import METADATA, SUFFIXES, Array, Runtime


class OnnxRuntime(Runtime):
    """Runs graphs with ONNX Runtime."""

    name = "onnx"

    def __init__(self, folder: Path, precision: Precision, threads: int) -> None:
        del precision  # there is one only
        self._folder = folder
        self._threads = threads
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    @classmethod
    def precisions(cls) -> tuple[Precision, ...]:
        """See `Runtime`: its CPU kernels have no bfloat16."""
        return ("float32",)

    def run(self, graph: str, inputs: Sequence[Array]) -> list[NDArray[np.float32]]:
        """See `Runtime`."""
        session = self._sessions.get(graph)
        if session is None:
            session = self._sessions[graph] = _open(self._folder / f"{graph}{SUFFIXES['onnx']}", self._threads)
        names = [put.name for put in session.get_inputs()]
        return list(session.run(None, dict(zip(names, inputs, strict=True))))

    @classmethod
    def read_metadata(cls, file: Path) -> str | None:
        """See `Runtime`."""
        text: str | None = _open(file, 1).get_modelmeta().custom_metadata_map.get(METADATA)
        return text


def _open(file: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base but Exception
        raise WeightsError(f"{file} cannot be read: {str(error).splitlines()[0]}; export the model again") from error
