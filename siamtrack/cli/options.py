"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

MACHINE, RESULTS = "Machine", "Results"
"""Headings of the help, for options of the machine and of output files."""

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Video file, folder of images or quoted glob.")]
Boxes = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="X,Y,W,H",
        help="Box of the object in the first frame: left, top, width, height in pixels, from 0. Give it once for each "
        "object. Without it, a window opens to draw the boxes.",
    ),
]
Model = Annotated[
    str,
    typer.Option("--model", "-m", metavar="NAME|FILE", help="Shipped model (see 'siamtrack models') or weights file."),
]
VERIFIER = "siamtrack-lite"
Verifier = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|FILE",
        help="Weights file from 'siamtrack train verify-...', or a tracking model.",
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(help="Device of the network; auto takes a GPU if there is one.", rich_help_panel=MACHINE),
]
Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="CPU threads of the network. Default: the smallest number that is nearly as fast as the best one.",
        rich_help_panel=MACHINE,
    ),
]
ScaleSearch = Annotated[
    Literal["search", "exemplar", "alternate"] | None,
    typer.Option(
        "--scale-search",
        help="Scale search: three search crops a frame (as in the paper), scaled exemplars with one search crop, or "
        "one scale after the other with one search crop. Default: setting of the model.",
        rich_help_panel=MACHINE,
    ),
]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    typer.Option(
        help="Precision of the network; auto takes the fastest one with the same responses as float32.",
        rich_help_panel=MACHINE,
    ),
]
Runtime = Annotated[
    Literal["auto", "torch", "openvino", "onnx"],
    typer.Option(
        help="Runtime of the network on the CPU; auto takes OpenVINO if it is installed and faster.",
        rich_help_panel=MACHINE,
    ),
]
Update = Annotated[
    bool,
    typer.Option("--update", help="Update the template slowly, instead of keeping that of the first frame."),
]
CsvFile = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="Table with the columns frame,time,target,x,y,w,h,score,status.",
        rich_help_panel=RESULTS,
    ),
]
RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe of the package, or .toml file.")]
TrainingFolder = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder of training data, see train.")]
DataSet = Annotated[Path, typer.Argument(metavar="DATA", help="Folder of a data set, in the layout of its kind.")]
DataKind = Annotated[
    str | None, typer.Option("--kind", metavar="KIND", help="OTB2015, GOT-10k, ... Default: detected from the folder.")
]
Subset = Annotated[
    str | None, typer.Option("--subset", metavar="NAME", help="Part of the data set, such as val or test.")
]
Only = Annotated[str | None, typer.Option("--only", metavar="A,B", help="Names of the sequences to use. Default: all.")]
ConventionName = Annotated[
    Literal["got10k", "pysot"],
    typer.Option("--convention", help="Convention of the scores: that of the GOT-10k toolkit or of pysot."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and more of the log.")]


def parse_names(text: str | None) -> list[str] | None:
    """Split names at commas; None stays None."""
    return None if text is None else [name.strip() for name in text.split(",")]


def tracking_settings(scale_search: str | None = None, update: bool = False) -> dict[str, object]:
    """Return the tracking settings that options change."""
    settings: dict[str, object] = {}
    if scale_search is not None:
        settings["scale_search"] = scale_search
    if update:
        settings["template_update"] = {}
    return settings
