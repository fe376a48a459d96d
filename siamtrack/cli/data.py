"""`siamtrack data`: views of training data, and checks of data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import DataKind, DataSet, Debug, Quiet, RecipeName, Subset, TrainingFolder

app = typer.Typer(help="Look at training data, and check data sets.", no_args_is_help=True)


@app.callback()
def _data() -> None:
    pass


@app.command()
def preview(
    recipe: RecipeName,
    *,
    data: TrainingFolder,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Picture to write.")] = Path(
        "preview.png"
    ),
    count: Annotated[int, typer.Option(metavar="N", min=1, help="Number of pairs.")] = 24,
    first: Annotated[int, typer.Option(metavar="N", min=0, help="Number of the first pair.")] = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw training pairs of a recipe: the exemplar on the left, the search crop with its box on the right."""
    from siamtrack.cli import console

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.training.preview import write_preview
    from siamtrack.training.recipe import read_recipe

    write_preview(read_recipe(recipe), data, output, range(first, first + count))
    console.show_result(f"wrote {output}")


@app.command()
def stats(
    recipe: RecipeName,
    *,
    data: TrainingFolder,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="Number of pairs to measure.")] = 500,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Count the training data, and measure training pairs of a recipe."""
    from siamtrack.cli import console
    from siamtrack.cli.tables import holdings_line, spread_table

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.training.preview import measure_feed
    from siamtrack.training.recipe import read_recipe

    with console.progress("pairs") as report:
        holdings, found = measure_feed(read_recipe(recipe), data, count, report)
    console.show_result(
        holdings_line(holdings),
        f"{found.pairs} pairs of {found.groups} videos and photographs: {found.negatives} without the target, "
        f"{found.gray} gray",
        "most often: " + ", ".join(f"{name} ({times})" for name, times in found.most) + "\n",
    )
    console.show_table(spread_table(found.spreads))


@app.command()
def check(
    data: DataSet, *, kind: DataKind = None, subset: Subset = None, quiet: Quiet = False, debug: Debug = False
) -> int:
    """List all errors of a data set for benchmarks: missing files, wrong counts, unreadable boxes."""
    from siamtrack.cli import console

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.datasets import check_dataset, open_dataset
    from siamtrack.datasets.evaluation_sequences import parse_kind

    root, known = data.expanduser(), parse_kind(kind)
    with console.progress("checking") as report:
        lines = check_dataset(root, known, subset, report)
    for line in lines:
        console.show_error(line)
    if not lines and not quiet:
        dataset = open_dataset(root, known, subset)
        frames = sum(len(sequence.frames) for sequence in dataset.sequences)
        console.show_result(
            f"{data}: nothing is wrong with {dataset.name} ({dataset.kind}): {len(dataset)} sequences, {frames} frames"
        )
    return 1 if lines else 0
