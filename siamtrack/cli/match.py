"""`siamtrack match`: search for a patch in a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import VERIFIER, Debug, Quiet, Verifier


def match(
    patch: Annotated[Path, typer.Argument(metavar="PATCH", help="Picture of the thing, cropped to it.")],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="Picture to search.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Heat map with the boxes, .png or .jpg; overwritten if it exists."
        ),
    ] = None,
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="Maximum number of matches.")] = 5,
    scales: Annotated[
        int,
        typer.Option(
            "--scales", metavar="N", min=1, max=15, help="Number of sizes: that of the patch, larger and smaller ones."
        ),
    ] = 7,
    model: Verifier = VERIFIER,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find the places of a picture that are most similar to a patch, in several sizes.

    siamtrack match face.png crowd.jpg --output heat.png --top 3
    """
    from siamtrack.cli import console
    from siamtrack.cli.tables import match_table

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.verification.matching import find_matches

    output = output and output.expanduser()
    found = find_matches(patch, image, model, top=top, scales=scales, output=output)
    console.show_table(match_table(found.matches, found.measure))
    if output is not None:
        console.show_result(f"wrote {output}")
