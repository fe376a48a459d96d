"""`siamtrack train`: train a model from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from siamtrack.cli.options import Debug, Quiet

if TYPE_CHECKING:
    from siamtrack.training.recipe import Recipe

Machine = "Machine"


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe of the package, or a .toml file.")],
    *,
    data: Annotated[
        Path,
        typer.Option(
            "--data", metavar="DIR", help="Own sequences and photographs, GOT-10k, LaSOT, TrackingNet, VID or COCO."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="For checkpoints, log and model. Default: runs/RECIPE.")
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", min=1, help="Instead of the recipe's.")] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="N", help="Train so long, then validate; --resume auto goes on later.")
    ] = None,
    resume: Annotated[
        Literal["auto"] | None,
        typer.Option(metavar="auto", help="Go on from the checkpoint in --out, if there is one."),
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write events for TensorBoard.")] = False,
    workers: Annotated[
        int, typer.Option(metavar="N", min=0, help="Processes that make pairs.", rich_help_panel=Machine)
    ] = 1,
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="CPU threads of the network.", rich_help_panel=Machine)
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where the network runs.", rich_help_panel=Machine)
    ] = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Train a model. Ctrl-C stops after a checkpoint; nothing is lost.

    siamtrack train siamtrack-lite --data data --minutes 30

    Under torchrun or accelerate launch, the processes share every batch.
    """
    from siamtrack.cli import console

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.backends.devices import find_device
    from siamtrack.training.parallel import OtherProcessError, join_processes
    from siamtrack.training.recipe import read_recipe
    from siamtrack.training.workflow import TrainingJob, run_training

    try:
        with join_processes() as processes:
            if processes.rank > 0:
                console.configure_logging(quiet=True, debug=debug)  # the first one speaks for all
            chosen = _with_steps(read_recipe(recipe), steps)
            job = TrainingJob(
                recipe=chosen,
                data=data,
                out=out or Path("runs") / Path(recipe).stem,
                resume=resume is not None,
                minutes=minutes,
                workers=workers,
                threads=threads,
                device=processes.device(str(find_device(device))),
                tensorboard=tensorboard,
            )
            with console.training_progress(chosen.run.steps) as report:
                summary = run_training(job, report, processes)
    except OtherProcessError as error:
        return error.exit_code
    if processes.rank > 0:
        return 0
    if not quiet:
        shown = console.output()
        end = "" if summary.finished else f" of {chosen.run.steps}; --resume auto goes on"
        shown.print(f"trained {summary.steps} steps in {summary.minutes:.1f} minutes{end}")
        if summary.overlap is not None:
            shown.print(f"mean average overlap on the sequences kept from training: {summary.overlap:.3f}")
        shown.print(f"wrote {summary.weights}")
    return 0 if summary.stopped_by is None else 128 + summary.stopped_by


def _with_steps(recipe: Recipe, steps: int | None) -> Recipe:
    if steps is None:
        return recipe
    return recipe.model_copy(update={"run": recipe.run.model_copy(update={"steps": steps})})
