"""`siamtrack compare`: whether two pictures show the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import Debug

VERIFIER = "siamtrack-lite"
Verifier = Annotated[
    str,
    typer.Option(
        "--model", "-m", metavar="NAME|FILE", help="A file of 'siamtrack train verify-...', or a tracking model."
    ),
]
"""The option of all commands that tell same from different."""


def compare(
    one: Annotated[Path, typer.Argument(metavar="A.png", help="A picture of a thing, cut out around it.")],
    other: Annotated[Path, typer.Argument(metavar="B.png", help="Another one; size and colors may differ.")],
    *,
    model: Verifier = VERIFIER,
    debug: Debug = False,
) -> None:
    """Tell whether two pictures show the same: the value of the comparison, its probability, the decision.

    siamtrack compare car-1.png car-2.png

    The probability holds where as many pairs are the same as not.
    """
    from siamtrack.cli import console

    console.configure_logging(debug=debug)

    from siamtrack.verification.matching import compare_pictures

    found = compare_pictures(one, other, model)
    out = console.output()
    out.print(f"{found.measure}: {found.value:.4f} (same from {found.threshold:.4f} {found.direction})")
    out.print(f"probability of the same: {found.probability:.3f}")
    out.print(f"decision: {'same' if found.same else 'different'}")
