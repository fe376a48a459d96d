"""`siamtrack models`: what is shipped."""

from __future__ import annotations

from siamtrack.cli.options import Debug


def models(debug: Debug = False) -> None:
    """List the shipped models: name, size and what they are."""
    from rich.table import Table

    from siamtrack.cli import console
    from siamtrack.models.registry import DEFAULT_MODEL, find_model, list_models
    from siamtrack.models.weights import read_card

    console.configure_logging(debug=debug)
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("network", no_wrap=True)
    table.add_column("description")
    for name in list_models():
        path = find_model(name)
        card = read_card(path)
        shown = f"{name} (default)" if name == DEFAULT_MODEL else name
        table.add_row(shown, f"{path.stat().st_size / 1e6:.1f} MB", card.architecture, card.description)
    console.output().print(table, soft_wrap=False)
    console.output().print("The whole card of one, with data, license and figures: siamtrack info NAME")
