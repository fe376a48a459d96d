"""Tasks done on a dask cluster, through joblib's backend for it. It needs the extra `cluster`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError

from distributed import Client, KilledWorker
from joblib import Parallel, delayed, parallel_config
from joblib._dask import DaskDistributedBackend  # joblib hands it out by name only

from siamtrack.errors import SiamTrackError, UsageError
from siamtrack.evaluation.processes import Result, Task

PATIENCE = 10.0
"""Seconds that a cluster's scheduler may take to answer, and its first worker to come."""


class _Backend(DaskDistributedBackend):  # type: ignore[misc]  # joblib has no types
    """Leaves a task to the only worker of a cluster as well: joblib would do it in this process."""

    def effective_n_jobs(self, n_jobs: int) -> int:
        threads: int = super().effective_n_jobs(n_jobs)
        return max(2, threads)


def on_cluster(work: Callable[[Task], Result], tasks: Iterable[Task], address: str) -> Iterator[Result]:
    """Do tasks on a dask cluster, whose machines see the same files and have the same packages.

    All tasks are handed over at once, so that workers may come while they are done.

    Args:
        work: see `siamtrack.evaluation.processes.in_processes`.
        tasks: values that can be pickled.
        address: of the scheduler, such as `tcp://127.0.0.1:8786`.

    Yields:
        Results as they are ready, in any order.

    Raises:
        UsageError: where no scheduler answers, or it has no workers.
        SiamTrackError: when the cluster is lost.
    """
    try:
        client = Client(address, timeout=PATIENCE)  # type: ignore[no-untyped-call]  # distributed has few types
    except (OSError, ValueError) as error:
        raise UsageError(f"no dask scheduler answers at '{address}': start one with 'dask scheduler'") from error
    backend = _Backend(client=client, wait_for_workers_timeout=PATIENCE)
    try:
        with client, parallel_config(backend=backend, n_jobs=-1):
            parallel = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="all")
            yield from parallel(delayed(work)(task) for task in tasks)
    except TimeoutError as error:
        raise UsageError(
            f"the dask scheduler at '{address}' has no workers: start some with 'dask worker {address} --nthreads 1'"
        ) from error
    except (KilledWorker, CancelledError) as error:
        raise SiamTrackError(
            f"the dask cluster at '{address}' was lost: what is finished is kept, run the same command again"
        ) from error
