"""Several processes of one training: what they make is what one makes alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file
from support import team_steps
from support.forked import command
from support.process_group import process_group
from support.tiny_training import finetune, write_jobs

from rgmp.config.method import Compute
from rgmp.data.loader import Samples
from rgmp.errors import UserError
from rgmp.runtime.distributed import ALONE, Team, accumulating
from rgmp.training.checkpoints import Checkpoints
from rgmp.training.journal import CurvePoint
from rgmp.training.train import checkpoints_of, train

TESTS = Path(__file__).parents[1]


TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
FORKED = [*command("rgmp", "torch.distributed.run"), "--run-path", "--start-method", "fork"]
"""Torchrun, too, and forked as its processes are: they import nothing."""


def started(
    torchrun: list[str], *arguments: str, script: str, root: Path
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run a script by torchrun, as a process group of its own, which ends with the block."""
    return process_group(
        [*torchrun, *arguments, str(TESTS / "support" / script), str(root)],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"},
    )


def here(processes: int) -> list[str]:
    """The arguments for so many processes on this machine."""
    return ["--standalone", "--nproc-per-node", str(processes)]


def a_node(port: int) -> list[str]:
    """Those of one of two machines, with a process on each."""
    meeting = f"--rdzv-backend c10d --rdzv-id one --rdzv-endpoint localhost:{port}"
    return f"--nnodes 2 --nproc-per-node 1 {meeting}".split()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return int(free.getsockname()[1])


def end_of(folder: Path) -> tuple[dict[str, bytes], list[tuple[float, ...]]]:
    """Weights, and the curve as far as it does not depend on the clock."""
    tensors = load_file(folder / "weights.safetensors")
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return (
        {name: tensor.tobytes() for name, tensor in tensors.items()},
        [CurvePoint(**json.loads(line))[:4] for line in lines],
    )


def test_alone_a_process_leads_and_shares_nothing() -> None:
    values, module = torch.tensor([1.0, 2.0]), torch.nn.Linear(1, 1)
    assert ALONE.mean(values) is ALONE.share(values) is values
    assert ALONE.replica(module) is module
    assert ALONE.all_of("value") == ["value"]
    assert ALONE.leads
    assert (ALONE.any(0), ALONE.any(15)) == (0, 15)
    with ALONE.one_first_on_each_machine(), accumulating(module):
        assert not Team(1, 2).leads


def test_a_batch_is_shared_sample_by_sample_among_processes_and_parts(tmp_path: Path) -> None:
    (job,) = write_jobs(tmp_path, (finetune(batch=4, steps=2),))
    samples, cpu = Samples(job.data, job.settings, job.seed, 128), torch.device("cpu")
    (whole,) = next(samples.batches(1, cpu)).parts
    for shares, of_each in (((Team(0, 2), Team(1, 2)), 1), ((ALONE,), 2)):
        parts = [p for t in shares for p in next(samples.batches(1, cpu, 0, of_each, t)).parts]
        for number, part in enumerate(parts):
            assert torch.equal(part.frames, whole.frames[number::2])
            assert torch.equal(part.masks, whole.masks[number::2])


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    (job,) = write_jobs(tmp_path, (finetune(batch=4),))
    samples = Samples(job.data, job.settings, job.seed, 128)
    with pytest.raises(UserError, match=r"a batch of 4 samples cannot be shared evenly by 3"):
        next(samples.batches(0, torch.device("cpu"), team=Team(0, 3)))


@pytest.fixture
def one_thread() -> None:
    """As each of the two processes has: the number of threads decides the last bits."""
    torch.set_num_threads(1)


class SavedError(Exception):
    """A training run has saved a checkpoint and stops there."""


def save_and_stop(checkpoints: Checkpoints, *state: Any, save: Any = Checkpoints.save) -> None:
    save(checkpoints, *state)
    raise SavedError


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_two_processes_end_with_the_bits_of_one_that_takes_the_batch_in_two_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when both were stopped by a signal on the way, one went on alone for a step, and two on
    two nodes finished; and as close to one part as rounding.
    """
    settings = finetune(steps=16, batch=4)
    ends = {}
    for parts in (1, 2):
        root = tmp_path / str(parts)
        (job,) = write_jobs(root, (settings,), compute={"accumulate": parts}, checkpoint_seconds=60)
        train(job, torch.device("cpu"))
        ends[parts] = end_of(job.folder)
    (job,) = write_jobs(tmp_path / "team", (settings,), checkpoint_seconds=0)
    folder = job.folder
    script: dict[str, Any] = {"script": "two_processes.py", "root": tmp_path / "team"}
    with started(TORCHRUN, *here(2), **script) as process:
        deadline = time.monotonic() + 120
        while not list(folder.glob("checkpoints/[0-9]*.pt")):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert said.count("stopped by signal after step") == 1, said
    assert not (folder / "weights.safetensors").exists()
    of_two_parts = job.model_copy(update={"compute": Compute(accumulate=2)})
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save_and_stop)
        with pytest.raises(SavedError):
            train(of_two_parts, torch.device("cpu"))
    port = free_port()
    with ExitStack() as stack:
        nodes = [stack.enter_context(started(FORKED, *a_node(port), **script)) for _ in range(2)]
        saids = [node.communicate(timeout=120)[1] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], saids
    assert "".join(saids).count("resuming after step") == 1, saids
    checkpoints_of(job).clear()
    assert {p.name for p in folder.iterdir()} == {"weights.safetensors", "metrics.jsonl"}
    assert end_of(folder) == ends[2]
    curves = zip(ends[1][1], ends[2][1], strict=True)
    assert all(whole == pytest.approx(halves, rel=1e-3) for whole, halves in curves)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_three_processes_step_as_one_and_an_interruption_changes_no_bit(tmp_path: Path) -> None:
    """Also with windows, parts of a share, heads without a loss, and recomputed activations."""
    with started(FORKED, *here(3), script="team_steps.py", root=tmp_path) as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "FutureWarning" not in said
    for number, case in enumerate(team_steps.CASES):
        whole, interrupted = (
            load_file(tmp_path / f"{number}-{again}.safetensors") for again in (False, True)
        )
        alone = team_steps.steps(case, ALONE, parts=1, interrupted=False)
        assert alone.keys() == whole.keys()
        for name, values in whole.items():
            assert values.tobytes() == interrupted[name].tobytes(), name
            torch.testing.assert_close(torch.from_numpy(values), alone[name], rtol=1e-3, atol=1e-5)
