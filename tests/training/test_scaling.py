"""How the speed of a training run by several processes is measured."""

import json
from pathlib import Path

import pytest
from support import forked
from support.tiny_training import finetune, write_jobs

from rgmp.errors import UserError
from rgmp.training.scaling import Scaled, counts_up_to, measure


def test_the_numbers_of_processes_are_those_that_share_a_batch_evenly(tmp_path: Path) -> None:
    (job,) = write_jobs(tmp_path, (finetune(batch=12),), compute={"accumulate": 2})
    assert counts_up_to(6, job) == [1, 2, 3, 6]
    assert counts_up_to(3, job) == [1, 2, 3]
    with pytest.raises(UserError, match=r"5 processes: a batch of 12 samples .* try 1, 2, 3$"):
        counts_up_to(5, job)


@pytest.mark.slow
def test_processes_are_measured_together_and_nothing_is_kept(tmp_path: Path) -> None:
    (job,) = write_jobs(tmp_path, (finetune(batch=2, steps=6),))
    done = forked.run("rgmp", "support.measure_scaling", [str(tmp_path)], tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    scaled = Scaled(**json.loads(done.stdout))
    assert (scaled.processes, scaled.threads) == (2, 1)
    assert scaled.samples_per_second > 0
    assert 0 <= scaled.waiting < 1
    assert scaled.memory_bytes > 0
    assert not job.folder.exists()


@pytest.mark.slow
def test_a_mistake_that_a_process_meets_is_told_as_one(tmp_path: Path) -> None:
    (job,) = write_jobs(tmp_path, (finetune(batch=2, steps=2),))
    with pytest.raises(UserError, match=r"^finetune: has 2 steps; more than 2 are needed"):
        next(measure(job, 3, [1]))
