"""Train on some classes and tell others apart: a table of losses and seeds, and three pictures.

    python tools/verification_results.py out --data digits
    python tools/verification_results.py out --data data/stills --recipe verify-objects --losses triplet --seeds 1

The folder gets `table.md`, `roc.png`, `reliability.png` and `embedding.png` (of the first seed), and the models.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from fit_verification import draw_reliability
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.isotonic import IsotonicRegression
from sklearn.manifold import TSNE

from siamtrack.errors import SiamTrackError
from siamtrack.training.recipe import Recipe
from siamtrack.verification.dataset import PatchDataset, read_dataset
from siamtrack.verification.metrics import (
    Reliability,
    VerificationMetrics,
    evaluate,
    pixel_similarities,
    reliability,
    roc,
    similarity_matrix,
)
from siamtrack.verification.recipe import VerificationRecipe, read_any_recipe
from siamtrack.verification.verifier import BranchVerifier, load_verifier
from siamtrack.verification.workflow import (
    VerificationJob,
    run_verification,
    sample_pair_values,
    split_classes,
    split_patches,
)

LOSSES: dict[str, dict[str, dict[str, object]]] = {
    "contrastive": {"loss": {"kind": "contrastive", "margin": 1.8}},
    "energy": {
        "loss": {"kind": "energy"},
        "model": {"comparison": "manhattan"},
        "run": {"patches_per_class": 8},
        "optimizer": {"learning_rate": 5e-3},
    },
    "triplet": {"loss": {"kind": "triplet", "margin": 0.5}, "run": {"classes_per_batch": 24}},
    "batch-hard": {"loss": {"kind": "batch-hard", "margin": 1.0}, "run": {"classes_per_batch": 12}},
}
"""Changes of the recipe for each row of the table."""
COLORS = ("#1f6fd1", "#d1581f", "#2c9c4b", "#8a3fb5", "#555555")
DPI = 80


@dataclass(frozen=True)
class Row:
    """A loss with all its seeds."""

    name: str
    models: Sequence[BranchVerifier]
    metrics: Sequence[VerificationMetrics]


def main() -> int:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description="Train on some classes and tell others apart.")
    parser.add_argument("out", type=Path, help="folder of the results")
    parser.add_argument("--data", default="digits", help="as for siamtrack train")
    parser.add_argument("--recipe", default="verify-digits")
    parser.add_argument("--losses", default=",".join(LOSSES), help="some of: " + ", ".join(LOSSES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--ways", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        recipe = read_any_recipe(arguments.recipe)
        if isinstance(recipe, Recipe):
            parser.error(f"{arguments.recipe} trains a tracker")
        data = read_dataset(arguments.data, recipe.data.size, recipe.data.channels)
        held_out = split_classes(data, recipe, arguments.data).held_out
        rows = [train_row(name, recipe, arguments, held_out) for name in arguments.losses.split(",")]
    except SiamTrackError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    pixels = evaluate(held_out, pixel_similarities(held_out), arguments.ways)
    write_results(arguments.out, rows, pixels, held_out)
    return 0


def train_row(name: str, recipe: VerificationRecipe, arguments: argparse.Namespace, held_out: PatchDataset) -> Row:
    """Train a loss with every seed; a run that is in the folder already is not trained again."""
    models, metrics = [], []
    for seed in range(arguments.seeds):
        chosen = changed(recipe, name, seed, arguments.steps)
        folder = arguments.out / f"{name}-{seed}"
        path = folder / f"{chosen.model.name}.safetensors"
        if not path.is_file():
            run_verification(VerificationJob(chosen, arguments.data, folder, resume=True))
        model = load_verifier(path)
        assert isinstance(model, BranchVerifier)
        models.append(model)
        metrics.append(evaluate(held_out, similarity_matrix(model, held_out), arguments.ways))
        print(name, seed, metrics[-1], flush=True)
    return Row(name, models, metrics)


def changed(recipe: VerificationRecipe, loss: str, seed: int, steps: int | None) -> VerificationRecipe:
    """Return the recipe with another loss, seed and length; the held-out classes stay those of the first seed."""
    tables = recipe.model_dump()
    for section, values in LOSSES[loss].items():
        tables[section] |= values
    tables["loss"]["bound"] = 2 * recipe.model.dimension**0.5
    tables["run"] |= {"seed": seed} | ({"steps": steps} if steps else {})
    return VerificationRecipe.model_validate(tables)


def write_results(out: Path, rows: Sequence[Row], pixels: VerificationMetrics, held_out: PatchDataset) -> None:
    """Write the table and the pictures."""
    (out / "table.md").write_text(table(rows, pixels))
    print((out / "table.md").read_text())
    draw_roc(out / "roc.png", rows, held_out)
    draw_reliability(out / "reliability.png", trust(rows[0].models[0], held_out), "Reliability, other pictures")
    best = max(rows, key=lambda row: float(np.mean([metrics.auc for metrics in row.metrics])))
    draw_embedding(out / "embedding.png", best.models[0], held_out)


def table(rows: Sequence[Row], pixels: VerificationMetrics) -> str:
    """Return the mean and standard deviation over the seeds, as Markdown."""
    episodes = pixels.few_shot
    lines = [
        f"| loss | AUC | {episodes.ways}-way {episodes.shots}-shot | recall at 1 | accuracy of the decision |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        decisions = [model.card.figures["held-out classes"]["accuracy of the decision"] for model in row.models]
        cells = (
            [metrics.auc for metrics in row.metrics],
            [metrics.few_shot.accuracy for metrics in row.metrics],
            [metrics.recall_at_one for metrics in row.metrics],
            decisions,
        )
        lines.append(f"| {row.name} | " + " | ".join(spread(values) for values in cells) + " |")
    lines.append(f"| pixels | {pixels.auc:.3f} | {episodes.accuracy:.3f} | {pixels.recall_at_one:.3f} | |")
    return "\n".join(lines) + "\n"


def spread(values: Sequence[float]) -> str:
    """Return `mean ± standard deviation`; for a single value, the mean alone."""
    mean = f"{np.mean(values):.3f}"
    return f"{mean} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else mean


def draw_roc(path: Path, rows: Sequence[Row], data: PatchDataset) -> None:
    """Draw the ROC curve of the first seed of each loss, and of the pixels."""
    first, second = np.triu_indices(len(data.classes), 1)
    same = data.classes[first] == data.classes[second]
    curves = {row.name: similarity_matrix(row.models[0], data) for row in rows} | {"pixels": pixel_similarities(data)}
    figure = Figure(figsize=(5, 4.4), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for (name, similarities), color in zip(curves.items(), COLORS, strict=False):
        curve = roc(similarities[first, second], same)
        axes.plot(curve.false_positives, curve.true_positives, color=color, label=f"{name} {curve.auc:.3f}")
    axes.set(xlabel="different pairs taken for the same", ylabel="same pairs found", title="ROC, classes never seen")
    axes.legend(loc="lower right", title="AUC")
    axes.grid(alpha=0.3)
    save(figure, path)


def trust(model: BranchVerifier, data: PatchDataset) -> dict[str, Reliability]:
    """Return the reliability of the model's probabilities, and that of an isotonic fit on the same pairs."""
    recipe = model.card.training["recipe"]
    fitting, judging = split_patches(data, np.random.default_rng(recipe["run"]["seed"]))
    count, seed = recipe["run"]["evaluation_pairs"], recipe["run"]["seed"]
    fit_values, fit_same = sample_pair_values(model, fitting, count, seed)
    values, same = sample_pair_values(model, judging, count, seed + 1)
    isotonic = fit_isotonic(model.to_similarities(fit_values), fit_same)
    return {
        "logistic, in the model": reliability(model.calibration.probability(values), same),
        "isotonic": reliability(isotonic(model.to_similarities(values)), same),
    }


