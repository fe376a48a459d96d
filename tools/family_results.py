"""Members of the Siamese family, trained alike and compared: `python tools/family_results.py DATA --out DIR`.

DATA is a folder to train on (see `siamtrack train --data`) that also holds the videos to judge by in OTB/, VOT/ and
UAV123_10fps/. Each recipe family-* is trained once a seed, and every model tracks the first frames of every video. So
do the networks that training starts with. DIR gets models, results, `family.json`, `family.md` and `family.png`.

What is done is not done again: a run that was stopped goes on with the same command. Seeds are in the outer loop, so
that all recipes have as many of them when it is stopped early.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Frames, Truth
from siamtrack.datasets.registry import open_dataset
from siamtrack.errors import SiamTrackError
from siamtrack.evaluation.benchmark import BenchmarkJob, average_overlap, run_benchmark
from siamtrack.evaluation.statistics import bootstrap_intervals
from siamtrack.evaluation.trackers import ModelFactory
from siamtrack.models.weights import read_card
from siamtrack.training.loop import start_run
from siamtrack.training.model import export_weights
from siamtrack.training.recipe import Recipe, read_recipe
from siamtrack.training.workflow import TrainingJob, run_training

VIDEOS = "OTB,VOT,UAV123_10fps"
RECIPES = ("family-logistic", "family-contrastive", "family-triplet", "family-unshared")
REFERENCE = "family-logistic"
"""Recipe that the others are compared with, video by video."""
STARTS = {"untrained, correlation": "family-logistic", "untrained, Euclidean": "family-contrastive"}
"""Networks that no recipe has trained yet, by the recipe that starts with them."""


class StoppedError(Exception):
    """Somebody stopped a training run."""


@dataclass(frozen=True)
class Row:
    """Overlaps of one member of the family."""

    name: str
    seeds: list[int]
    """Empty for what is not trained."""
    overlaps: dict[str, list[float]]
    """Average overlap by video, one a seed."""

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean over the videos, one a seed."""
        found: NDArray[np.float64] = np.array(list(self.overlaps.values())).mean(axis=0)
        return found

    @property
    def videos(self) -> NDArray[np.float64]:
        """Mean over the seeds, one a video."""
        found: NDArray[np.float64] = np.array(list(self.overlaps.values())).mean(axis=1)
        return found


