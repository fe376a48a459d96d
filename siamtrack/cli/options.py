"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Machine = "Machine"
"""Heading of what depends on the machine, in the help."""

Model = Annotated[
    str, typer.Option("--model", "-m", metavar="NAME|FILE", help="A shipped model (see 'siamtrack models') or a file.")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(help="Where the network runs; auto takes a GPU if there is one.", rich_help_panel=Machine),
]
Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="CPU threads of the network; default: as few as come near the fastest.",
        rich_help_panel=Machine,
    ),
]
ScaleSearch = Annotated[
    Literal["search", "exemplar", "alternate"] | None,
    typer.Option(
        "--scale-search",
        help="Where scales are tried: on three search crops a frame (the paper), on the exemplar with one crop, or in "
        "turn with one crop. Default: as the model says.",
        rich_help_panel=Machine,
    ),
]
Precision = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    typer.Option(
        help="What the network computes in; auto takes the fastest whose responses are as in float32.",
        rich_help_panel=Machine,
    ),
]
Runtime = Annotated[
    Literal["auto", "torch", "openvino", "onnx"],
    typer.Option(
        help="What runs the network on the CPU; auto takes OpenVINO where it is installed and faster.",
        rich_help_panel=Machine,
    ),
]
Update = Annotated[
    bool,
    typer.Option(
        "--update", help="Let the template follow the target slowly, instead of keeping to the first frame's alone."
    ),
]
DataKind = Annotated[
    str | None,
    typer.Option("--kind", metavar="KIND", help="OTB2015, GOT-10k, ...; default: what the folder looks like."),
]
Subset = Annotated[
    str | None, typer.Option("--subset", metavar="NAME", help="The part of the data set, such as val or test.")
]
Only = Annotated[
    str | None, typer.Option("--only", metavar="A,B", help="Names of the sequences to take; default: all.")
]
ConventionName = Annotated[
    Literal["got10k", "pysot"],
    typer.Option("--convention", help="How the figures are made: as the GOT-10k toolkit or as pysot does it."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, and more of the log.")]
