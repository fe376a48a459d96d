"""Pictures of how far a model tells same from different."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from siamtrack.verification.metrics import Reliability

SMALLEST = 6
"""Area in square points of the dot of a bin without pairs."""


def draw_reliability(path: Path, found: Mapping[str, Reliability], title: str) -> None:
    """Draw probabilities against what was true, a line for each name, with the diagonal of what can be trusted.

    The area of a dot grows with the share of the pairs that are in its bin.

    Args:
        path: of a PNG, overwritten if it exists.
        found: by name, for the legend.
        title: of the picture.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - a second that nobody waits for before it is needed

    figure = Figure(figsize=(5, 4.4), dpi=80, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", linestyle="--")
    for name, line in found.items():
        (drawn,) = axes.plot(line.said, line.true, alpha=0.6, label=f"{name}: error {line.error:.3f}")
        shares = line.counts / line.counts.sum()
        axes.scatter(line.said, line.true, s=SMALLEST + 300 * shares, color=drawn.get_color())
    axes.set(xlabel="probability of the same", ylabel="share that is the same", title=title)
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)
    figure.savefig(path)
