"""Tasks done here, in processes of this machine, or on a dask cluster; results come as they are ready."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config

from siamtrack.errors import SiamTrackError, UsageError
from siamtrack.evaluation.peers import opencv_threads
from siamtrack.interrupts import deaf_children

PATIENCE = 10.0
"""Seconds that a cluster's scheduler may take to answer, and its first worker to come."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_processes(work: Callable[[Task], Result], tasks: Iterable[Task], workers: int) -> Iterator[Result]:
    """Do tasks in processes of this machine.

    Args:
        work: what to do with each; it can be pickled by name.
        tasks: can be pickled.
        workers: number of processes. Libraries in them compute on one thread each.

    Yields:
        Results as they are ready, in any order.

    Raises:
        SiamTrackError: when a process dies.
    """
    try:
        # Ctrl-C is for the process that started the others: it ends them.
        with parallel_config(backend="loky", inner_max_num_threads=1), deaf_children():
            results = _parallel(workers)(delayed(work)(task) for task in tasks)
        yield from results
    except BrokenProcessPool as error:
        raise SiamTrackError(
            "a process that tracked was ended from outside, perhaps for lack of memory: what is finished is kept, "
            "run the same command again with fewer --workers"
        ) from error


def on_cluster(work: Callable[[Task], Result], tasks: Iterable[Task], address: str) -> Iterator[Result]:
    """Do tasks on a dask cluster, whose machines see the same files and have the same packages.

    Args:
        work: as of `in_processes`.
        tasks: as of `in_processes`.
        address: of the scheduler, such as `tcp://127.0.0.1:8786`.

    Yields:
        Results as they are ready, in any order.

    Raises:
        UsageError: where dask is not installed, or no scheduler answers.
        SiamTrackError: when the cluster loses a task.
    """
    try:
        from distributed import Client, KilledWorker  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("--dask needs dask: pip install 'siamtrack[cluster]'") from error
    try:
        client = Client(address, timeout=PATIENCE)  # type: ignore[no-untyped-call]  # distributed has few types
    except (OSError, ValueError) as error:
        raise UsageError(f"no dask scheduler answers at '{address}': start one with 'dask scheduler'") from error
    try:
        with client, parallel_config(backend="dask", wait_for_workers_timeout=PATIENCE):
            yield from _parallel(-1)(delayed(work)(task) for task in tasks)
    except TimeoutError as error:
        raise UsageError(
            f"the dask scheduler at '{address}' has no workers: start some with 'dask worker {address} --nthreads 1'"
        ) from error
    except KilledWorker as error:
        raise SiamTrackError(f"the dask cluster lost its workers; what is finished is kept: {error}") from error


def _parallel(jobs: int) -> Any:
    return Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, OpenCV and whatever of PyTorch and Numba is loaded compute on one thread.

    So that times do not depend on how many processes share the machine, nor sums on the order of threads.
    """
    setters: list[tuple[Callable[[int], None], int]] = []
    for name in ("torch", "numba"):
        module = sys.modules.get(name)
        if module is not None:  # what is not loaded has no threads
            setters.append((module.set_num_threads, module.get_num_threads()))
    with opencv_threads(1):
        for set_threads, _ in setters:
            set_threads(1)
        try:
            yield
        finally:
            for set_threads, before in setters:
                set_threads(before)
