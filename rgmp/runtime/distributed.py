"""The processes that share one training run: a single one, or those started by torchrun.

Each computes the gradient of its share of every batch, and all take the same step with the mean.
The result does not depend on their number, except for the last bits of that mean.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

_TIMEOUT = timedelta(days=7)  # others may hold the GPUs; torchrun ends a team that lost a process


class Team(NamedTuple):
    """This process among those of its training run."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the team's output."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Set each tensor to its mean over the team, in one all-reduce."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = torch.split(flat / self.size, [tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, parts, strict=True):
            tensor.copy_(mean.view_as(tensor))

    def any(self, flag: int) -> int:
        """The largest of the team's flags, so that all of its processes stop at the same step."""
        if self.size == 1:
            return flag
        largest = torch.tensor(flag)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Run a block first in the leader, then in the others."""
        if self.size > 1 and not self.leads:
            dist.barrier()
        yield
        if self.size > 1 and self.leads:
            dist.barrier()


ALONE = Team()


@contextmanager
def process_group() -> Iterator[Team]:
    """Join the process group that torchrun started, if it did."""
    if not dist.is_torchelastic_launched():
        yield ALONE
        return
    gpus = torch.cuda.is_available()
    dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=_TIMEOUT)
    yield Team(dist.get_rank(), dist.get_world_size())
    dist.destroy_process_group()
