"""Graphs written in the ONNX format."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import onnx
import torch

from siamtrack.runtime.exportable import FREE_AXES, INPUTS, OUTPUTS, Graph
from siamtrack.runtime.exported import METADATA, SUFFIXES

OPSET = 18
"""Version of the operators; runtimes since 2023 know it."""


def write_onnx(graphs: Mapping[str, Graph], folder: Path, metadata: str) -> None:
    """Write a file for each graph.

    Args:
        graphs: of `make_graphs`.
        folder: exists.
        metadata: what the backbone's file says about the model.
    """
    # It warns that torchvision is missing, which nothing here needs.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    for name, (module, inputs) in graphs.items():
        file = folder / f"{name}{SUFFIXES['onnx']}"
        free = FREE_AXES.get(name)
        shapes = None
        if free is not None:
            shapes = {put: dict.fromkeys(free.get(put, ()), torch.export.Dim.AUTO) for put in INPUTS[name]}
        program = torch.onnx.export(
            module,
            inputs,
            input_names=list(INPUTS[name]),
            output_names=list(OUTPUTS[name]),
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=shapes,
            verbose=False,
        )
        model = cast(torch.onnx.ONNXProgram, program).model_proto  # None only where a file is given
        if name == "backbone":
            model.metadata_props.add(key=METADATA, value=metadata)
        onnx.save(model, file)
