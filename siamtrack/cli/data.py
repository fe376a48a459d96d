"""`siamtrack data`: look at what a network is fed, and whether a data set is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import DataKind, Debug, Quiet, Subset

app = typer.Typer(help="Look at training data, and check data sets.", no_args_is_help=True)


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

    from siamtrack.training.preview import write_preview
    from siamtrack.training.recipe import read_recipe

    write_preview(read_recipe(recipe), data, output, range(first, first + count))
    if not quiet:
        console.output().print(f"wrote {output}")


@app.command()
def stats(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe of the package, or a .toml file.")],
    *,
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Training data, as of train.")],
    count: Annotated[int, typer.Option(metavar="N", min=1, help="How many pairs to look at.")] = 500,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Count what there is to train on, and measure pairs as the recipe makes them."""
    from siamtrack.cli import console

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.cli.tables import holdings_line, spread_table
    from siamtrack.training.feed_stats import measure_feed
    from siamtrack.training.recipe import read_recipe

    with console.progress("pairs") as report:
        holdings, found = measure_feed(read_recipe(recipe), data, count, report)
    if quiet:
        return
    out = console.output()
    out.print(holdings_line(holdings))
    out.print(
        f"{found.pairs} pairs of {found.groups} videos and photographs: {found.negatives} without the target, "
        f"{found.gray} gray"
    )
    out.print("most often: " + ", ".join(f"{name} ({times})" for name, times in found.most) + "\n")
    console.show_table(spread_table(found.spreads))


@app.command()
def check(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a data set, in the layout of its kind.")],
    *,
    kind: DataKind = None,
    subset: Subset = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """List everything that is wrong with a data set for benchmarks: missing files, wrong counts, unreadable boxes."""
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
        console.output().print(
            f"{data}: nothing is wrong with {dataset.name} ({dataset.kind}): {len(dataset)} sequences, {frames} frames"
        )
    return 1 if lines else 0
