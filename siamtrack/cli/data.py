"""`siamtrack data`: look at what a network is fed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import Debug, Quiet

app = typer.Typer(help="Look at training data.", no_args_is_help=True)


@app.callback()
def _data() -> None:
    pass


@app.command()
def preview(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe of the package, or a .toml file.")],
    *,
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Training data, as of train.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The picture.")] = Path("preview.png"),
    count: Annotated[int, typer.Option(metavar="N", min=1, help="How many pairs.")] = 24,
    first: Annotated[int, typer.Option(metavar="N", min=0, help="Number of the first pair.")] = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw pairs as the recipe makes them: exemplar left, search crop with its box right."""
    from siamtrack.cli import console

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.preview import write_preview
    from siamtrack.training.recipe import read_recipe

    write_preview(read_recipe(recipe), data, output, range(first, first + count))
    if not quiet:
        console.output().print(f"wrote {output}")
