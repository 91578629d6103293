"""The checkpoints of a finished training run that did not keep them."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from support.tiny_training import finetune, write_jobs

from rgmp.errors import UserError
from rgmp.provenance.machine import determinism, this_machine
from rgmp.provenance.record import Circumstances
from rgmp.training import repeat as repeating
from rgmp.training.job import TrainingJob
from rgmp.training.journal import Journal
from rgmp.training.repeat import repeat
from rgmp.training.train import checkpoints_of, train

CPU = torch.device("cpu")
REFUSED = r"were not kept, .*remove .* to train it again and keep them, or set finetune\.keep_last"
KEEPING = finetune(steps=6, batch=1, keep_last=3, save_interval=2, ema_ratio=0.5)


def made() -> Circumstances:
    """What the record of a training run on this machine says of it."""
    said = {"machine": this_machine(), "determinism": determinism()}
    return cast(Circumstances, said)


def files(job: TrainingJob) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in job.folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a training run leaves that has kept its checkpoints."""
    torch.set_num_threads(1)
    (job,) = write_jobs(tmp_path_factory.mktemp("whole"), (KEEPING,))
    train(job, CPU)
    checkpoints_of(job).clear()
    return files(job)


@pytest.fixture
def finished(whole: dict[str, bytes], tmp_path: Path) -> TrainingJob:
    """The same without them."""
    (job,) = write_jobs(tmp_path, (KEEPING,))
    job.folder.mkdir(parents=True)
    for name in ("weights.safetensors", "metrics.jsonl"):
        (job.folder / name).write_bytes(whole[name])
    return job


def test_they_are_those_that_it_would_have_kept(
    finished: TrainingJob, whole: dict[str, bytes]
) -> None:
    times = {path: path.stat().st_mtime_ns for path in finished.folder.iterdir()}
    summary = repeat(finished, [2, 4], made(), lambda: CPU)
    assert summary["steps"] == 6
    assert files(finished) == whole
    assert times.items() <= {p: p.stat().st_mtime_ns for p in finished.folder.iterdir()}.items()


def test_a_killed_repetition_goes_on_and_takes_what_is_lacking_alone(
    finished: TrainingJob, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    add, ran = Journal.add, []

    def killed(self: Journal, step: int, *measured: Any) -> None:
        ran.append(step)
        if len(ran) == 6:
            raise KeyboardInterrupt
        add(self, step, *measured)

    monkeypatch.setattr(Journal, "add", killed)
    finished.checkpoint(2).write_bytes(b"kept before")
    with pytest.raises(KeyboardInterrupt):
        repeat(finished, [4], made(), lambda: CPU)
    assert not finished.checkpoint(4).exists()
    repeat(finished, [4], made(), lambda: CPU)
    assert ran == [0, 1, 2, 3, 4, 5, 5]
    assert files(finished) == {**whole, "weights-step2.safetensors": b"kept before"}


def test_another_outcome_is_refused_and_changes_nothing(finished: TrainingJob) -> None:
    finished.weights.write_bytes(b"of another machine")
    before = files(finished)
    with pytest.raises(UserError, match=r"step 2, 4 were not kept, .* ended with other weights"):
        repeat(finished, [2, 4], made(), lambda: CPU)
    assert files(finished) == before


@pytest.mark.parametrize("where", ["another CPU", "more threads", "a GPU here", "a GPU there"])
def test_what_cannot_give_the_same_bits_is_refused_before_any_work(
    finished: TrainingJob, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeating, "train", lambda *_: pytest.fail("trained"))
    record = made()
    if where == "another CPU":
        record["machine"]["cpu"] = "Abacus"
    if where == "more threads":
        record["determinism"]["threads"] = 64
    if where == "a GPU there":
        record["machine"]["gpu"] = "H200"
    device = torch.device("cuda" if where == "a GPU here" else "cpu")
    with pytest.raises(UserError, match=REFUSED):
        repeat(finished, [2, 4], record, lambda: device)


def test_a_study_for_gpus_is_refused_before_one_is_asked_for(finished: TrainingJob) -> None:
    machine = finished.machine.model_copy(update={"device": "cuda"})
    job = finished.model_copy(update={"machine": machine})
    with pytest.raises(UserError, match=REFUSED):
        repeat(job, [2, 4], made(), lambda: pytest.fail("a device was asked for"))
