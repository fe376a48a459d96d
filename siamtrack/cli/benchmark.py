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
    parse_kind,
    parse_names,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from siamtrack.datasets.evaluation_sequences import EvaluationSet


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

    from siamtrack.datasets import open_dataset
    from siamtrack.evaluation.benchmark import BenchmarkJob, run_benchmark, select_sequences
    from siamtrack.evaluation.experiments import OnePass, WithResets
    from siamtrack.evaluation.trackers import parse_trackers

    dataset = open_dataset(data.expanduser(), parse_kind(kind), subset)
    if only is not None:
        dataset = select_sequences(dataset, parse_names(only) or [])
    results = results.expanduser()
    show = _printer(dataset, results, convention, resets=resets, in_part=only is not None)
    if not tracker:
        found = _trackers_with_results(results, dataset)
        if not quiet:
            show(found)
        return 0
    trackers = parse_trackers(tracker, device, precision)
    job = BenchmarkJob(
        dataset=dataset,
        trackers=trackers,
        results=results,
        experiment=WithResets() if resets else OnePass(),
        workers=workers,
        dask=dask,
        subset=subset,
        command=console.command_line(),
    )
    try:
        with console.progress("benchmark") as report:
            failures = run_benchmark(job, report)
    except KeyboardInterrupt:
        console.show_note("finished sequences are kept, the same command goes on with the rest")
        raise
    if not quiet:
        failed = {failure.tracker for failure in failures}
        show([factory.name for factory in trackers if factory.name not in failed])
    for failure in failures:
        console.show_error(str(failure))
    return 1 if failures else 0


def _trackers_with_results(results: Path, dataset: EvaluationSet) -> list[str]:
    """Return the names of the trackers that have results.

    Raises:
        UsageError: when there are no results.
    """
    from siamtrack.errors import UsageError
    from siamtrack.evaluation.results import find_trackers

    names = find_trackers(results, dataset)
    if not names:
        raise UsageError(f"{results / dataset.name} holds no results: give a tracker to run with --tracker")
    return names


def _printer(
    dataset: EvaluationSet, results: Path, convention: str, *, resets: bool, in_part: bool
) -> Callable[[list[str]], None]:
    """Return the function that prints the results of trackers, for this experiment and data set."""
    from functools import partial

    if not dataset.has_truth:
        return partial(_show_files, dataset, results, in_part=in_part)
    if resets:
        return partial(_show_resets, dataset, results)
    return partial(_show, dataset, results, convention)


def _title(dataset: EvaluationSet) -> str:
    from siamtrack.cli.console import plural

    return f"{dataset.name}, {plural(len(dataset), 'sequence')}"


def _show(dataset: EvaluationSet, results: Path, convention_name: str, trackers: Sequence[str]) -> None:
    """Print the scores of trackers that have all results."""
    from functools import partial

    from siamtrack.cli import console
    from siamtrack.cli.tables import score_table
    from siamtrack.evaluation.conventions import convention
    from siamtrack.evaluation.results import read_result
    from siamtrack.evaluation.scoring import score_tracker

    rules = convention(convention_name, dataset.kind)
    scores = [score_tracker(name, dataset, partial(read_result, results, dataset, name), rules) for name in trackers]
    console.show_result(f"{_title(dataset)}, convention {convention_name}, 95 % intervals\n")
    console.show_table(score_table(scores))
    console.show_result(*(f"note: {note}" for note in dataset.notes))


def _show_resets(dataset: EvaluationSet, results: Path, trackers: Sequence[str]) -> None:
    """Print the accuracy and the robustness of trackers that were restarted after each failure."""
    from functools import partial

    from siamtrack.cli import console
    from siamtrack.cli.tables import reset_table
    from siamtrack.evaluation.resets import score_with_resets
    from siamtrack.evaluation.trajectories import read_trajectory

    scores = {
        name: score_with_resets(name, dataset, partial(read_trajectory, results, dataset, name))[0] for name in trackers
    }
    console.show_result(f"{_title(dataset)}, with resets; robustness is failures in 100 frames\n")
    console.show_table(reset_table(scores))


def _show_files(dataset: EvaluationSet, results: Path, trackers: Sequence[str], *, in_part: bool) -> None:
    """Print the folders of results that only a server can score; pack those of GOT-10k for its server."""
    from siamtrack.cli import console
    from siamtrack.datasets.evaluation_sequences import Kind
    from siamtrack.evaluation.results import tracker_folder
    from siamtrack.evaluation.submission import write_submission

    console.show_result(f"{dataset.name} keeps its boxes on a server")
    for name in trackers:
        if dataset.kind is Kind.GOT10K and not in_part:
            console.show_result(f"wrote {write_submission(results, dataset, name)}")
        else:
            console.show_result(f"results in {tracker_folder(results, dataset, name)}")
