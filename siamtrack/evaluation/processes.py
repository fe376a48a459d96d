"""Tasks done in processes of this machine; results come as they are ready."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from joblib import Parallel, delayed, parallel_config

from siamtrack.errors import SiamTrackError
from siamtrack.evaluation.peers import opencv_threads
from siamtrack.system.signals import deaf_children

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
            parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
            results = parallel(delayed(work)(task) for task in tasks)
        yield from results
    except BrokenProcessPool as error:
        raise SiamTrackError(
            "a process that tracked was ended from outside, perhaps for lack of memory: what is finished is kept, "
            "run the same command again with fewer --workers"
        ) from error


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
