"""Whole training runs: what they leave, and that nothing can change their bits."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors
from support import forked
from support.process_group import process_group
from support.tiny_training import HEIGHT, WIDTH, finetune, pretrain, write_jobs
from torch import Tensor

from rgmp.data import davis
from rgmp.data.loader import Samples
from rgmp.errors import UserError
from rgmp.provenance.machine import processor_here
from rgmp.training.checkpoints import Checkpoints
from rgmp.training.job import TrainingJob
from rgmp.training.journal import CurvePoint, Journal
from rgmp.training.train import checkpoints_of, train
from rgmp.training.unroll import unroll

CPU = torch.device("cpu")


def run(jobs: list[TrainingJob], which: int = -1) -> Path:
    """Run one training, the last; its folder."""
    train(jobs[which], CPU)
    checkpoints_of(jobs[which]).clear()
    return jobs[which].folder


def weights(folder: Path) -> dict[str, bytes]:
    """Every tensor's name and bytes."""
    tensors = load_file(folder / "weights.safetensors")
    return {name: tensor.tobytes() for name, tensor in tensors.items()}


def curve(folder: Path) -> list[tuple[float, ...]]:
    """What of metrics.jsonl does not depend on the clock: step, loss, J and learning rate."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [CurvePoint(**json.loads(line))[:4] for line in lines]


def fresh(root: Path, *stages: Any, **options: Any) -> Path:
    """Run the last training of a new study, and those before it."""
    jobs = write_jobs(root, stages, **options)
    for which in range(len(stages)):
        folder = run(jobs, which)
    return folder


@pytest.mark.parametrize("workers", [0, 1])
def test_a_still_without_an_object_is_named_by_whichever_process_draws_it(
    workers: int, tmp_path: Path
) -> None:
    (job,) = write_jobs(tmp_path, (pretrain(steps=5),))
    (stills,) = job.data.stills
    for mask in stills.masks.iterdir():
        davis.write_mask(mask, np.zeros((HEIGHT, WIDTH), np.uint8))
    samples = Samples(job.data, job.settings, 0, 128)
    before = {*active_children()}
    with pytest.raises(UserError, match=r"^[^ ]*/masks/\d+.png: no pixel has the foreground value"):
        next(samples.batches(0, CPU, workers))
    assert {*active_children()} <= before, "they end though the error holds what started them"


def test_a_training_leaves_weights_and_a_curve_and_nothing_else(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path, (pretrain(steps=5),))
    summary = train(jobs[0], CPU)
    folder = jobs[0].folder
    assert (folder / "checkpoints").is_dir(), "until the end is recorded: it could be lost"
    checkpoints_of(jobs[0]).clear()
    assert {p.name for p in folder.iterdir()} == {"weights.safetensors", "metrics.jsonl"}
    steps, losses, qualities, rates = zip(*curve(folder), strict=True)
    assert steps == (1, 2, 3, 4, 5)
    assert (summary["steps"], summary["samples"]) == (5, 10)
    assert (summary["final_loss"], summary["final_J"]) == (losses[-1], qualities[-1])
    assert (rates[0], rates[-1]) == pytest.approx((2e-3, 1e-4))


@pytest.mark.parametrize("settings", [pretrain(steps=4), finetune(steps=4)])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_study_gives_the_same_bits_whoever_draws_its_samples(
    tmp_path: Path, settings: Any, workers: int
) -> None:
    first = fresh(tmp_path / "a", settings)
    second = fresh(tmp_path / "b", settings, workers=workers)
    assert weights(first) == weights(second)
    assert curve(first) == curve(second)


def test_a_sample_has_the_same_bits_with_any_number_of_threads(tmp_path: Path) -> None:
    """PyTorch splits a sum over threads from 32,768 values on, and a worker has one thread."""
    jobs = write_jobs(tmp_path, (pretrain(crop=(224, 256)),))
    samples = Samples(jobs[0].data, jobs[0].settings, 0, 128)
    for i in range(12):
        torch.set_num_threads(1)
        one = samples.of_step(i, 1)
        torch.set_num_threads(2)
        assert all(torch.equal(a, b) for a, b in zip(one, samples.of_step(i, 1), strict=True))
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("recompute", [False, True])
def test_in_bf16_it_learns_as_well(tmp_path: Path, recompute: bool) -> None:
    """The weights themselves stay in fp32."""
    settings = finetune(steps=3, coarse_loss=0.1)
    half = fresh(
        tmp_path / "half",
        settings,
        compute={"precision": "bf16"},
        recompute_activations=recompute,
    )
    tensors = load_tensors(half / "weights.safetensors").values()
    assert {t.dtype for t in tensors} == {torch.float32, torch.int64}
    full = fresh(tmp_path / "full", settings)
    assert weights(half) != weights(full)
    pairs = zip(curve(half), curve(full), strict=True)
    assert all(a == pytest.approx(b, abs=0.1) for a, b in pairs)


def test_stage_2_starts_from_the_weights_of_stage_1(tmp_path: Path) -> None:
    stage1, stage2 = pretrain(steps=2), finetune(steps=2, learning_rate=1e-9)
    folder = fresh(tmp_path, stage1, stage2 := stage2.model_copy(update={"final_learning_rate": 0}))
    before = next((tmp_path / "study/weights/pretrain").iterdir()) / "weights.safetensors"
    after = load_tensors(folder / "weights.safetensors")
    for key, value in load_tensors(before).items():
        torch.testing.assert_close(after[key], value, atol=1e-7, rtol=0)


def test_what_is_frozen_does_not_learn(tmp_path: Path) -> None:
    """Batch norm keeps its affine parameters; its statistics are those of the first batches."""
    short, long = (
        load_tensors(
            fresh(tmp_path / str(steps), pretrain(steps=20).model_copy(update={"steps": steps}))
            / "weights.safetensors"
        )
        for steps in (8, 12)
    )
    for key in short:
        kept = "bn" in key or "downsample.1" in key or key in {"encoder.mean", "encoder.std"}
        if kept:
            assert torch.equal(short[key], long[key]), key
    assert not torch.equal(short["encoder.conv1.weight"], long["encoder.conv1.weight"])
    assert short["encoder.bn1.running_var"].ne(1).any()


class CrashError(Exception):
    """Stands for whatever ends a process."""


def crash_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    add = Journal.add

    def add_or_crash(self: Journal, now: int, *measured: Any) -> None:
        if now == step:
            raise CrashError
        add(self, now, *measured)

    monkeypatch.setattr(Journal, "add", add_or_crash)


def interrupted(jobs: list[TrainingJob], step: int) -> Path:
    """Run the last training until it crashes at a step; the folder of its states."""
    with pytest.MonkeyPatch.context() as patch:
        crash_at(patch, step)
        with pytest.raises(CrashError):
            run(jobs)
    return jobs[-1].states


def _cut(state: Path) -> None:
    state.write_bytes(state.read_bytes()[:-100])


def _flip(state: Path) -> None:
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)


def _empty(state: Path) -> None:
    state.write_bytes(b"")


AVERAGED = {"ema_ratio": 0.5, "keep_last": 3, "save_interval": 2}


@pytest.mark.parametrize(
    ("moment", "time_of_it"),
    [("_states", 1), ("_states", 2), ("_states", 4), ("write_bytes", 1), ("write_bytes", 2)],
)
def test_two_that_train_at_once_in_one_folder_end_with_the_same_bits(
    moment: str, time_of_it: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when one stood still for so long that the other took it for dead (`alone_in`).

    The other runs from start to end in a moment of the first: when that has looked which states
    there are, and when it has written one, but under another name yet.
    """
    alone = fresh(tmp_path / "alone", pretrain(steps=6))
    jobs = write_jobs(tmp_path / "two", (pretrain(steps=6),))
    interrupted(jobs, 3)
    owner: Any = Path if moment == "write_bytes" else Checkpoints
    act = getattr(owner, moment)
    times: list[Path] = []

    def and_let_the_other_run(self: Any, *what: Any) -> Any:
        done = act(self, *what)
        times.append(jobs[0].folder)
        if len(times) == time_of_it:
            run(jobs)
        return done

    monkeypatch.setattr(owner, moment, and_let_the_other_run)
    assert run(jobs) == times[0]
    assert weights(times[0]) == weights(alone)
    assert curve(times[0]) == curve(alone)
    assert {p.name for p in times[0].iterdir()} == {"weights.safetensors", "metrics.jsonl"}


