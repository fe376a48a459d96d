"""`siamtrack oneshot`: N-way K-shot classification."""

from __future__ import annotations

from typing import Annotated

import typer

from siamtrack.cli.options import VERIFIER, Debug, Verifier, parse_names


def oneshot(
    data: Annotated[
        str,
        typer.Argument(metavar="DIR|digits", help="Folder with one folder of pictures for each class, or 'digits'."),
    ],
    *,
    ways: Annotated[int, typer.Option("--ways", metavar="N", min=2, help="Number of classes to choose from.")] = 5,
    shots: Annotated[int, typer.Option("--shots", metavar="K", min=1, help="Labelled pictures of each class.")] = 1,
    episodes: Annotated[int, typer.Option("--episodes", metavar="N", min=2, help="Number of random draws.")] = 1000,
    only: Annotated[
        str | None, typer.Option("--only", metavar="A,B", help="Names of the classes to use. Default: all.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the draws.")] = 0,
    model: Verifier = VERIFIER,
    debug: Debug = False,
) -> None:
    """Measure N-way K-shot classification with a model, and with the distance of the pixels.

    siamtrack oneshot digits --ways 4 --shots 1 --only 6,7,8,9 --model runs/verify-digits/verify-digits.safetensors
    """
    from siamtrack.cli import console
    from siamtrack.cli.tables import one_shot_table

    console.configure_logging(debug=debug)

    from siamtrack.verification.workflow import run_one_shot

    with console.progress("pictures") as report:
        result = run_one_shot(data, model, ways, shots, episodes, parse_names(only) or (), seed, report)
    console.show_result(f"{result.patches} pictures of {len(result.classes)} classes")
    console.show_table(one_shot_table(result))
