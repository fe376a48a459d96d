"""`siamtrack benchmark`: trackers over a data set, and how well they did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from siamtrack.cli.options import ConventionName, DataKind, Debug, Device, Machine, Only, Quiet, Subset, parse_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from siamtrack.datasets.evaluation_sequences import EvaluationSet


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

    from siamtrack.datasets import open_dataset
    from siamtrack.evaluation.benchmark import BenchmarkJob, run_benchmark, select_sequences
    from siamtrack.evaluation.experiments import OnePass, WithResets
    from siamtrack.evaluation.trackers import parse_trackers

    dataset = open_dataset(data.expanduser(), parse_kind(kind), subset)
    if only is not None:
        dataset = select_sequences(dataset, [name.strip() for name in only.split(",")])
    results = results.expanduser()
    show = _how_to_show(dataset, results, convention, resets=resets, in_part=only is not None)
    if not tracker:
        found = _found(results, dataset)
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
        console.show_note("what is finished is kept, the same command goes on with the rest")
        raise
    if not quiet:
        failed = {failure.tracker for failure in failures}
        show([factory.name for factory in trackers if factory.name not in failed])
    for failure in failures:
        console.show_error(str(failure))
    return 1 if failures else 0


def _found(results: Path, dataset: EvaluationSet) -> list[str]:
    """Names of the trackers that have results.

    Raises:
        UsageError: when there are none.
    """
    from siamtrack.errors import UsageError
    from siamtrack.evaluation.results import find_trackers

    names = find_trackers(results, dataset)
    if not names:
        raise UsageError(f"{results / dataset.name} holds no results: say with --tracker what is to be run")
    return names


def _how_to_show(
    dataset: EvaluationSet, results: Path, convention: str, *, resets: bool, in_part: bool
) -> Callable[[list[str]], None]:
    """What prints the results of trackers, by name, as the experiment and the data set want it."""
    from functools import partial

    if not dataset.has_truth:
        return partial(_show_files, dataset, results, in_part=in_part)
    if resets:
        return partial(_show_resets, dataset, results)
    return partial(_show, dataset, results, convention)


def _title(dataset: EvaluationSet) -> str:
    return f"{dataset.name}, {'1 sequence' if len(dataset) == 1 else f'{len(dataset)} sequences'}"


def _show(dataset: EvaluationSet, results: Path, convention_name: str, trackers: Sequence[str]) -> None:
    """The figures of trackers that have all results."""
    from functools import partial

    from siamtrack.cli import console
    from siamtrack.cli.tables import score_table
    from siamtrack.evaluation.conventions import convention
    from siamtrack.evaluation.results import read_result
    from siamtrack.evaluation.scoring import score_tracker

    how = convention(convention_name, dataset.kind)
    scores = [score_tracker(name, dataset, partial(read_result, results, dataset, name), how) for name in trackers]
    out = console.output()
    out.print(f"{_title(dataset)}, convention {convention_name}, 95 % intervals\n")
    console.show_table(score_table(scores))
    for note in dataset.notes:
        out.print(f"note: {note}")


def _show_resets(dataset: EvaluationSet, results: Path, trackers: Sequence[str]) -> None:
    """How well and how long trackers kept to their targets where they were set anew after each failure."""
    from functools import partial

    from siamtrack.cli import console
    from siamtrack.cli.tables import reset_table
    from siamtrack.evaluation.resets import score_with_resets
    from siamtrack.evaluation.trajectories import read_trajectory

    scores = {
        name: score_with_resets(name, dataset, partial(read_trajectory, results, dataset, name))[0] for name in trackers
    }
    out = console.output()
    out.print(f"{_title(dataset)}, with resets; robustness is failures in 100 frames\n")
    console.show_table(reset_table(scores))


def _show_files(dataset: EvaluationSet, results: Path, trackers: Sequence[str], *, in_part: bool) -> None:
    """Where the results are that only a server can score; for that of GOT-10k they are packed."""
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
