"""`siamtrack oneshot`: N-way K-shot classification with a model that tells same from different."""

from __future__ import annotations

from typing import Annotated

import typer

from siamtrack.cli.compare import VERIFIER, Verifier
from siamtrack.cli.options import Debug


def oneshot(
    data: Annotated[
        str, typer.Argument(metavar="DIR|digits", help="A folder of one folder of pictures a class, or 'digits'.")
    ],
    *,
    ways: Annotated[int, typer.Option("--ways", metavar="N", min=2, help="Classes to choose from.")] = 5,
    shots: Annotated[int, typer.Option("--shots", metavar="K", min=1, help="Known pictures of each class.")] = 1,
    episodes: Annotated[int, typer.Option("--episodes", metavar="N", min=2, help="How many draws.")] = 1000,
    only: Annotated[
        str | None, typer.Option("--only", metavar="A,B", help="Names of the classes to take; default: all.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of the draws.")] = 0,
    model: Verifier = VERIFIER,
    debug: Debug = False,
) -> None:
    """Measure how well a model tells classes apart of which it is shown K pictures, beside the distance of pixels.

    siamtrack oneshot digits --ways 4 --shots 1 --only 6,7,8,9 --model runs/verify-digits/verify-digits.safetensors
    """
    from siamtrack.cli import console
    from siamtrack.cli.tables import one_shot_table

    console.configure_logging(debug=debug)

    from siamtrack.verification.workflow import run_one_shot

    names = tuple(name.strip() for name in only.split(",")) if only else ()
    found = run_one_shot(data, model, ways, shots, episodes, names, seed)
    console.output().print(f"{found.patches} pictures of {len(found.classes)} classes")
    console.show_table(one_shot_table(found))