@pytest.mark.parametrize(
    "settings", [pretrain(steps=9), finetune(steps=9), finetune(steps=9, **AVERAGED)]
)
def test_a_crashed_training_resumes_to_the_same_bits(tmp_path: Path, settings: Any) -> None:
    alone = fresh(tmp_path / "alone", settings)
    jobs = write_jobs(tmp_path / "crashed", (settings,))
    for step in (0, 1, 4, 4, 8):
        interrupted(jobs, step)
    again = run(jobs)
    assert weights(again) == weights(alone)
    assert curve(again) == curve(alone)
    left = {path.name: path.read_bytes() for path in again.glob("*.safetensors")}
    assert left == {path.name: path.read_bytes() for path in alone.glob("*.safetensors")}
    assert {p.name for p in again.iterdir()} == {*left, "metrics.jsonl"}


@pytest.mark.parametrize("ratio", [None, 0.5])
def test_checkpoints_are_the_weights_of_their_steps_and_change_no_others(
    tmp_path: Path, ratio: float | None
) -> None:
    alone = fresh(tmp_path / "alone", finetune(steps=6, ema_ratio=ratio))
    settings = finetune(steps=6, ema_ratio=ratio, keep_last=3, save_interval=2)
    jobs = write_jobs(tmp_path / "kept", (settings,))
    states = interrupted(jobs, 4)  # a state is saved after every step
    state = torch.load(max(states.iterdir()), weights_only=True)["average" if ratio else "network"]
    folder = run(jobs)
    assert weights(folder) == weights(alone)
    assert {p.name for p in folder.glob("*step*")} == {
        "weights-step2.safetensors",
        "weights-step4.safetensors",
    }
    kept = load_tensors(folder / "weights-step4.safetensors")
    assert kept.keys() == state.keys()
    assert all(torch.equal(kept[key], value) for key, value in state.items())


