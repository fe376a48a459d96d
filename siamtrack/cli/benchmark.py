"""`siamtrack benchmark`: trackers over a data set, and how well they did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from siamtrack.cli.options import ConventionName, DataKind, Debug, Device, Machine, Only, Quiet, Subset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siamtrack.datasets.evaluation_sequences import EvaluationSet
    from siamtrack.evaluation.benchmark import BenchmarkResult


def benchmark(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The folder of a data set, in the layout of its kind.")],
    *,
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            "--tracker",
            "-t",
            metavar="SPEC",
            help="A model (see 'siamtrack models') or a weights file; opencv:csrt, opencv:kcf, opencv:mil, "
            "opencv:nano=DIR or opencv:vit=FILE; module:Class for a tracker of the GOT-10k toolkit. NAME@SPEC names "
            "its results. Give it several times to compare. Without it nothing is run, and all that --results holds is "
            "scored.",
        ),
    ] = None,
    kind: DataKind = None,
    subset: Subset = None,
    only: Only = None,
    results: Annotated[
        Path,
        typer.Option(
            "--results",
            metavar="DIR",
            help="Where results go and are looked for: what is there is not run again. The GOT-10k toolkit reads them.",
        ),
    ] = Path("results"),
    resets: Annotated[
        bool,
        typer.Option("--resets", help="VOT's supervised experiment: after a failure the tracker is set anew."),
    ] = False,
    convention: ConventionName = "got10k",
    workers: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Processes that track at a time, one thread each; they slow each other's frames down.",
            rich_help_panel=Machine,
        ),
    ] = 1,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Scheduler of a dask cluster that tracks instead; its machines see the same folders, and its workers "
            "have one thread each.",
            rich_help_panel=Machine,
        ),
    ] = None,
    device: Device = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        typer.Option(
            help="What models compute in; auto measures what is fast here, so that another machine may find other "
            "boxes.",
            rich_help_panel=Machine,
        ),
    ] = "float32",
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Run trackers over a data set and show how well they did; a run that was stopped goes on.

    siamtrack benchmark OTB2015 --tracker siamtrack-box --tracker opencv:kcf
    """
    from siamtrack.cli import console
    from siamtrack.errors import UsageError

    console.configure_logging(quiet=quiet, debug=debug)
    if dask is not None and workers > 1:
        raise UsageError(f"--dask {dask} brings its own workers: leave --workers {workers} out")

    from siamtrack.evaluation.benchmark import benchmark as run

    try:
        with console.progress("benchmark") as report:
            result = run(
                data,
                tracker or (),
                kind=kind,
                subset=subset,
                only=[] if only is None else [name.strip() for name in only.split(",")],
                results=results,
                resets=resets,
                convention=convention,
                workers=workers,
                dask=dask,
                device=device,
                precision=precision,
                command=console.command_line(),
                report=report,
            )
    except KeyboardInterrupt:
        console.show_note("what is finished is kept, the same command goes on with the rest")
        raise
    if not quiet:
        _show(result, results.expanduser(), convention, resets=resets, in_part=only is not None)
    for failure in result.failures:
        console.show_error(str(failure))
    return 1 if result.failures else 0


def _show(result: BenchmarkResult, results: Path, convention: str, *, resets: bool, in_part: bool) -> None:
    """Print the scores, or where the results are that only a server can score."""
    from siamtrack.cli import console
    from siamtrack.cli.tables import reset_table, score_table

    dataset, out = result.dataset, console.output()
    title = f"{dataset.name}, {'1 sequence' if len(dataset) == 1 else f'{len(dataset)} sequences'}"
    if not dataset.has_truth:
        _show_files(dataset, results, result.trackers, in_part=in_part)
    elif resets:
        out.print(f"{title}, with resets; robustness is failures in 100 frames\n")
        console.show_table(reset_table(result.resets))
    else:
        out.print(f"{title}, convention {convention}, 95 % intervals\n")
        console.show_table(score_table(result.scores))
        for note in dataset.notes:
            out.print(f"note: {note}")


def _show_files(dataset: EvaluationSet, results: Path, trackers: Sequence[str], *, in_part: bool) -> None:
    """Print where the results are that only a server can score; those of GOT-10k are packed for it."""
    from siamtrack.cli import console
    from siamtrack.datasets.evaluation_sequences import Kind
    from siamtrack.evaluation.results import tracker_folder
    from siamtrack.evaluation.submission import write_submission

    out = console.output()
    out.print(f"{dataset.name} keeps its boxes on a server")
    for name in trackers:
        if dataset.kind is Kind.GOT10K and not in_part:
            out.print(f"wrote {write_submission(results, dataset, name)}")
        else:
            out.print(f"results in {tracker_folder(results, dataset, name)}")