@dataclass(frozen=True)
class FirstFrames:
    """The first frames of a sequence."""

    whole: Frames
    count: int

    def __len__(self) -> int:
        """Return the number of frames."""
        return min(self.count, len(self.whole))

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Decode one after the other, `(H, W, 3)` uint8 BGR."""
        return (frame for frame, _ in zip(self.whole, range(len(self)), strict=False))

    def paths(self) -> list[Path] | None:
        """Return the image files."""
        files = self.whole.paths()
        return None if files is None else files[: len(self)]


def main() -> int:
    """Train, track, and write the table; return the exit code."""
    parser = argparse.ArgumentParser(description="Train the members of the Siamese family, and compare how they track.")
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--out", type=Path, default=Path("runs/family"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], metavar="N", help="default: 1 2 3")
    parser.add_argument("--steps", type=int, metavar="N", help="instead of the recipes'")
    parser.add_argument("--frames", type=int, default=100, metavar="N", help="of each video (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        rows = measure(arguments.data, arguments.out, arguments.seeds, arguments.steps, arguments.frames)
    except StoppedError:
        print("stopped; the same command goes on")
        return 130
    except SiamTrackError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(write(rows, arguments.out))
    return 0


def measure(data: Path, out: Path, seeds: Sequence[int], steps: int | None, frames: int) -> list[Row]:
    """Train and track everything that is not on disk yet; write the table after every seed.

    Raises:
        StoppedError: when a training run is stopped.
        SiamTrackError: for bad data.
    """
    videos = shorten(open_dataset(data, subset=VIDEOS), frames)
    out.mkdir(parents=True, exist_ok=True)
    starts = []
    for name, recipe in STARTS.items():
        path = out / f"{recipe}-start.safetensors"
        if not path.is_file():
            export_weights(start_run(read_recipe(recipe)), path, {})
        starts.append(Row(name, [], {video: [value] for video, value in track(path, videos, out).items()}))
    trained: dict[str, list[dict[str, float]]] = {name: [] for name in RECIPES}
    rows = starts
    for number, seed in enumerate(seeds, 1):
        for name in RECIPES:
            trained[name].append(track(train(seeded(read_recipe(name), seed, steps), data, out), videos, out))
        done = list(seeds[:number])
        rows = starts + [Row(name, done, by_video(results)) for name, results in trained.items()]
        write(rows, out)
    return rows


def by_video(results: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """Return the overlaps by video from those of each seed."""
    return {video: [each[video] for each in results] for video in results[0]}


def seeded(recipe: Recipe, seed: int, steps: int | None) -> Recipe:
    """Return the recipe with another seed, and with another number of steps if one is given."""
    run = recipe.run.model_copy(update={"seed": seed, "steps": steps or recipe.run.steps})
    model = recipe.model.model_copy(update={"name": f"{recipe.model.name}-{seed}"})
    return recipe.model_copy(update={"run": run, "model": model})


def train(recipe: Recipe, data: Path, out: Path) -> Path:
    """Return the weights of a recipe; train it unless they exist.

    Raises:
        StoppedError: when that is stopped.
    """
    name = recipe.model.name
    path = out / name / f"{name}.safetensors"
    if path.is_file():
        known = read_card(path).training
        if known["recipe"] == recipe.model_dump(mode="json") and known["steps"] == recipe.run.steps:
            return path
    print(f"training {name}, {recipe.run.steps} steps", flush=True)
    job = TrainingJob(recipe, data, out / name, resume=True, workers=0, threads=1)
    summary = run_training(job, lambda progress: print(f"  {progress}", flush=True))
    if summary.stopped_by is not None:
        raise StoppedError
    print(f"  {summary.minutes:.1f} minutes", flush=True)
    return summary.weights


def shorten(dataset: EvaluationSet, frames: int) -> EvaluationSet:
    """Return the set with only the first frames of each sequence."""
    parts = tuple(
        EvaluationSequence(
            each.name, FirstFrames(each.frames, frames), partial(_first, each.read_truth, frames), each.attributes
        )
        for each in dataset.sequences
    )
    return replace(dataset, name=f"{dataset.name}-{frames}", sequences=parts)


def _first(read: Callable[[], Truth], frames: int) -> Truth:
    return Truth(read().boxes[:frames])


def track(weights: Path, videos: EvaluationSet, out: Path) -> dict[str, float]:
    """Return the average overlap of a model by video; track the videos without a result.

    Raises:
        SiamTrackError: when it fails on one.
    """
    factory = ModelFactory(weights.stem, str(weights), "cpu", "float32")
    job = BenchmarkJob(videos, (factory,), out / "results", command="tools/family_results.py")
    for failure in run_benchmark(job):
        raise SiamTrackError(str(failure))
    found = {}
    for sequence in videos.sequences:
        runs = job.experiment.finished(job.results, videos, factory.name, sequence, 1)
        overlap = average_overlap(runs, sequence.read_truth())
        if overlap is not None:
            found[sequence.name] = overlap
    print(f"  {factory.name}: AO {np.mean(list(found.values())):.4f}", flush=True)
    return found


def write(rows: Sequence[Row], out: Path) -> str:
    """Write the rows as JSON, table and picture; return the table."""
    text = table(rows)
    (out / "family.json").write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    (out / "family.md").write_text(text, encoding="utf-8")
    draw(rows, out / "family.png")
    return text


def table(rows: Sequence[Row]) -> str:
    """Return a Markdown table of the AO, its deviation over seeds, and the difference to the reference over videos."""
    reference = next((row for row in rows if row.name == REFERENCE), None)
    lines = ["| | AO, mean ± sd over seeds | n | against `family-logistic` (95 % over videos) |", "|---|---|---|---|"]
    for row in rows:
        means, count = row.means, len(row.seeds)
        spread = f" ± {means.std(ddof=1):.3f}" if count > 1 else ""
        name = f"`{row.name}`" if row.seeds else row.name
        compared = "" if reference is None or reference is row else difference(row, reference)
        lines.append(f"| {name} | {means.mean():.3f}{spread} | {count or 'not trained'} | {compared} |")
    return "\n".join(lines) + "\n"


def difference(row: Row, reference: Row) -> str:
    """Return the mean difference over the videos and its bootstrap interval, as text."""
    apart = row.videos - reference.videos
    low, high = bootstrap_intervals(apart[:, None], np.ones(len(apart)), np.random.default_rng(0))[0]
    return f"{apart.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw a dot for each seed, and the mean of each row with its standard deviation over seeds."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - a second that nobody waits for before it is needed

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        means, color = row.means, "#4878a8" if row.seeds else "#808080"
        spread = means.std(ddof=1) if len(means) > 1 else None
        axes.plot(means, [place + 0.2] * len(means), "o", color=color, markersize=3)
        axes.errorbar(means.mean(), place, xerr=spread, fmt="D", color=color, markersize=6, capsize=4)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("average overlap: seeds (dots), their mean ± standard deviation")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
