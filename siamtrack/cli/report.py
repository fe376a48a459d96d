"""`siamtrack report`: results of trackers as an HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from siamtrack.cli.options import ConventionName, DataKind, Debug, Only, Quiet, Subset, parse_kind, parse_names

if TYPE_CHECKING:
    from siamtrack.datasets.evaluation_sequences import EvaluationSet


def report(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS",
            help="Folders of results from 'siamtrack benchmark' or the GOT-10k toolkit: of all data sets, of one data "
            "set, or of one tracker.",
        ),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the report; an older report is replaced.")
    ],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Folder of the data set. Default: as recorded in the results."),
    ] = None,
    kind: DataKind = None,
    subset: Subset = None,
    only: Only = None,
    convention: ConventionName = "got10k",
    filmstrips: Annotated[
        int,
        typer.Option(
            "--filmstrips",
            metavar="N",
            min=0,
            help="Number of frames to show of each sequence, about 12 kB each; 0 for none.",
        ),
    ] = 6,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Track the models of siamtrack again up to their worst frames, and show exemplar, search crop and "
            "response maps there.",
        ),
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the results of trackers as one HTML page with plots and tables, and performance.json beside it.

    siamtrack report results --out report
    """
    from siamtrack.cli import console
    from siamtrack.errors import UsageError

    console.configure_logging(quiet=quiet, debug=debug)
    if data is None and (kind, subset) != (None, None):
        raise UsageError("--kind and --subset say how to read --data: give that as well")
    folders = [folder.expanduser() for folder in results]
    dataset = _open(folders, data, kind, subset)

    from siamtrack.evaluation.benchmark import select_sequences
    from siamtrack.evaluation.report.output import write_report
    from siamtrack.evaluation.report.workflow import ReportJob, make_report

    if only is not None:
        dataset = select_sequences(dataset, parse_names(only) or [])
    job = ReportJob(dataset, folders, convention, filmstrips, explain, console.command_line())
    with console.progress("report") as progress:
        page = make_report(job, progress)
    written = write_report(page, out.expanduser())
    console.show_result(*(f"wrote {path}" for path in written))


def _open(folders: list[Path], data: Path | None, kind: str | None, subset: str | None) -> EvaluationSet:
    """Open the given data set, or else that of the results."""
    from siamtrack.datasets import open_dataset
    from siamtrack.evaluation.report.inputs import Place, recorded_place

    place = recorded_place(folders) if data is None else Place(data.expanduser(), parse_kind(kind), subset)
    return open_dataset(place.root, place.kind, place.subset)
