"""`siamtrack compare`: comparison of two pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import VERIFIER, Debug, Verifier


def compare(
    one: Annotated[Path, typer.Argument(metavar="A.png", help="Picture of a thing, cropped to it.")],
    other: Annotated[Path, typer.Argument(metavar="B.png", help="Another picture; size and colors may differ.")],
    *,
    model: Verifier = VERIFIER,
    debug: Debug = False,
) -> None:
    """Decide if two pictures show the same thing, and print the value of the comparison and its probability.

    siamtrack compare car-1.png car-2.png

    The probability holds where half of the pairs are the same.
    """
    from siamtrack.cli import console

    console.configure_logging(debug=debug)

    from siamtrack.verification.matching import compare_pictures

    found = compare_pictures(one, other, model)
    console.show_result(
        f"{found.measure}: {found.value:.4f} (same from {found.threshold:.4f} {found.direction})",
        f"probability of the same: {found.probability:.3f}",
        f"decision: {'same' if found.same else 'different'}",
    )
