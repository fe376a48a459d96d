"""`siamtrack export`: export of a model for another runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from siamtrack.cli.options import Debug, Quiet


def export(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Shipped model or weights file.")],
    *,
    format: Annotated[
        Literal["onnx", "openvino"],
        typer.Option(
            "--format", help="Format: onnx for ONNX Runtime and many others; openvino is fast on Intel and AMD."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder to write. Default: NAME-FORMAT in the current folder."
        ),
    ] = None,
    int8: Annotated[
        Path | None,
        typer.Option(
            "--int8",
            metavar="FRAMES",
            help="Quantize the backbone to 8 bits, calibrated on these frames: a folder of images or a video, similar "
            "to those to track. OpenVINO only.",
        ),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Export a model for another runtime, and check that it tracks as before.

    siamtrack export siamtrack-lite --format openvino && siamtrack track street.mp4 --model siamtrack-lite-openvino
    """
    from siamtrack.cli import console

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.workflows.export import export as write

    done = write(model, format=format, output=output, frames=int8)
    console.show_result(f"path on a rendered clip: mean IoU {done.overlap:.4f} with the original's (float32)")
    if done.int8_overlap is not None and done.int8_similarity is not None:
        console.show_result(
            f"with 8 bits: mean IoU {done.int8_overlap:.4f}; features on frames kept back: mean cosine "
            f"{done.int8_similarity:.4f}"
        )
    console.show_result(f"wrote {done.folder} ({done.size / 1e6:.1f} MB): give it as --model")
