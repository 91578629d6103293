"""The processes that share one training run: a single one, or those started by torchrun.

Each computes the gradient of its share of every batch, and all take the same step with the mean
(`DistributedDataParallel`). The result does not depend on their number, except for the last bits of
that mean.
"""

import gc
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import NamedTuple, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

_TIMEOUT = timedelta(days=7)  # others may hold the GPUs; torchrun ends a team that lost a process


_Shared = TypeVar("_Shared")


class Team(NamedTuple):
    """This process among those of its training run.

    Attributes:
        rank: of this process, from 0.
        size: how many there are, on all machines.
        local_rank: of this process among those on its machine, from 0.
        local_size: how many there are on its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the team's output."""
        return self.rank == 0

    def replica(self, module: nn.Module) -> nn.Module:
        """`module`, in which a backward pass leaves the mean of the team's gradients.

        Alone, it is the module itself. In a team its parameters and buffers become the leader's.

        Args:
            module: its forward pass returns the loss. Its buffers, such as the statistics of frozen
                batch norms, do not change in training.
        """
        if self.size == 1:
            return module
        return replicated(module)

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean of a tensor over the team."""
        if self.size == 1:
            return tensor
        total = tensor.clone()
        dist.all_reduce(total)
        return total / self.size

    def any(self, flag: int) -> int:
        """The largest of the team's flags, so that all of its processes stop at the same step."""
        if self.size == 1:
            return flag
        largest = torch.tensor(flag)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def share(self, value: _Shared) -> _Shared:
        """The leader's value, which the others receive in place of their own."""
        if self.size == 1:
            return value
        shared = [value]
        dist.broadcast_object_list(shared)
        return shared[0]

    def all_of(self, value: _Shared) -> list[_Shared]:
        """The values of all processes, by rank."""
        if self.size == 1:
            return [value]
        values: list[_Shared | None] = [None] * self.size
        dist.all_gather_object(values, value)
        return cast("list[_Shared]", values)

    @contextmanager
    def one_first_on_each_machine(self) -> Iterator[None]:
        """Run a block first in one process of each machine, then in the others."""
        if self.size > 1 and self.local_rank:
            dist.barrier()
        yield
        if self.size > 1 and not self.local_rank:
            dist.barrier()


def replicated(module: nn.Module) -> nn.Module:
    """`module` in DDP, in the process group that this process has joined; see `Team.replica`."""
    for buffer in module.buffers():
        dist.broadcast(buffer, 0)  # they are computed, and so differ between types of CPU
    # A parameter may have no gradient, such as a head without a loss. Where DDP looks for those
    # it also keeps the layout of its buckets, which it else changes after the first step of
    # every attempt: a sum of three gradients or more would then depend on interruptions. If
    # every parameter has one, DDP says once that it needed not look.
    with warnings.catch_warnings():
        # since 2.14: it has another name, which earlier releases do not know
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        return DistributedDataParallel(
            module,
            broadcast_buffers=False,
            find_unused_parameters=True,
            gradient_as_bucket_view=True,
        )


def accumulating(replica: nn.Module) -> AbstractContextManager[None]:
    """A block of which the backward passes leave gradients to be added to, not yet the mean.

    Args:
        replica: from `Team.replica`. Its forward passes are in the block, too.
    """
    if isinstance(replica, DistributedDataParallel):
        return replica.no_sync()
    return nullcontext()


ALONE = Team()


@contextmanager
def process_group() -> Iterator[Team]:
    """Join the process group that torchrun started, if it did."""
    if not dist.is_torchelastic_launched():
        yield ALONE
        return
    gpus = torch.cuda.is_available()
    dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=_TIMEOUT)
    local_rank, local_size = (int(os.environ[name]) for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    yield Team(dist.get_rank(), dist.get_world_size(), local_rank, local_size)
    # replicas hold the group, some of them in cycles: its threads must not outlive the interpreter
    gc.collect()
    dist.destroy_process_group()
