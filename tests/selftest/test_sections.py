"""Each section on tiny sizes: what it finds on a CPU, and that it would find a fault."""

import importlib
import inspect
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from support.documents import PROJECT
from support.tiny_training import write_davis

from rgmp.config.method import Inference, Network
from rgmp.data.davis import write_mask
from rgmp.data.images import read_labels
from rgmp.inference import propagator
from rgmp.inference.multiscale import Passes
from rgmp.minidavis.cast import TRAIN, VAL
from rgmp.minidavis.generate import Contents
from rgmp.selftest import (
    collectives,
    davis,
    determinism,
    devices,
    fallback,
    graphs,
    marked_tests,
    memory,
    precisions,
    scenes,
    small,
    steps,
    study,
)
from rgmp.selftest.bench import Bench, NotHereError, importing_the_same
from rgmp.selftest.finding import Finding
from rgmp.selftest.sections import GRACE, SECTIONS, STARTING, Section, fitting, named
from rgmp.study.resolve import resolve

CPU = torch.device("cpu")
TINY = small.Extent(
    Contents(TRAIN[:1], VAL[:1], 3), {"steps": 2, "batch": 2}, {"steps": 2, "batch": 2}, workers=0
)
NETWORK = Network(backbone="resnet10", width=8, decoder_width=8)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny sizes, one process and one thread: what a section sets is undone after each test."""
    monkeypatch.setattr("rgmp.runtime.cores.usable_cores", lambda: 1)
    monkeypatch.setattr(small, "ON_CPU", TINY)
    monkeypatch.setattr(steps, "ON_CPU", steps.Size(NETWORK, 2, 3, 32, 64))
    torch.set_num_threads(1)


@pytest.fixture
def bench(work: Path, tmp_path: Path) -> Bench:
    return Bench(CPU, tmp_path, work, deadline=time.monotonic() + 600)


def values(found: Iterator[Finding] | list[Finding], quantity: str) -> list[Any]:
    return [finding.value for finding in found if finding.quantity == quantity]


def test_every_section_has_its_module() -> None:
    for section in SECTIONS:
        function = importlib.import_module(section.module).section
        assert [*inspect.signature(function).parameters] == ["bench"]
        assert inspect.isgeneratorfunction(function)
    assert {s.name for s in SECTIONS} - {s.name for s in named(None)} == {"study"}
    assert [section.name for section in named(["memory", "devices"])] == ["devices", "memory"]


def test_two_runs_of_the_default_time_have_room_for_all_sections_on_a_gpu() -> None:
    """With what it takes to start and to end each, and to ask what the machine is."""
    given = 9 * 60 - STARTING - GRACE
    first = [*fitting(named(None), given, "cuda")]
    assert {"devices", "limits", "inference", "profile"} <= {section.name for section in first}
    others = [section for section in named(None) if section not in first]
    assert [*fitting(others, given, "cuda")] == others


def test_no_time_is_kept_for_what_does_not_fit() -> None:
    long, short, gpu = (
        Section(n, n, s, c) for n, s, c in (("a", 90, 90), ("b", 20, 20), ("c", 1, None))
    )
    assert [*fitting((long, short, gpu), 60, "cpu")] == [short, gpu]
    assert gpu.allotment("cpu") == 0
    assert short.allotment("cuda") == STARTING + 20 + GRACE


def test_the_method_is_that_of_the_default_study() -> None:
    study_file = yaml.safe_load((PROJECT / "workflow/config/mini.yaml").read_text())
    assert {key: study_file[key] for key in small.METHOD} == small.METHOD


@pytest.mark.slow
def test_devices_agree_on_a_network_trained_here(bench: Bench) -> None:
    found = [*devices.section(bench)]
    assert values(found, "labels equal")[0] >= 0.999
    assert len(values(found, "J&F")) == 2
    assert all(f.holds is not False for f in found if f.quantity != "J&F")  # of two steps
    assert not values(precisions.compared(bench, ()), "labels equal to fp32")
    (alike,) = values(precisions.compared(bench, ("bf16",)), "labels equal to fp32")
    assert 0.9 < alike <= 1


@pytest.mark.slow
def test_labels_that_differ_are_counted(bench: Bench, tmp_path: Path) -> None:
    videos = small.trained(bench).videos
    (sequence,) = videos.open()
    truth = videos.davis / "Annotations/480p"
    assert small.share_alike(videos, truth, truth) == 1
    assert small.j_and_f(videos, truth) == 100
    empty = tmp_path / "empty" / sequence.name
    empty.mkdir(parents=True)
    background = []
    for path in sequence.annotations:
        labels = read_labels(path)
        background.append(float((labels == 0).mean()))
        write_mask(empty / path.name, labels * 0)
    alike = small.share_alike(videos, truth, tmp_path / "empty")
    assert alike == pytest.approx(float(np.mean(background[1:])))
    assert small.j_and_f(videos, tmp_path / "empty") < 50


def test_without_bf16_there_is_no_precision_to_compare(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rgmp.runtime.precision._has_bf16", lambda _: False)
    with pytest.raises(NotHereError, match="no bf16"):
        next(precisions.section(bench))


def test_memory_is_fitted_over_the_objects(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ON_CPU", memory.Size(NETWORK, 33, 60, (1.0,), ("fp32",)))
    peaks = iter([10, 12, 14, 16, 18])
    monkeypatch.setattr(memory, "peak_memory", lambda: next(peaks) * 2**20)
    found = [*memory.section(bench)]
    assert values(found, "peak memory") == [10, 12, 14, 16, 18]
    assert values(found, "memory of each object") == [pytest.approx(2)]
    assert values(found, "memory beside the objects") == [pytest.approx(8)]


def test_two_runs_have_the_same_bits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(determinism, "_ROUNDS", 2)
    found = [*determinism.section(bench)]
    assert values(found, "same bits twice") == [True] * 4
    assert values(found, "operations without a deterministic algorithm") == ["none"] * 2
    for finding in found:
        if finding.quantity == "deterministic, times as long":
            assert finding.low is not None
            assert finding.high is not None
            assert finding.low <= finding.value <= finding.high  # type: ignore[operator]


def test_runs_that_differ_in_a_bit_are_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real, count = determinism._train, iter(range(99))

    def drifting(bench: Bench) -> dict[str, torch.Tensor]:
        weights = real(bench)
        first = next(iter(weights))
        weights[first] += next(count) * 1e-7
        return weights

    monkeypatch.setattr(determinism, "_train", drifting)
    first = next(determinism.section(bench))
    assert (first.value, first.holds) == (False, False)


def test_a_team_of_one_takes_the_plain_step(bench: Bench) -> None:
    wrapped = collectives._Replicating()
    assert (wrapped.size, wrapped.rank) == (1, 0)
    called: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collectives, "replicated", called.append)
        wrapped.replica(torch.nn.Linear(1, 1))
    assert len(called) == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collectives, "replicated", lambda module: module)
        assert collectives._difference(bench) == 0


def test_a_difference_is_counted_in_units_of_the_last_place() -> None:
    one = torch.tensor([1.0, -8.0, 0.0])
    assert collectives._units_apart(one, one) == 0
    assert collectives._units_apart(one, one * (1 + 2**-23)) == pytest.approx(1, rel=1e-3)
    assert collectives._units_apart(one, one + 1e-3) > 1e3


SHAPES = (graphs.Shape(33, 60, 1), graphs.Shape(40, 70, 2), graphs.Shape(33, 60, 1))


def recording(monkeypatch: pytest.MonkeyPatch, graph: Any) -> None:
    """Let a CPU record its steps as a GPU does, by what stands for a CUDA graph."""
    real = propagator.Propagator

    def make(*arguments: Any, graphs: bool = True) -> propagator.Propagator:
        made = real(*arguments, graphs=graphs)
        made.records = graphs
        return made

    monkeypatch.setattr(graphs, "Propagator", make)
    monkeypatch.setattr(propagator, "Graph", graph)


class Replay:
    """Computes the step anew."""

    def __init__(self, step: Any, *_: object) -> None:
        self.step = step

    def __call__(self, *state: Any) -> Any:
        return self.step(*state)


class WrongReplay(Replay):
    """Forgets the objects."""

    def __call__(self, *state: Any) -> Any:
        soft, labels, references = self.step(*state)
        return soft, labels * 0, references


class NoGraph:
    """Cannot be captured."""

    def __init__(self, *_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")


@pytest.mark.parametrize(
    ("graph", "alike", "recorded"),
    [
        (Replay, True, True),
        (WrongReplay, False, True),
        (NoGraph, True, False),
    ],
)
def test_a_graph_that_gives_other_labels_or_is_refused_is_found(
    graph: Any, alike: bool, recorded: bool, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording(monkeypatch, graph)
    network = scenes.random_network(NETWORK)
    found = [*graphs.compared(bench, network, "softmax", SHAPES)]
    assert all(f.holds is alike for f in found if f.quantity == "labels equal")
    assert values(found, "every shape recorded") == [recorded]
    assert bool(values(found, "messages")) is not recorded


def test_labels_of_a_random_network_show_more_than_one_object() -> None:
    network = scenes.random_network(NETWORK)
    frames = scenes.video(3, 64, 96)
    made = propagator.Propagator(network, Inference(), CPU)
    found = graphs.labels_of(made, frames, graphs.Shape(64, 96, 2))
    assert found.shape == (2, 64, 96)
    assert {*np.unique(found)} == {0, 1, 2}


def test_objects_that_do_not_fit_are_segmented_in_smaller_batches(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device gives as much memory as it is told: 100 bytes for each of six masks at once."""
    granted = [1.0]
    real = Passes._pass

    def within(
        passes: Passes, scale: float, frame: Any, masks: Any, reference: Any, chunk: slice
    ) -> Any:
        if len(masks[chunk]) * 100 > granted[0] * 600:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(passes, scale, frame, masks, reference, chunk)

    def limit(fraction: float, _: object) -> None:
        granted[0] = fraction

    monkeypatch.setattr(Passes, "_pass", within)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", limit)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 600)
    whole = type("Properties", (), {"total_memory": 600})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: whole)
    monkeypatch.setattr(fallback, "_SIZE", (33, 60))
    monkeypatch.setattr(fallback, "Network", lambda: NETWORK)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # which the process of its own sets
    monkeypatch.setattr(fallback, "apart", lambda work, _: work())  # here, as all that is set is
    monkeypatch.setattr(fallback, "_SHARES", (0.7, 0.4, 0.1, 0.05))
    found = [*fallback.section(bench)]
    assert values(found, "masks at once") == [3, 2]
    assert min(values(found, "labels equal")) > 0.999
    assert len(values(found, "refused")) == 1
    assert values(found, "objects were segmented in smaller batches") == [True]
    granted[0] = 1.0
    monkeypatch.setattr(fallback, "_SHARES", (1.0,))
    assert values(fallback.section(bench), "objects were segmented in smaller batches") == [False]


