"""The processes that share one training: one alone, or those that torchrun started.

Each computes the gradient of its share of every batch, and all of them take the same step with the
mean. What is trained does not depend on how many they are, but for the last bits of that mean.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

_TIMEOUT = timedelta(days=7)  # others may hold the GPUs; torchrun itself ends a team that lost one


class Team(NamedTuple):
    """This process among those of its training."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this one writes what the team makes."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Set each of the tensors to its mean over the team, in one exchange."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = torch.split(flat / self.size, [tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, parts, strict=True):
            tensor.copy_(mean.view_as(tensor))

    def any(self, flag: int) -> int:
        """The largest of the team's flags: all of its processes stop at one step, or none."""
        if self.size == 1:
            return flag
        largest = torch.tensor(flag)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Run a block in the leader, and only then in the others."""
        if self.size > 1 and not self.leads:
            dist.barrier()
        yield
        if self.size > 1 and self.leads:
            dist.barrier()


ALONE = Team()


@contextmanager
def process_group() -> Iterator[Team]:
    """Meet the others that torchrun started, if it did."""
    if not dist.is_torchelastic_launched():
        yield ALONE
        return
    gpus = torch.cuda.is_available()
    dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=_TIMEOUT)
    yield Team(dist.get_rank(), dist.get_world_size())
    dist.destroy_process_group()