def fit_isotonic(similarities: np.ndarray, same: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a rising step function from similarity to probability (Zadrozny and Elkan 2002), as a check on the
    logistic one.
    """
    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    model.fit(similarities, same.astype(np.float64))
    return lambda found: np.array(model.predict(found), dtype=np.float64)


def project(embeddings: np.ndarray, method: Literal["pca", "tsne"], seed: int = 0) -> np.ndarray:
    """Embeddings `(N, D)` in the plane, `(N, 2)`, to look at.

    Args:
        embeddings: four at least.
        method: principal components, or t-SNE (van der Maaten and Hinton 2008), whose distances mean little.
        seed: of t-SNE.
    """
    if method == "pca":
        return np.asarray(PCA(2, svd_solver="full").fit_transform(embeddings), np.float64)
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(model.fit_transform(embeddings), np.float64)


def draw_embedding(path: Path, model: BranchVerifier, data: PatchDataset, most: int = 10) -> None:
    """Draw the patches of some classes in the plane: principal components, and t-SNE."""
    data = data.select(data.names[:most])
    embedded = model.embed(data.patches).double().numpy()
    figure = Figure(figsize=(9, 4.4), dpi=DPI, layout="constrained")
    for axes, method, title in zip(
        figure.subplots(1, 2), ("pca", "tsne"), ("principal components", "t-SNE"), strict=True
    ):
        plane = project(embedded, method)
        for number, name in enumerate(data.names):
            axes.scatter(*plane[data.classes == number].T, s=7, label=name)
        axes.set(title=title, xticks=[], yticks=[])
    figure.axes[-1].legend(title="class", fontsize=8)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    FigureCanvasAgg(figure)
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
