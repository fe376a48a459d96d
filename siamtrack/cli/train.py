"""`siamtrack train`: training of a model from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from siamtrack.cli.options import MACHINE, Debug, Quiet, RecipeName

if TYPE_CHECKING:
    from siamtrack.verification.workflow import VerificationSummary


def train(
    recipe: RecipeName,
    *,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder of training data: own sequences and photographs, GOT-10k, LaSOT, TrackingNet, VID, YouTube-BB "
            "or COCO. For verify-...: a folder with one folder of pictures for each class, or 'digits'.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder of checkpoints, log and model. Default: runs/RECIPE."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Number of steps. Default: from the recipe.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", min=0, help="Seed. Default: from the recipe.")] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="N", help="Stop after N minutes and validate; --resume auto goes on later.")
    ] = None,
    resume: Annotated[
        Literal["auto"] | None,
        typer.Option(metavar="auto", help="Go on from the checkpoint in --out, if there is one."),
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write events for TensorBoard too.")] = False,
    workers: Annotated[
        int, typer.Option(metavar="N", min=0, help="Number of processes that make pairs.", rich_help_panel=MACHINE)
    ] = 1,
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="CPU threads of the network.", rich_help_panel=MACHINE)
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Device of the network.", rich_help_panel=MACHINE)
    ] = "auto",
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Train a model. Ctrl-C writes a checkpoint and stops; nothing is lost.

    siamtrack train siamtrack-lite --data data --minutes 30

    siamtrack train verify-digits --data digits

    Under torchrun or accelerate launch, the processes share every batch.
    """
    import os

    from siamtrack.cli import console

    first = int(os.environ.get("RANK", "0")) == 0
    console.configure_logging(quiet=quiet or not first, debug=debug)  # only the first process logs

    from siamtrack.training.parallel import OtherProcessError
    from siamtrack.verification.recipe import read_any_recipe
    from siamtrack.verification.workflow import VerificationSummary
    from siamtrack.workflows.train import train as run

    chosen = read_any_recipe(recipe)
    try:
        with console.progress("training", keep=True) as report:
            summary = run(
                chosen,
                data,
                out=out or Path("runs") / Path(recipe).stem,
                steps=steps,
                seed=seed,
                minutes=minutes,
                resume=resume is not None,
                tensorboard=tensorboard,
                workers=workers,
                threads=threads,
                device=device,
                report=report,
            )
    except OtherProcessError as error:
        return error.exit_code
    if not first:
        return 0
    _show_steps(summary.steps, summary.minutes, steps or chosen.run.steps)
    if isinstance(summary, VerificationSummary):
        for line in _held_out_lines(summary):
            console.show_result(line)
    elif summary.overlap is not None:
        console.show_result(f"mean average overlap on the sequences kept from training: {summary.overlap:.3f}")
    console.show_result(f"wrote {summary.weights}")
    return console.exit_code(summary.stopped_by)


def _show_steps(done: int, minutes: float, wanted: int) -> None:
    from siamtrack.cli import console

    end = "" if done >= wanted else f" of {wanted}; --resume auto goes on"
    console.show_result(f"trained {done} steps in {minutes:.1f} minutes{end}")


def _held_out_lines(summary: VerificationSummary) -> list[str]:
    held_out = summary.card.figures["held-out classes"]
    figures = ", ".join(f"{name} {value:.3f}" for name, value in held_out.items() if name != "classes")
    return [f"on {len(held_out['classes'])} classes kept from training: {figures}"]
