"""Several processes of one training: what they make is what one makes alone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file
from support.tiny_training import finetune, write_jobs

from rgmp.data.loader import Samples
from rgmp.errors import UserError
from rgmp.runtime.distributed import ALONE, Team, accumulating
from rgmp.training.journal import CurvePoint
from rgmp.training.train import checkpoints_of, train

SCRIPT = Path(__file__).parents[1] / "support/two_processes.py"


def start(root: Path, processes: int) -> subprocess.Popen[str]:
    """Run a study's training by torchrun, as a process group of its own."""
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.Popen(
        [sys.executable, *command, str(SCRIPT), str(root)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


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
def one_thread() -> Iterator[None]:
    """As each of the two processes has: the number of threads decides the last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_two_processes_end_with_the_bits_of_one_that_takes_the_batch_in_two_parts(
    tmp_path: Path,
) -> None:
    """Also when both were stopped by a signal on the way; and as close to one part as rounding."""
    settings = finetune(steps=16, batch=4)
    ends = {}
    for parts in (1, 2):
        root = tmp_path / str(parts)
        (job,) = write_jobs(root, (settings,), compute={"accumulate": parts}, checkpoint_seconds=60)
        train(job, torch.device("cpu"))
        ends[parts] = end_of(job.folder)
    (job,) = write_jobs(tmp_path / "team", (settings,), checkpoint_seconds=0)
    folder = job.folder
    process = start(tmp_path / "team", 2)
    deadline = time.monotonic() + 120
    while not list(folder.glob("checkpoints/[0-9]*.pt")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert said.count("stopped by signal after step") == 1, said
    assert not (folder / "weights.safetensors").exists()
    process = start(tmp_path / "team", 2)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert said.count("resuming after step") == 1, said
    checkpoints_of(job).clear()
    assert {p.name for p in folder.iterdir()} == {"weights.safetensors", "metrics.jsonl"}
    assert end_of(folder) == ends[2]
    curves = zip(ends[1][1], ends[2][1], strict=True)
    assert all(whole == pytest.approx(halves, rel=1e-3) for whole, halves in curves)
