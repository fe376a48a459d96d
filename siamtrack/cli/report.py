"""`siamtrack report`: results of trackers as an HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import ConventionName, DataKind, Debug, Only, Quiet, Subset, parse_names


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

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.evaluation.report.output import write_report
    from siamtrack.evaluation.report.workflow import report as make

    with console.progress("report") as progress:
        page = make(
            results,
            data=data,
            kind=kind,
            subset=subset,
            only=parse_names(only) or (),
            convention=convention,
            frames=filmstrips,
            explain=explain,
            command=console.command_line(),
            progress=progress,
        )
    console.show_result(*(f"wrote {path}" for path in write_report(page, out.expanduser())))
