"""`siamtrack benchmark`: trackers over a data set, and how well they did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from siamtrack.cli.options import Debug, Device, Machine, Quiet, parse_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from siamtrack.evaluation.benchmark import BenchmarkJob
    from siamtrack.evaluation.scores import TrackerScore


def benchmark(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The folder of a data set, in the layout of its kind.")],
    *,
    tracker: Annotated[
        list[str],
        typer.Option(
            "--tracker",
            "-t",
            metavar="SPEC",
            help="A model (see 'siamtrack models') or a weights file; opencv:csrt, opencv:kcf, opencv:mil, "
            "opencv:nano=DIR or opencv:vit=FILE; module:Class for a tracker of the GOT-10k toolkit. NAME@SPEC names "
            "its results. Give it several times to compare.",
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option("--kind", metavar="KIND", help="OTB2015, GOT-10k, ...; default: what the folder looks like."),
    ] = None,
    subset: Annotated[
        str | None, typer.Option("--subset", metavar="NAME", help="The part of the data set, such as val or test.")
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="A,B", help="Names of the sequences to take; default: all.")
    ] = None,
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
    convention: Annotated[
        Literal["got10k", "pysot"],
        typer.Option(help="How the figures are made: as the GOT-10k toolkit or as pysot does it."),
    ] = "got10k",
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
            help="Scheduler of a dask cluster that tracks instead; its machines see the same folders.",
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

    from siamtrack.evaluation.benchmark import BenchmarkJob, run_benchmark, select_sequences
    from siamtrack.evaluation.datasets import open_dataset
    from siamtrack.evaluation.experiments import OnePass, WithResets
    from siamtrack.evaluation.trackers import parse_trackers

    trackers = parse_trackers(tracker, device, precision)
    dataset = open_dataset(data.expanduser(), parse_kind(kind), subset)
    if only is not None:
        dataset = select_sequences(dataset, only.split(","))
    job = BenchmarkJob(
        dataset=dataset,
        trackers=trackers,
        results=results.expanduser(),
        experiment=WithResets() if resets else OnePass(),
        workers=workers,
        dask=dask,
        subset=subset,
        command=_command_line(),
    )
    try:
        with console.benchmark_progress() as report:
            failures = run_benchmark(job, report)
    except KeyboardInterrupt:
        console.show_note("what is finished is kept, the same command goes on with the rest")
        raise
    failed = {failure.tracker for failure in failures}
    if not quiet:
        whole = [factory.name for factory in trackers if factory.name not in failed]
        _show_resets(job, whole) if resets else _show(job, whole, convention)
    for failure in failures:
        console.show_error(str(failure))
    return 1 if failures else 0


def _command_line() -> str:
    import shlex
    import sys

    return shlex.join(["siamtrack", *sys.argv[1:]])


def _show(job: BenchmarkJob, trackers: Sequence[str], convention_name: str) -> None:
    """The figures of trackers that have all results, or the files for the server that has the truth."""
    from functools import partial

    from siamtrack.cli import console
    from siamtrack.evaluation.results import read_result, tracker_folder

    out, dataset = console.output(), job.dataset
    if dataset.has_truth:
        from siamtrack.evaluation.conventions import convention
        from siamtrack.evaluation.scoring import score_tracker

        how = convention(convention_name, dataset.kind)
        scores = [
            score_tracker(name, dataset, partial(read_result, job.results, dataset, name), how) for name in trackers
        ]
        out.print(f"{dataset.name}, {len(dataset)} sequences, convention {convention_name}\n")
        out.print(_table(scores), soft_wrap=False)
        for note in dataset.notes:
            out.print(f"note: {note}")
        return
    out.print(f"{dataset.name} keeps its boxes on a server")
    for name in trackers:
        if dataset.kind == "GOT-10k":
            from siamtrack.evaluation.submission import write_submission

            out.print(f"wrote {write_submission(job.results, dataset, name)}")
        else:
            out.print(f"results in {tracker_folder(job.results, dataset, name)}")


def _table(scores: Sequence[TrackerScore]) -> Table:
    """A row a tracker, the best first."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("tracker", "AO", "95 %", "SR@0.5", "SR@0.75", "AUC", "P@20", "fps", "failures"):
        table.add_column(column, justify="left" if column == "tracker" else "right", no_wrap=True)
    for score in sorted(scores, key=lambda each: -each.figures.ao):
        figures, (low, high) = score.figures, score.interval["ao"]
        values = (figures.sr50, figures.sr75, figures.auc, figures.precision)
        table.add_row(
            score.tracker,
            f"{figures.ao:.3f}",
            f"{low:.3f}-{high:.3f}",
            *(f"{value:.3f}" for value in values),
            "" if score.speed is None else f"{score.speed.fps:.1f}",
            str(score.failures),
        )
    return table


def _show_resets(job: BenchmarkJob, trackers: Sequence[str]) -> None:
    """How often trackers failed where they were set anew after each failure."""
    from rich.table import Table

    from siamtrack.cli import console
    from siamtrack.evaluation.following import Code
    from siamtrack.evaluation.trajectories import read_trajectory

    table = Table(box=None, pad_edge=False)
    for column in ("tracker", "failures", "a sequence"):
        table.add_column(column, justify="left" if column == "tracker" else "right", no_wrap=True)
    for name in trackers:
        runs = (read_trajectory(job.results, job.dataset, name, sequence) for sequence in job.dataset.sequences)
        failures = sum(int((run.codes == Code.FAILED).sum()) for run in runs)
        table.add_row(name, str(failures), f"{failures / len(job.dataset):.2f}")
    out = console.output()
    out.print(f"{job.dataset.name}, {len(job.dataset)} sequences, with resets\n")
    out.print(table, soft_wrap=False)
