"""`siamtrack report`: the results of trackers as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siamtrack.cli.options import ConventionName, DataKind, Debug, Only, Quiet, Subset


def report(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS",
            help="Folders of results, as 'siamtrack benchmark' or the GOT-10k toolkit writes them: of all, of those on "
            "a data set, or of a tracker.",
        ),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where the report goes; one that is there is replaced.")
    ],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="The folder of the data set; default: as the results say."),
    ] = None,
    kind: DataKind = None,
    subset: Subset = None,
    only: Only = None,
    convention: ConventionName = "got10k",
    filmstrips: Annotated[
        int,
        typer.Option(
            "--filmstrips", metavar="N", min=0, help="Frames to show of each sequence, about 12 kB each; 0 for none."
        ),
    ] = 6,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Track siamtrack's models once more up to their worst moments, and show what they saw: exemplar, "
            "search crop, response maps.",
        ),
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the results of trackers as one page of HTML, with plots, tables and performance.json beside it.

    siamtrack report results --out report
    """
    from siamtrack.cli import console

    console.configure_logging(quiet=quiet, debug=debug)

    from siamtrack.evaluation.report.output import write_report
    from siamtrack.evaluation.report.workflow import report as make

    made = make(
        results,
        data=data,
        kind=kind,
        subset=subset,
        only=[] if only is None else [name.strip() for name in only.split(",")],
        convention=convention,
        frames=filmstrips,
        explain=explain,
        command=console.command_line(),
    )
    for path in write_report(made, out.expanduser()):
        if not quiet:
            console.output().print(f"wrote {path}")