def test_an_average_is_left_in_place_of_the_last_weights(tmp_path: Path) -> None:
    """Over so short a time that it is those, and over a longer one."""
    plain, short, long = (
        weights(fresh(tmp_path / str(ratio), finetune(steps=5, ema_ratio=ratio)))
        for ratio in (None, 0.2, 1.0)
    )
    assert short == plain
    assert long != plain


@pytest.mark.parametrize("damage", [_cut, _flip, _empty, Path.unlink])
def test_a_damaged_state_gives_way_to_the_one_before(
    tmp_path: Path, damage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = fresh(tmp_path / "alone", pretrain(steps=6))
    jobs = write_jobs(tmp_path / "damaged", (pretrain(steps=6),))
    states = interrupted(jobs, 4)
    newest = max(states.iterdir())
    damage(newest)
    again = run(jobs)
    said = capsys.readouterr().err
    assert ("damaged checkpoint" in said) is (damage is not Path.unlink)
    assert "resuming after step 3" in said
    assert weights(again) == weights(alone)


def test_a_training_on_two_types_of_processor_says_so_and_its_record_names_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a node dies, and another with a CPU of another type takes over."""
    jobs = write_jobs(tmp_path, (pretrain(steps=6),))
    interrupted(jobs, 4)
    here = processor_here(None)
    monkeypatch.setattr("rgmp.training.train.processor_here", lambda _: "Abacus")
    summary = train(jobs[0], CPU)
    both = "; ".join(sorted(["Abacus", here]))
    assert summary["processors"] == both
    assert f"several types of processor ({both})" in capsys.readouterr().err
    alone = train(write_jobs(tmp_path / "alone", (pretrain(steps=6),))[0], CPU)
    assert alone["processors"] == "Abacus"
    assert "several types" not in capsys.readouterr().err


def test_a_killed_save_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path, (pretrain(steps=4),))
    states = interrupted(jobs, 2)
    unfinished = states / ".00000003-0123.pt.abcd"
    unfinished.mkdir()
    (unfinished / "00000003-0123.pt").write_bytes(b"half")
    assert not (run(jobs) / "checkpoints").exists()


def test_a_loss_that_is_not_finite_stops_and_names_the_samples(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path, (finetune(steps=6),))
    out = jobs[0].folder
    out.mkdir(parents=True)
    (out / "weights.safetensors").write_bytes(b"good")
    steps = iter(range(10))

    def poisoned(*arguments: Any) -> Iterator[tuple[Tensor, Tensor]]:
        factor = float("nan") if next(steps) == 3 else 1
        for loss, quality in unroll(*arguments):
            yield loss * factor, quality

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rgmp.training.update.unroll", poisoned)
        with pytest.raises(UserError, match=r"step 3 \(seed 0, finetune, step 3, samples 0-1\)"):
            run(jobs)
    assert (out / "weights.safetensors").read_bytes() == b"good"
    assert curve(out)[-1][0] == 3
    run(jobs)
    assert weights(out)


def test_a_full_disk_is_said_and_leaves_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = fresh(tmp_path / "alone", pretrain(steps=6))
    jobs = write_jobs(tmp_path / "full", (pretrain(steps=6),))
    write = Path.write_bytes

    def write_until_full(path: Path, content: Any) -> int:
        if path.name.startswith("00000004-"):
            write(path, bytes(content)[:1000])
            raise OSError(28, "No space left on device")
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_until_full)
        with pytest.raises(
            UserError, match=r"00000004-\w+\.pt: cannot be written .*free some space"
        ):
            run(jobs)
    again = run(jobs)
    assert "resuming after step 3" in capsys.readouterr().err
    assert weights(again) == weights(alone)


def test_a_video_that_is_not_annotated_throughout_is_refused(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path, (finetune(),))
    for annotation in sorted((tmp_path / "davis/Annotations/480p/b").iterdir())[1:]:
        annotation.unlink()
    with pytest.raises(UserError, match="b: 1 of 5 frames annotated"):
        run(jobs)


# ---- signals ----


def start(root: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run a study's training as a process group of its own, which ends with the block."""
    words = [*forked.command("rgmp", "support.train_alone"), str(root)]
    return process_group(words, stderr=subprocess.PIPE)


def wait_for_a_new_state(process: subprocess.Popen[str], states: Path) -> None:
    before = {p.name for p in states.glob("[0-9]*.pt")}
    deadline = time.monotonic() + 120
    while {p.name for p in states.glob("[0-9]*.pt")} <= before:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.slow
def test_killed_at_twelve_random_moments_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    """With 0, 1 and 2 workers; a third of the moments as it starts, the others as it saves."""
    settings = finetune(steps=200, batch=1, frames=(2, 3), crop=(32, 64))
    alone = fresh(tmp_path / "alone", settings, checkpoint_seconds=60)
    jobs = write_jobs(tmp_path / "killed", (settings,))
    folder = jobs[0].folder
    command = [str(tmp_path / "killed"), "12"]
    killed = forked.run("rgmp", "support.kill_training", command, tmp_path, timeout=300)
    assert killed.returncode == 0, killed.stderr
    assert killed.stderr.count("resuming after step") > 5
    assert not (folder / "weights.safetensors").exists()
    run(jobs)
    assert weights(folder) == weights(alone)
    assert curve(folder) == curve(alone)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "number"), [(0, signal.SIGTERM), (2, signal.SIGUSR1)])
