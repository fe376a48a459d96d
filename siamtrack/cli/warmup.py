"""`siamtrack warmup`: compile and measure models before they are used."""

from __future__ import annotations

from typing import Annotated

import typer

from siamtrack.cli.options import Debug, Device, Quiet


def warmup(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="Shipped models or weights files. Default: all shipped models."),
    ] = None,
    device: Device = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compile the kernels and measure the fastest runtime, precision and number of threads of models, once.

    Without it, the first command that uses a model does so. Run it on an idle machine.
    """
    from siamtrack.cli import console
    from siamtrack.cli.tables import figure_table

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.workflows.warmup import warm_up

    with console.progress("warming up", keep=True) as report:
        warmed = warm_up(models or (), device, report)
    table = figure_table("model", "runtime", "precision", "threads", "ms a frame")
    for each in warmed:
        threads = "" if each.threads is None else str(each.threads)
        table.add_row(each.name, each.runtime, each.precision, threads, f"{each.milliseconds:.1f}")
    console.show_table(table)
