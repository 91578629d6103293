"""One process as torchrun starts it: a collective operation, and a step of the shared training.

On a GPU the gradients go through NCCL, on a CPU through gloo.
"""

import os
import socket
import sys
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rgmp.runtime.distributed import ALONE, Team, process_group, replicated
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding, at_most, required
from rgmp.selftest.steps import LEARNING_RATE, Steps, on, repeatable

_NUMBERS = 2**20
_ROUNDING = 4
"""Units of the last place by which a GPU's weights may differ: gradients lie elsewhere in DDP's
buckets, and their norm is summed in another order."""


class _Replicating(Team):
    """A team of one whose gradients are shared all the same, as those of a larger team are."""

    def replica(self, module: nn.Module) -> nn.Module:
        """`module` in DDP."""
        return replicated(module)


def section(bench: Bench) -> Iterator[Finding]:
    """Join a process group of one, reduce numbers over it, and take the step of a team."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for library in ("NCCL", "GLOO") if sys.platform == "linux" else ():
        os.environ.setdefault(f"{library}_SOCKET_IFNAME", "lo")  # there may be no network
    os.environ.update({"TORCHELASTIC_RUN_ID": "selftest", **alone, **place})
    with process_group() as team:
        conditions: dict[str, Condition] = {"backend": "nccl" if bench.on_gpu else "gloo"}
        yield Finding("processes", conditions, team.size)
        numbers = torch.rand(_NUMBERS, device=bench.device)
        total = numbers.clone()
        dist.all_reduce(total)
        yield required("all-reduce over one process", conditions, torch.equal(total, numbers))
        with repeatable(bench):
            most = _ROUNDING if bench.on_gpu else 0
            difference = _difference(bench)
            yield at_most("step in DDP, largest change", conditions, difference, most, "ulp")


def _difference(bench: Bench) -> float:
    """The largest difference between the weights after a step with and without DDP.

    In units of the last place of a weight, or of the step's length where that is larger.
    """
    size = on(bench)
    plain, shared = (Steps(bench, size, team) for team in (ALONE, _Replicating()))
    for one in (plain, shared):
        one.step()
    pairs = zip(plain.weights().values(), shared.weights().values(), strict=True)
    return max(_units_apart(a.float(), b.float()) for a, b in pairs)


def _units_apart(one: Tensor, other: Tensor) -> float:
    """The largest difference of two tensors in units of the last place."""
    size = torch.maximum(one.abs(), other.abs()).clamp(min=LEARNING_RATE)
    return float(((one - other).abs() / size).max()) / torch.finfo(torch.float32).eps
