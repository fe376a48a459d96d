"""Train a model from a recipe: a tracker, or a network that tells same from different."""

from __future__ import annotations

from pathlib import Path

from siamtrack.errors import UsageError
from siamtrack.runtime.devices import find_device
from siamtrack.system.progress import Report, no_report
from siamtrack.training.parallel import join_processes
from siamtrack.training.recipe import Recipe
from siamtrack.training.workflow import TrainingJob, TrainingSummary, run_training
from siamtrack.verification.recipe import VerificationRecipe, read_any_recipe
from siamtrack.verification.workflow import VerificationJob, VerificationSummary, run_verification


def train(
    recipe: str | Path | Recipe | VerificationRecipe,
    data: str | Path,
    *,
    out: str | Path | None = None,
    steps: int | None = None,
    seed: int | None = None,
    minutes: float | None = None,
    resume: bool = False,
    tensorboard: bool = False,
    workers: int = 1,
    threads: int | None = None,
    device: str = "auto",
    report: Report = no_report,
) -> TrainingSummary | VerificationSummary:
    """Train a model, validate it on what was kept from training, and write its weights.

    Ctrl-C stops after a checkpoint. Under torchrun or accelerate launch, the processes share every batch.

    >>> summary = siamtrack.train("finetune", "data", minutes=30)
    >>> tracker = siamtrack.load(summary.weights)

    Args:
        recipe: name of a recipe of the package, a `.toml` file, or a recipe.
        data: folder of training data: own sequences and photographs, GOT-10k, LaSOT, TrackingNet, VID, YouTube-BB or
            COCO; for a recipe `verify-...` a folder of one folder of pictures a class, or `digits`.
        out: folder for checkpoints, log and model; None is `runs/RECIPE`.
        steps: number of steps; None is that of the recipe.
        seed: seed of the run; None is that of the recipe.
        minutes: train so long, then validate; `resume` goes on later.
        resume: go on from the checkpoint in `out`, if there is one.
        tensorboard: write events for TensorBoard as well.
        workers: processes that make pairs.
        threads: CPU threads of the network, for the whole process; None leaves them as they are.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        report: called now and then, see `siamtrack.system.progress`.

    Raises:
        UsageError: for a run that is there already, or options that do not fit the recipe.
        SiamTrackError: for bad recipes, data and checkpoints, and for losses that are not finite.
    """
    chosen = recipe if isinstance(recipe, Recipe | VerificationRecipe) else read_any_recipe(str(recipe))
    name = chosen.model.name if isinstance(recipe, Recipe | VerificationRecipe) else Path(recipe).stem
    changed = {key: value for key, value in (("steps", steps), ("seed", seed)) if value is not None}
    folder = Path(out) if out is not None else Path("runs") / name
    if isinstance(chosen, VerificationRecipe):
        if tensorboard:
            raise UsageError("--tensorboard is for tracking models: the figures of this one are in log.csv")
        verifier = chosen.model_copy(update={"run": chosen.run.model_copy(update=changed)})
        return run_verification(VerificationJob(verifier, str(data), folder, resume, minutes, threads), report)
    with join_processes() as processes:
        job = TrainingJob(
            recipe=chosen.model_copy(update={"run": chosen.run.model_copy(update=changed)}),
            data=Path(data),
            out=folder,
            resume=resume,
            minutes=minutes,
            workers=workers,
            threads=threads,
            device=processes.device(str(find_device(device))),
            tensorboard=tensorboard,
        )
        return run_training(job, report, processes)