def test_marked_tests_are_those_of_the_checkout(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = [Path(path).name for path in marked_tests.marked(PROJECT / "tests")]
    assert "test_propagator.py" in names
    assert len(names) >= 3
    monkeypatch.setattr(marked_tests, "checkout", lambda: tmp_path)
    with pytest.raises(NotHereError, match="from a checkout"):
        next(marked_tests.section(bench))


def test_what_pytest_counted_is_read_from_its_last_line() -> None:
    assert marked_tests.counted("x\n=== 2 failed, 11 passed, 1 error in 3.2s ===\n") == {
        "failed": 2,
        "passed": 11,
        "error": 1,
    }
    assert marked_tests.counted("3 failed\nImportError") == {}
    assert marked_tests.counted("") == {}


def test_of_tests_that_were_ended_those_are_counted_that_ran() -> None:
    output = (
        "tests/a.py::test_a PASSED  [ 2%]\ntests/a.py::test_b[x y] FAILED [ 4%]\n"
        "tests/a.py::test_c PASSED [ 6%]\ntests/a.py::test_d "
    )
    found = {finding.quantity: finding for finding in marked_tests._of(output, None)}
    assert found["tests: passed"].value == 2
    assert (found["tests: failed"].value, found["tests: failed"].holds) == (1, False)
    assert found["tests: all ran in time"].holds is False


def test_marked_tests_that_hang_are_ended_and_what_ran_is_counted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("pytest", timeout, output=b"a.py::test_a PASSED [ 9%]\n")

    monkeypatch.setattr(subprocess, "run", hang)
    found = {finding.quantity: finding for finding in marked_tests.section(bench)}
    assert found["tests: passed"].value == 1
    assert found["tests: all ran in time"].holds is False


def test_a_command_in_another_folder_imports_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/only_here.py").write_text("")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["site", *sys.path])
    command = [sys.executable, "-c", "import only_here"]
    for environment, status in ((importing_the_same(), 0), ({"PYTHONPATH": "site"}, 1)):
        done = subprocess.run(command, cwd=tmp_path / "elsewhere", env=environment, check=False)
        assert done.returncode == status


@pytest.mark.slow
def test_a_failing_marked_test_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    cuda: x\n")
    (tmp_path / "tests/test_it.py").write_text(
        "import pytest\n\n@pytest.mark.cuda\ndef test_a(): pass\n\n"
        "@pytest.mark.cuda\ndef test_b(): assert 0\n\ndef test_c(): assert 0\n"
    )
    monkeypatch.setattr(marked_tests, "checkout", lambda: tmp_path)
    found = {finding.quantity: finding for finding in marked_tests.section(bench)}
    assert (found["tests: failed"].value, found["tests: failed"].holds) == (1, False)
    assert (found["tests: passed"].value, found["tests: passed"].holds) == (1, True)


@pytest.mark.slow
def test_sequences_of_a_davis_tree_are_segmented_and_scored(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(NotHereError, match="no DAVIS tree"):
        next(davis.section(bench))
    root = write_davis(tmp_path / "davis", frames=(4, 4, 3, 3))
    for year in ("2016", "2017"):
        (root / f"ImageSets/{year}/train.txt").rename(root / f"ImageSets/{year}/val.txt")
    found = [*davis.section(replace(bench, davis=root))]
    assert len(values(found, "J&F")) == 3
    assert all(0 <= figure <= 100 for figure in values(found, "J&F"))
    assert all(rate > 0 for rate in values(found, "from JPEG to PNG"))
    (root / "ImageSets/2017/val.txt").unlink()
    assert davis.videos_in(replace(bench, davis=root)).benchmark == "davis2016"


def test_the_study_is_one_that_the_ordinary_commands_take(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = study.write_study(bench, "cpu", tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")
    plan = resolve(Path("study.yaml"))
    assert results == tmp_path / "study/results" / plan.study
    assert [variant.name for variant in plan.variants] == [*study.VARIANTS]
    assert len(plan.trainings) == 3, "stage 1 is shared"
