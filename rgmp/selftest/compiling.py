"""`torch.compile`: what it gains for the step of inference and for that of training.

Compiling may take longer than there is time for, or hang, so each is compiled in a process that can
be ended.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from rgmp.config.method import Inference
from rgmp.inference.propagator import Propagator
from rgmp.runtime.processes import apart
from rgmp.selftest import papers_study, training, ways, workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.contestants import Contestant
from rgmp.selftest.finding import Condition, Finding, reason_of
from rgmp.selftest.made_data import timed_clip
from rgmp.selftest.scenes import random_network
from rgmp.selftest.training_jobs import jobs_of
from rgmp.selftest.training_runs import BUILT, COMPILED
from rgmp.selftest.variations import compiled
from rgmp.selftest.ways import BUILT as BUILT_STEP

MODES: tuple[str | None, ...] = (None, "max-autotune-no-cudagraphs")
"""Of `torch.compile`; the second tries many more kernels."""
_SHARE_OF_STEP = 0.6
"""Of the time, for the step of inference in both modes."""
_ENDING = 5.0
"""Seconds that are left for a process to be ended in."""
_SHARE_OF_TURNS = 0.1
"""Of the time that is left when a mode is compiled, for its turns."""


def section(bench: Bench) -> Iterator[Finding]:
    """Compile the step at scale 1 alone, then that of stage 1."""
    precision = workload.of(bench.device).precisions[0]
    names = [_name(mode) for mode in MODES]
    conditions: dict[str, Condition] = {"precision": precision, "scales": 1, "objects": 1}
    seconds = _SHARE_OF_STEP * (bench.seconds_left() - _ENDING)
    yield from _in_time(partial(compile_step, bench), seconds, "way", names, conditions)
    conditions = {"precision": precision, "stage": "pretrain"}
    seconds = bench.seconds_left() - _ENDING
    work = partial(compile_training, bench)
    yield from _in_time(work, seconds, "variation", [COMPILED.name], conditions)


def _in_time(
    work: Callable[[], Iterator[Finding]],
    seconds: float,
    key: str,
    names: Sequence[str],
    conditions: dict[str, Condition],
) -> Iterator[Finding]:
    """What a process finds within so many seconds, and why it found nothing of the others.

    Args:
        work: what it does.
        seconds: how long it may take.
        key: the condition that names what was compiled.
        names: of all that is to be compiled.
        conditions: of a finding that there is no figure.
    """
    waiting, reason = [*names], "nothing was said of it"
    try:
        for finding in apart(work, max(seconds, 0)):
            waiting = [name for name in waiting if name != finding.conditions.get(key)]
            yield finding
    except Exception as error:  # what came before stands
        reason = reason_of(error)
    yield from (Finding(f"{name}: no figure", conditions, reason) for name in waiting)


def compile_training(bench: Bench) -> Iterator[Finding]:
    """Compile a training step of stage 1 and time it, in turns with what is built."""
    bench.prepare()
    work = workload.of(bench.device)
    job = jobs_of(bench, work, papers_study.load())["pretrain"]
    group = training.Group("pretrain", "last", job)
    contestants = [(work.precisions[0], each) for each in (BUILT, COMPILED)]
    yield from training.compared(bench, work, group, contestants, _SHARE_OF_TURNS)


def _name(mode: str | None) -> str:
    return "torch.compile" + (f", {mode}" if mode else "")


def compile_step(bench: Bench) -> Iterator[Finding]:
    """Compile the step in each mode and time it, in turns with what is built.

    On a GPU both are replayed as CUDA graphs.
    """
    bench.prepare()
    work = workload.of(bench.device)
    precision, scales = work.precisions[0], work.scales[1]
    network = random_network(work.network, bench.seed).to(bench.device)
    settings = Inference(scales=scales, precision=precision)
    plain = partial(Propagator, network, settings, bench.device)
    clip = timed_clip(bench.work / "compiled", work.frames + 1, work.size, 1)
    conditions: dict[str, Condition] = {"precision": precision, "scales": len(scales), "objects": 1}
    for mode in MODES:
        makers: dict[str, ways.Maker] = {
            BUILT_STEP: plain,
            _name(mode): partial(plain, passes=partial(compiled, mode)),
        }
        contestants = [
            Contestant(name, {"way": name, **conditions, "in turns with": other}, make)
            for (name, make), other in zip(makers.items(), reversed(makers), strict=True)
        ]
        eager = partial(plain, graphs=False)
        yield from ways.compared(bench, contestants, eager, clip, _SHARE_OF_TURNS)
