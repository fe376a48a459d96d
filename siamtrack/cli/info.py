"""`siamtrack info` and `siamtrack models`: model cards, and the size, rate and length of videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from siamtrack.cli.options import Debug


def models(debug: Debug = False) -> None:
    """List the shipped models with size, network and description."""
    from rich.table import Table

    from siamtrack.cli import console
    from siamtrack.models.registry import DEFAULT_MODEL, find_model, list_models
    from siamtrack.models.weights import read_card

    console.configure_logging(debug=debug)
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("network", no_wrap=True)
    table.add_column("description")
    for name in list_models():
        path = find_model(name)
        card = read_card(path)
        label = f"{name} (default)" if name == DEFAULT_MODEL else name
        table.add_row(label, f"{path.stat().st_size / 1e6:.1f} MB", card.architecture, card.description)
    console.output().print(table, soft_wrap=False)
    console.show_result("The whole card of a model, with data, license and figures: siamtrack info NAME")


def info(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Weights file, shipped or exported model, video, folder of images or glob."
        ),
    ],
    debug: Debug = False,
) -> None:
    """Show the model card of a model, or the size, rate and length of a video."""
    from siamtrack.cli import console
    from siamtrack.models.registry import list_models

    console.configure_logging(debug=debug)
    suffix = Path(file).suffix.lower()
    # A bare word is the name of a model, perhaps a mistyped one, unless there is such a file.
    is_model = file in list_models() or (not suffix and "/" not in file and not Path(file).exists())
    describe = _describe_model if is_model or suffix in (".safetensors", ".pth", ".pt") else _describe_source
    if any(Path(file, f"backbone{ending}").is_file() for ending in (".onnx", ".xml")):
        describe = _describe_exported
    console.show_result(*_lines(describe(file)))


def _describe_model(name: str) -> dict[str, Any]:
    from siamtrack.models.registry import find_model
    from siamtrack.models.weights import read_any_card

    path = find_model(name)
    return {"file": str(path), "size": f"{path.stat().st_size / 1e6:.1f} MB", **read_any_card(path).model_dump()}


def _describe_exported(name: str) -> dict[str, Any]:
    from siamtrack.runtime.exported import format_of, read_manifest

    folder = Path(name)
    manifest = read_manifest(folder)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    kind = f"{format_of(folder)}{', 8 bits' if manifest.int8 else ''}"
    return {"folder": name, "size": f"{size:.1f} MB", "format": kind, **manifest.card.model_dump()}


def _describe_source(name: str) -> dict[str, Any]:
    from siamtrack.io.sources import open_source

    with open_source(name) as source:
        described = source.info
    rate = float(described.rate)
    exact = f" ({described.rate.numerator}/{described.rate.denominator})" if described.rate.denominator != 1 else ""
    length = {} if described.count is None else {"frames": described.count, "seconds": f"{described.count / rate:.2f}"}
    return {
        "source": described.name,
        "size": f"{described.width}x{described.height}",
        "rate": f"{rate:.3f}".rstrip("0").rstrip(".") + f" fps{exact}",
        **length,
    }


def _lines(values: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Yield one `key: value` a line; dicts and lists of dicts are indented, empty values are left out."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            yield f"{indent}{key}:"
            for item in value:
                first, *rest = _lines(item) if isinstance(item, dict) else [str(item)]
                yield f"{indent}  - {first}"
                yield from (f"{indent}    {line}" for line in rest)
        elif value not in ("", None, {}, []):
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{indent}{key}: {text}"
