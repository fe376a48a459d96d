"""Graphs written in OpenVINO's format, in float32 or with 8 bits."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.runtime.exportable import INPUTS, OUTPUTS, Graph
from siamtrack.runtime.exported import METADATA, SUFFIXES
from siamtrack.runtime.openvino_import import openvino


def write_openvino(graphs: Mapping[str, Graph], folder: Path, metadata: str) -> None:
    """Write a file (and its `.bin`) for each graph.

    Args:
        graphs: of `make_graphs`.
        folder: exists.
        metadata: what the backbone's file says about the model.
    """
    for name, (module, inputs) in graphs.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that numbers of cells and channels become constants
            model = openvino.convert_model(module, example_input=inputs)
        for put, label in zip(model.inputs, INPUTS[name], strict=False):  # without boxes there are no levels
            put.get_tensor().set_names({label})
        for put, label in zip(model.outputs, OUTPUTS[name], strict=False):
            put.get_tensor().set_names({label})
        _save(model, folder / f"{name}{SUFFIXES['openvino']}", metadata if name == "backbone" else "")


def quantize_openvino(folder: Path, crops: Sequence[NDArray[np.uint8]], metadata: str) -> None:
    """Replace a folder's backbone by one of 8 bits (post-training quantization of NNCF).

    Args:
        folder: of `write_openvino`.
        crops: `(1, s, s, 3)` uint8 RGB, what it is to see; their range decides the steps.
        metadata: what the new file says about the model.
    """
    import nncf  # noqa: PLC0415 - an extra of its own

    file = folder / f"backbone{SUFFIXES['openvino']}"
    model = openvino.Core().read_model(file)
    model.reshape([1, *crops[0].shape[1:]])
    small = nncf.quantize(model, nncf.Dataset(list(crops)), subset_size=len(crops))
    small.reshape([-1, -1, -1, 3])
    # Not over the files that are being read: they are mapped into memory.
    written = file.with_stem("int8")
    _save(small, written, metadata)
    for suffix in (".bin", ".xml"):
        written.with_suffix(suffix).replace(file.with_suffix(suffix))


def _save(model: openvino.Model, file: Path, metadata: str) -> None:
    if metadata:
        model.set_rt_info(metadata, METADATA)
    openvino.save_model(model, file, compress_to_fp16=False)
