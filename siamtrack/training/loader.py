"""Batches of training data."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Sequence

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from siamtrack.errors import SiamTrackError
from siamtrack.models.network import TrackingNetwork
from siamtrack.system.signals import deaf_children
from siamtrack.training.dataset import Batch, PairDataset, TrainingData, collate, make_sources
from siamtrack.training.pairs import PairMaker, PairSample, largest_search
from siamtrack.training.recipe import Recipe

PREFETCH = 8
"""Batches that a process makes ahead."""


def make_pairs(recipe: Recipe, network: TrackingNetwork, data: TrainingData) -> PairDataset:
    """Return all pairs of a run; each is made when it is indexed.

    Raises:
        DataError: when the data is not what the recipe asks for.
    """
    exemplar_size, search_size = network.exemplar_size, recipe.run.search_size or network.search_size
    maker = PairMaker(
        make_sources(data, recipe.mix, largest_search(recipe.geometry, exemplar_size, search_size)),
        data.stills.photos if data.stills else (),
        recipe.mix.negatives,
        recipe.geometry,
        recipe.photometric,
        exemplar_size,
        search_size,
    )
    return PairDataset(maker, recipe.run.seed, recipe.run.steps * recipe.run.batch_size)


def iterate_batches(
    pairs: PairDataset, size: int, workers: int, first: int, share: range | None = None
) -> Generator[Batch, None, None]:
    """Yield the batches of a run in order, or a share of each of them.

    Args:
        pairs: from `make_pairs`.
        size: pairs in a batch.
        workers: processes that make pairs; 0 makes them in this process. The batches do not depend on it.
        first: number of the first batch.
        share: indices within a batch of the pairs to make; None for all.

    Raises:
        SiamTrackError: for a pair that cannot be made, in any process.
        RuntimeError: PyTorch's `DataLoader worker ...` when a process is killed.
    """
    wanted = range(size) if share is None else share
    loader: DataLoader[Batch | SiamTrackError] = DataLoader(
        _SafePairs(pairs),  # type: ignore[arg-type]  # collate makes batches
        batch_sampler=(
            list(range(start + wanted.start, start + wanted.stop)) for start in range(first * size, len(pairs), size)
        ),
        num_workers=workers,
        collate_fn=_collate,
        prefetch_factor=PREFETCH if workers else None,
        worker_init_fn=_prepare_worker,
        # A forked copy of a process whose libraries have started threads can wait for ever for locks they held.
        multiprocessing_context="spawn" if workers else None,
    )
    with deaf_children():
        batches = iter(loader)
    try:
        for batch in batches:
            if isinstance(batch, SiamTrackError):
                raise batch
            yield batch
    except (ConnectionError, EOFError) as error:
        # The data of a killed process breaks off before PyTorch reports that the process has ended.
        raise RuntimeError(f"DataLoader worker broke off: {error}") from error


class _SafePairs(Dataset[PairSample | SiamTrackError]):
    """Pairs, or the error in place of a pair.

    An exception of a worker process would arrive as the text of a traceback.
    """

    def __init__(self, pairs: PairDataset) -> None:
        self._pairs = pairs

    def __getitem__(self, index: int) -> PairSample | SiamTrackError:
        try:
            return self._pairs[index]
        except SiamTrackError as error:
            return error


def _collate(samples: Sequence[PairSample | SiamTrackError]) -> Batch | SiamTrackError:
    pairs = [sample for sample in samples if not isinstance(sample, SiamTrackError)]
    errors = [sample for sample in samples if isinstance(sample, SiamTrackError)]
    return errors[0] if errors else collate(pairs)


def _prepare_worker(worker: int) -> None:
    """Ignore Ctrl-C, which the training process handles, and use one thread."""
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # torchrun signals the whole process group, and the current batch is still needed
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
