"""Training in several processes: each embeds its share of every batch, and all of them compare all of it.

The loss couples the pairs of a batch: it takes means over those with a target, and looks for every exemplar in the
other pairs' search crops. So the processes share out what costs most, the backbone, hand their embeddings around, and
measure the whole batch each, as a single process does. Their losses are equal; the mean of their gradients is the
gradient.
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
"""The others wait while the first process reads data and validates. One that ends is noticed at once all the same."""


class LostProcessError(SiamTrackError):
    """Another process of the run is gone, and did not say why."""


class OtherProcessError(SiamTrackError):
    """Another process of the run failed, and says why: nothing is left to be said."""


class Processes(Protocol):
    """The processes that train a network together, as one of them sees them.

    All of them must call the same methods in the same order.
    """

    rank: int
    """Number of this process, from 0; the first one writes, validates and speaks."""
    size: int
    """Number of processes."""

    def device(self, kind: str) -> str:
        """Return the device of this process, `kind` being `cpu` or `cuda`.

        Raises:
            UsageError: when there are fewer devices than processes on this machine.
        """
        ...

    def share(self, batch: int) -> range:
        """Numbers within a batch of so many pairs of those that this process embeds.

        Raises:
            UsageError: when they cannot be shared out evenly.
        """
        ...

    def adapt(self, backbone: nn.Module) -> None:
        """Make batch norm that is in training mode take its statistics from all shares, in place."""
        ...

    def gather(self, part: Tensor) -> Tensor:
        """Return all processes' parts, `(n, ...)` each, as `(size * n, ...)` in the order of their ranks;
        differentiable.

        A part's gradient is the sum of those that the processes have for it.
        """
        ...

    def average(self, gradients: Sequence[Tensor]) -> None:
        """Replace every gradient by its mean over the processes, in place."""
        ...

    def largest(self, number: int) -> int:
        """Return the largest of all processes' numbers."""
        ...

    def once(self, make: Callable[[], T]) -> T:
        """Return the value that the first process makes, in all of them."""
        ...

    def in_order(self, make: Callable[[], T]) -> T:
        """Return the value that each process makes: the first one first, then the others, which find its caches."""
        ...


class Alone:
    """A single process."""

    rank, size = 0, 1

    def device(self, kind: str) -> str:
        """See `Processes`."""
        return kind

    def share(self, batch: int) -> range:
        """See `Processes`."""
        return range(batch)

    def adapt(self, backbone: nn.Module) -> None:
        """See `Processes`."""

    def gather(self, part: Tensor) -> Tensor:
        """See `Processes`."""
        return part

    def average(self, gradients: Sequence[Tensor]) -> None:
        """See `Processes`."""

    def largest(self, number: int) -> int:
        """See `Processes`."""
        return number

    def once(self, make: Callable[[], T]) -> T:
        """See `Processes`."""
        return make()

    def in_order(self, make: Callable[[], T]) -> T:
        """See `Processes`."""
        return make()


ALONE = Alone()


class Together:
    """One of several processes that PyTorch has brought together (`torch.distributed`).

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

    def adapt(self, backbone: nn.Module) -> None:
        """See `Processes`."""
        for module in list(backbone.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.BatchNorm2d) and child.training:
                    setattr(module, name, _SharedBatchNorm(child, self))

    def gather(self, part: Tensor) -> Tensor:
        """See `Processes`."""
        gathered: Tensor = _Gather.apply(part, self.rank, self.size)  # type: ignore[no-untyped-call]
        return gathered

    def average(self, gradients: Sequence[Tensor]) -> None:
        """See `Processes`."""
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        _talk(lambda: dist.all_reduce(flat))
        parts = torch.split(flat / self.size, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, parts, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def largest(self, number: int) -> int:
        """See `Processes`."""
        value = torch.tensor(int(number))
        _talk(lambda: dist.all_reduce(value, dist.ReduceOp.MAX))
        return int(value)

    def once(self, make: Callable[[], T]) -> T:
        """See `Processes`."""
        made: list[Any] = [make() if self.rank == 0 else None]
        _talk(lambda: dist.broadcast_object_list(made, src=0, device=torch.device("cpu")))
        first: T = made[0]
        return first

    def in_order(self, make: Callable[[], T]) -> T:
        """See `Processes`."""
        if self.rank == 0:
            made = make()
            self.largest(0)
            return made
        self.largest(0)
        return make()


@contextmanager
def join_processes() -> Iterator[Processes]:
    """Meet the other processes of this run: `torchrun` and `accelerate launch` say in the environment who they are.

    An exception that leaves this block ends all processes, and the first one to fail is the one that passes it on.

    Raises:
        UsageError: when the others cannot be met.
        OtherProcessError: in place of an exception, when another process was first.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield ALONE
        return
    # Decisions travel between CPUs, whatever computes.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        store, rank, size = next(rendezvous("env://"))
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=LONGEST_WAIT)
    except (RuntimeError, ValueError) as error:
        raise UsageError(f"the processes of this run cannot meet: {error}: start them with torchrun") from error
    try:
        yield Together()
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
    except RuntimeError:  # whoever kept the store is gone, and was the first therefore
        return False


def _talk(call: Callable[[], object]) -> None:
    try:
        call()
    except RuntimeError as error:
        # PyTorch raises it from a signal handler, anywhere: it is about a process of our own.
        if "DataLoader worker" in str(error):
            raise
        raise LostProcessError(
            "another process of this run is gone, killed for a lack of memory perhaps: "
            "go on from the last checkpoint with --resume auto"
        ) from error


class _Gather(torch.autograd.Function):
    """`Together.gather`."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, rank: int, size: int) -> Tensor:
        ctx.rank, ctx.size = rank, size
        part = part.contiguous()
        parts = [torch.empty_like(part) for _ in range(size)]
        _talk(lambda: dist.all_gather(parts, part))
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        _talk(lambda: dist.all_reduce(total))
        return total.chunk(ctx.size)[ctx.rank], None, None


class _SharedBatchNorm(nn.BatchNorm2d):
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
        # The shares are of one size. Their spread is that within each of them, and that of their means.
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