def test_a_signal_to_the_whole_job_saves_and_stops(
    tmp_path: Path, workers: int, number: signal.Signals
) -> None:
    settings = finetune(steps=1000, batch=1)
    jobs = write_jobs(tmp_path, (settings,), workers=workers)
    folder = jobs[0].folder
    with start(tmp_path) as process:
        wait_for_a_new_state(process, folder / "checkpoints")
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number, said
    assert "Traceback" not in said
    step = int(said.partition("stopped by signal after step ")[2].partition(";")[0])
    assert max(p.name for p in (folder / "checkpoints").iterdir()).startswith(f"{step:08d}-")
    assert not (folder / "weights.safetensors").exists()


@pytest.mark.slow
def test_a_fault_in_a_worker_ends_the_training(tmp_path: Path) -> None:
    jobs = write_jobs(tmp_path, (pretrain(steps=1000),), workers=2)
    (tmp_path / "stills/images/1.png").write_bytes(b"no image")
    with start(tmp_path) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "1.png" in said
    assert not (jobs[0].folder / "weights.safetensors").exists()


@pytest.mark.cuda
def test_a_gpu_trains_nearly_as_a_cpu_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """Few steps: bits differ from the first one on, and drift apart."""
    gpu, settings = torch.device("cuda"), finetune(steps=4)
    kept = {}
    for name, device in {"cpu": CPU, "gpu": gpu}.items():
        (job,) = write_jobs(tmp_path / name, (settings,))
        train(job, device)
        kept[name] = load_tensors(job.weights)
    for key, value in kept["cpu"].items():
        torch.testing.assert_close(kept["gpu"][key], value, rtol=0, atol=4 * 2e-3)  # Adam's steps
    (job,) = write_jobs(tmp_path / "stopped", (settings,))
    _stop_after_two_steps(job, gpu)
    train(job, gpu)
    again = load_tensors(job.weights)
    for key, value in kept["gpu"].items():
        torch.testing.assert_close(again[key], value, rtol=0, atol=1e-4)


def _stop_after_two_steps(job: TrainingJob, device: torch.device) -> None:
    """Train until the checkpoint of step 2, as a run does that a signal stops."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rgmp.training.train._Stop", partial(_StopAt, 2))
        with pytest.raises(SystemExit):
            train(job, device)


class _StopAt:
    """Asks for a stop once it was asked for so many steps."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def __enter__(self) -> "_StopAt":
        return self

    def __exit__(self, *_: object) -> None: ...

    @property
    def asked(self) -> int:
        self._left -= 1
        return signal.SIGTERM if self._left <= 0 else 0
