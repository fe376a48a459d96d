"""`siamtrack match`: where a picture shows what a patch shows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.compare import VERIFIER, Verifier
from siamtrack.cli.options import Debug, Quiet


def match(
    patch: Annotated[Path, typer.Argument(metavar="PATCH", help="A picture of the thing, cut out around it.")],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture to look for it in.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The heat map with the boxes, .png or .jpg; overwritten if it exists.",
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="How many matches to show at most.")] = 5,
    scales: Annotated[
        int,
        typer.Option(
            "--scales", metavar="N", min=1, max=15, help="Sizes to try: the patch's, larger and smaller ones."
        ),
    ] = 7,
    model: Verifier = VERIFIER,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find the places of a picture that are most like a patch, in several sizes.

    siamtrack match face.png crowd.jpg --output heat.png --top 3
    """
    from siamtrack.cli import console
    from siamtrack.cli.tables import match_table

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.verification.matching import find_matches

    output = output and output.expanduser()
    found = find_matches(patch, image, model, top=top, scales=scales, output=output)
    if not quiet:
        console.show_table(match_table(found.matches, found.measure))
        if output is not None:
            console.output().print(f"wrote {output}")
