"""What `auto` takes on each device, and which explicit choices earn a warning."""

import pytest
import torch

from rgmp.runtime import precision

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture(params=[False, True])
def cpu_with_bf16(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    found = bool(request.param)
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: found)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    return found


def let_gpu_be(monkeypatch: pytest.MonkeyPatch, major: int) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (major, 0))


def test_auto_runs_in_bf16_where_the_cpu_has_it_and_trains_in_fp32(cpu_with_bf16: bool) -> None:
    expected = "bf16" if cpu_with_bf16 else "fp32"
    assert precision.choose("auto", CPU, training=False) == expected
    assert precision.choose("auto", CPU, training=True) == "fp32"


@pytest.mark.parametrize(("major", "expected"), [(7, "fp32"), (8, "bf16"), (9, "bf16")])
def test_auto_takes_bf16_of_a_gpu_that_has_it(
    monkeypatch: pytest.MonkeyPatch, major: int, expected: str
) -> None:
    let_gpu_be(monkeypatch, major)
    assert precision.choose("auto", GPU, training=False) == expected
    assert precision.choose("auto", GPU, training=True) == expected


def test_bf16_that_the_cpu_lacks_is_taken_with_one_line(
    cpu_with_bf16: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert precision.choose("bf16", CPU, training=False) == "bf16"
    said = capsys.readouterr().err
    if cpu_with_bf16:
        assert not said
    else:
        assert said.startswith("rgmp: warning: precision bf16: this CPU has no bf16 instructions")
        assert said.count("\n") == 1


def test_tf32_has_a_word_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert precision.choose("tf32", CPU, training=False) == "tf32"
    let_gpu_be(monkeypatch, 7)
    precision.choose("tf32", GPU, training=False)
    assert capsys.readouterr().err.count("tf32: this ") == 2
    let_gpu_be(monkeypatch, 8)
    precision.choose("tf32", GPU, training=False)
    assert not capsys.readouterr().err


def test_fp32_is_never_warned_of(cpu_with_bf16: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert cpu_with_bf16 in {True, False}
    assert precision.choose("fp32", CPU, training=True) == "fp32"
    assert not capsys.readouterr().err


@pytest.mark.parametrize("held_back_to", ["AVX2", "avx512_core"])
def test_what_onednn_may_not_use_is_not_there(
    monkeypatch: pytest.MonkeyPatch, held_back_to: str
) -> None:
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: True)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", held_back_to)
    assert precision.choose("auto", CPU, training=False) == "fp32"


def test_tf32_is_for_a_block_alone() -> None:
    def flags() -> tuple[bool, bool]:
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    before = flags()
    with precision.rounding("tf32"):
        assert flags() == (True, True)
    with precision.rounding("bf16"):
        assert flags() == (False, False)
    assert flags() == before
