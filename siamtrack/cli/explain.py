"""`siamtrack explain`: picture of the decision of the tracker in one frame."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import Debug, Device, Model, Precision, Quiet, Source, Threads
from siamtrack.models.registry import DEFAULT_MODEL


def explain(
    source: Source,
    *,
    box: Annotated[
        list[str],
        typer.Option(
            "--box",
            metavar="X,Y,W,H",
            help="Box of the object in the first frame: left, top, width, height in pixels, from 0.",
        ),
    ],
    frame: Annotated[
        int, typer.Option("--frame", metavar="N", help="Frame to explain, from 1; in frame 0 the box is given.")
    ],
    model: Model = DEFAULT_MODEL,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Picture, .png or .jpg; overwritten if it exists.")
    ] = Path("explain.png"),
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw the decision of the tracker in one frame: search crop, response map and chosen position.

    siamtrack explain street.mp4 --box 120,80,64,48 --frame 60
    """
    from siamtrack.boxes import parse_box
    from siamtrack.cli import console
    from siamtrack.errors import UsageError

    console.configure_logging(quiet=quiet, debug=debug)
    if len(box) != 1:
        raise UsageError(f"a picture explains one target, not {len(box)}: give --box once")
    target = parse_box(box[0])

    from siamtrack.evaluation.explain import Question, write_explanation
    from siamtrack.evaluation.explain_figure import describe

    # A shell leaves the ~ of --output=~/explain.png to the program.
    output = output.expanduser()
    question = Question(source, target, frame, model, device, threads, precision)
    with console.progress("tracking") as report:
        explanation = write_explanation(question, output, report)
    console.show_result(*describe(explanation), f"wrote {output}")
