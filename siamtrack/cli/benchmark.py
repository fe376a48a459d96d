"""`siamtrack benchmark`: runs of trackers over a data set, and their scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from siamtrack.cli.options import (
    MACHINE,
    ConventionName,
    DataKind,
    DataSet,
    Debug,
    Device,
    Only,
    Quiet,
    Subset,
    parse_names,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siamtrack.datasets.evaluation_sequences import EvaluationSet
    from siamtrack.evaluation.benchmark import BenchmarkResult


def benchmark(
    data: DataSet,
    *,
    tracker: Annotated[
        list[str] | None,
        typer.Option(
            "--tracker",
            "-t",
            metavar="SPEC",
            help="Model (see 'siamtrack models') or weights file; opencv:csrt, opencv:kcf, opencv:mil, "
            "opencv:nano=DIR or opencv:vit=FILE; module:Class for a tracker of the GOT-10k toolkit. NAME@SPEC names "
            "its results. Give it several times to compare. Without it, no tracker runs, and all results in --results "
            "are scored.",
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
            help="Folder of the results, which the GOT-10k toolkit can read. Sequences with results are not run again.",
        ),
    ] = Path("results"),
    resets: Annotated[
        bool,
        typer.Option("--resets", help="Run VOT's supervised experiment: the tracker restarts after a failure."),
    ] = False,
    convention: ConventionName = "got10k",
    workers: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Number of processes, one thread each; they slow down each other's frames.",
            rich_help_panel=MACHINE,
        ),
    ] = 1,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Scheduler of a dask cluster to run on. Its machines need the same folders, and its workers one "
            "thread each.",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    device: Device = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        typer.Option(
            help="Precision of the models; auto takes the fastest on this machine, so another machine may find other "
            "boxes.",
            rich_help_panel=MACHINE,
        ),
    ] = "float32",
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Run trackers over a data set and show their scores. A stopped run goes on where it was.

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
                only=parse_names(only) or (),
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
        console.show_note("finished sequences are kept, the same command goes on with the rest")
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

    dataset = result.dataset
    title = f"{dataset.name}, {console.plural(len(dataset), 'sequence')}"
    if not dataset.has_truth:
        _show_files(dataset, results, result.trackers, in_part=in_part)
    elif resets:
        console.show_result(f"{title}, with resets; robustness is failures in 100 frames\n")
        console.show_table(reset_table(result.resets))
    else:
        console.show_result(f"{title}, convention {convention}, 95 % intervals\n")
        console.show_table(score_table(result.scores))
        console.show_result(*(f"note: {note}" for note in dataset.notes))


def _show_files(dataset: EvaluationSet, results: Path, trackers: Sequence[str], *, in_part: bool) -> None:
    """Print the folders of results that only a server can score; pack those of GOT-10k for its server."""
    from siamtrack.cli import console
    from siamtrack.datasets.evaluation_sequences import Kind
    from siamtrack.evaluation.results import tracker_folder, write_submission

    console.show_result(f"{dataset.name} keeps its boxes on a server")
    for name in trackers:
        if dataset.kind is Kind.GOT10K and not in_part:
            console.show_result(f"wrote {write_submission(results, dataset, name)}")
        else:
            console.show_result(f"results in {tracker_folder(results, dataset, name)}")
