"""Training in several processes. Each process embeds its share of a batch; all compute the whole loss.

The loss couples the pairs of a batch: it takes means over the pairs with a target, and it searches every exemplar in
the search crops of the other pairs. Therefore the processes split the expensive part, the backbone, then gather all
embeddings, and each computes the loss of the whole batch. Their losses are equal. The mean of their gradients is the
gradient of a single process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from siamtrack.errors import SiamTrackError, UsageError

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_WAIT = timedelta(hours=12)
"""Timeout of a collective call. It is long because the other processes wait while process 0 reads data and validates.
A process that ends is noticed at once."""


class LostProcessError(SiamTrackError):
    """Another process of the run ended without an error message."""


class OtherProcessError(SiamTrackError):
    """Another process of the run failed and reports the error itself."""


class Processes(Protocol):
    """Interface of one process to the group of processes that train a network together.

    All processes must call the same methods in the same order.
    """

    rank: int
    """Number of this process, from 0. Process 0 writes files, validates and reports."""
    size: int
    """Number of processes."""

    def device(self, kind: str) -> str:
        """Return the device of this process, `kind` being `cpu` or `cuda`.

        Raises:
            UsageError: when there are fewer devices than processes on this machine.
        """
        ...

    def share(self, batch: int) -> range:
        """Return the indices of the pairs that this process embeds.

        Args:
            batch: pairs in a batch of all processes together.

        Raises:
            UsageError: when the processes cannot share the batch evenly.
        """
        ...

    def sync_batch_norm(self, backbone: nn.Module) -> None:
        """Replace batch norm in training mode by one that takes its statistics over all processes, in place."""
        ...

    def gather(self, part: Tensor) -> Tensor:
        """Return the parts of all processes, `(n, ...)` each, as `(size * n, ...)` in the order of ranks.

        The call is differentiable: the gradient of a part is the sum of its gradients in all processes.
        """
        ...

    def average_gradients(self, gradients: Sequence[Tensor]) -> None:
        """Replace every gradient by its mean over the processes, in place."""
        ...

    def maximum(self, number: int) -> int:
        """Return the maximum of a number over all processes."""
        ...

    def broadcast(self, make: Callable[[], T]) -> T:
        """Call a function in the first process and return its value in all processes."""
        ...

    def first_process_first(self, make: Callable[[], T]) -> T:
        """Call a function in every process, first in process 0, so that the others find its cache files."""
        ...


class SingleProcess:
    """A single process."""

    rank, size = 0, 1

    def device(self, kind: str) -> str:
        """See `Processes`."""
        return kind

    def share(self, batch: int) -> range:
        """See `Processes`."""
        return range(batch)

    def sync_batch_norm(self, backbone: nn.Module) -> None:
        """See `Processes`."""

    def gather(self, part: Tensor) -> Tensor:
        """See `Processes`."""
        return part

    def average_gradients(self, gradients: Sequence[Tensor]) -> None:
        """See `Processes`."""

    def maximum(self, number: int) -> int:
        """See `Processes`."""
        return number

    def broadcast(self, make: Callable[[], T]) -> T:
        """See `Processes`."""
        return make()

    def first_process_first(self, make: Callable[[], T]) -> T:
        """See `Processes`."""
        return make()


SINGLE_PROCESS = SingleProcess()


class DistributedProcesses:
    """One of several processes of `torch.distributed`.

    Every method raises `LostProcessError` when another process is gone.
    """

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()

    def device(self, kind: str) -> str:
        """See `Processes`."""
        if kind != "cuda":
            return kind
        number, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if number >= count:
            raise UsageError(f"process {number} of this machine has no CUDA device, there are {count}: start {count}")
        torch.cuda.set_device(number)
        return f"cuda:{number}"

    def share(self, batch: int) -> range:
        """See `Processes`."""
        if batch % self.size:
            raise UsageError(
                f"a batch of {batch} pairs cannot be shared evenly by {self.size} processes: "
                "change run.batch_size of the recipe, or their number"
            )
        count = batch // self.size
        return range(self.rank * count, (self.rank + 1) * count)

    def sync_batch_norm(self, backbone: nn.Module) -> None:
        """See `Processes`."""
        for module in list(backbone.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.BatchNorm2d) and child.training:
                    setattr(module, name, _SyncBatchNorm(child, self))

    def gather(self, part: Tensor) -> Tensor:
        """See `Processes`."""
        gathered: Tensor = _AllGather.apply(part, self.rank, self.size)  # type: ignore[no-untyped-call]
        return gathered

    def average_gradients(self, gradients: Sequence[Tensor]) -> None:
        """See `Processes`."""
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        _communicate(lambda: dist.all_reduce(flat))
        parts = torch.split(flat / self.size, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, parts, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def maximum(self, number: int) -> int:
        """See `Processes`."""
        value = torch.tensor(int(number))
        _communicate(lambda: dist.all_reduce(value, dist.ReduceOp.MAX))
        return int(value)

    def broadcast(self, make: Callable[[], T]) -> T:
        """See `Processes`."""
        made: list[Any] = [make() if self.rank == 0 else None]
        _communicate(lambda: dist.broadcast_object_list(made, src=0, device=torch.device("cpu")))
        first: T = made[0]
        return first

    def first_process_first(self, make: Callable[[], T]) -> T:
        """See `Processes`."""
        if self.rank == 0:
            made = make()
            self.maximum(0)
            return made
        self.maximum(0)
        return make()


@contextmanager
def join_processes() -> Iterator[Processes]:
    """Join the other processes of this run, which `torchrun` or `accelerate launch` describe in the environment.

    An exception that leaves this block ends all processes. Only the process that fails first passes its exception on.

    Raises:
        UsageError: when the other processes cannot be reached.
        OtherProcessError: in place of the exception, when another process failed first.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield SINGLE_PROCESS
        return
    # Small values such as decisions are exchanged between CPUs, also when the network is on GPUs.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        store, rank, size = next(rendezvous("env://"))
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=LONGEST_WAIT)
    except (RuntimeError, ValueError) as error:
        raise UsageError(f"the processes of this run cannot meet: {error}: start them with torchrun") from error
    try:
        yield DistributedProcesses()
    except BaseException as error:
        if _is_first(store.add):
            raise
        log.debug("another process failed first", exc_info=error)
        raise OtherProcessError("another process of the run failed") from error
    finally:
        dist.destroy_process_group()


def _is_first(add: Callable[[str, int], int]) -> bool:
    """Return whether this process is the first to fail, by the count that the store of the run keeps."""
    try:
        return add("siamtrack/failed", 1) == 1
    except RuntimeError:  # the process that kept the store is gone, so it failed first
        return False


def _communicate(call: Callable[[], object]) -> None:
    try:
        call()
    except RuntimeError as error:
        # PyTorch raises it from a signal handler, at any place; it concerns a data loader process of this process.
        if "DataLoader worker" in str(error):
            raise
        raise LostProcessError(
            "another process of this run is gone, killed for a lack of memory perhaps: "
            "go on from the last checkpoint with --resume auto"
        ) from error


class _AllGather(torch.autograd.Function):
    """`DistributedProcesses.gather`."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, rank: int, size: int) -> Tensor:
        ctx.rank, ctx.size = rank, size
        part = part.contiguous()
        parts = [torch.empty_like(part) for _ in range(size)]
        _communicate(lambda: dist.all_gather(parts, part))
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        _communicate(lambda: dist.all_reduce(total))
        return total.chunk(ctx.size)[ctx.rank], None, None


class _SyncBatchNorm(nn.BatchNorm2d):
    """Batch norm over the shares of all processes, with the weights and running statistics of another one.

    `torch.nn.SyncBatchNorm` does the same on GPUs alone.
    """

    def __init__(self, other: nn.BatchNorm2d, processes: Processes) -> None:
        super().__init__(other.num_features, other.eps, other.momentum)
        self.weight, self.bias = other.weight, other.bias
        self.running_mean, self.running_var = other.running_mean, other.running_var
        self.num_batches_tracked = other.num_batches_tracked
        self._processes = processes

    def forward(self, x: Tensor) -> Tensor:
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        variances, means = torch.var_mean(values, (0, 2, 3), correction=0)
        # All shares have one size: the variance is the mean variance within a share plus the variance of the means.
        means, variances = self._processes.gather(torch.stack([means, variances])[None]).unbind(1)
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        self._remember(mean, variance, self._processes.size * x.numel() // x.shape[1])
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shifted = values - mean[:, None, None]
        return (shifted * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        rate = cast(float, self.momentum)
        cast(Tensor, self.running_mean).lerp_(mean, rate)
        cast(Tensor, self.running_var).lerp_(variance * (count / (count - 1)), rate)
        cast(Tensor, self.num_batches_tracked).add_(1)
