"""From a profiler's trace to shares of kinds, longest kernels and idle time."""

import gzip
import json
from pathlib import Path

import pytest

from rgmp.selftest import profile
from rgmp.selftest.profile import Kernel, idle_share, kernels_in, kind_of, rows_of

KINDS = {
    "sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x64": (
        "convolution"
    ),
    "void cutlass__5x_cudnn::Kernel<cutlass_tensorop_bf16_s16816fprop_optimized>(Params)": (
        "convolution"
    ),
    "void cudnn::cnn::dgrad2d_grouped_direct_kernel<float>": "convolution",
    "aten::mkldnn_convolution": "convolution",
    "aten::convolution_backward": "convolution",
    "void cudnn::ops::nchwToNhwcKernel<float, float, float>": "copies and layouts",
    "Memcpy HtoD (Pinned -> Device)": "copies and layouts",
    "Memset (Device)": "copies and layouts",
    "void at::native::elementwise_kernel<128, 4, direct_copy_kernel_cuda(TensorIterator&)>": (
        "copies and layouts"
    ),
    "void at::native::(anonymous namespace)::CatArrayBatchedCopy<float>": "copies and layouts",
    "void at::native::vectorized_elementwise_kernel<4, CUDAFunctor_add<float>>": (
        "elementwise, reductions and pooling"
    ),
    "void at::native::(anonymous namespace)::max_pool_forward_nhwc<c10::BFloat16>": (
        "elementwise, reductions and pooling"
    ),
    "void at::native::(anonymous namespace)::upsample_bilinear2d_nhwc_out_frame<float>": (
        "interpolation"
    ),
    "void at::native::batch_norm_transform_input_channels_last_kernel<float>": "batch norm",
    "void at::native::(anonymous namespace)::multi_tensor_apply_kernel<FusedAdamMathFunctor>": (
        "optimiser"
    ),
    "something_new": "other",
}


@pytest.mark.parametrize("name", KINDS)
def test_kernels_have_a_kind(name: str) -> None:
    assert kind_of(name) == KINDS[name]


def test_idle_time_is_what_no_stream_fills() -> None:
    """Of 100 us two are overlapped, and 30 and 10 empty."""
    kernels = [
        Kernel("a", 0, 20),
        Kernel("b", 15, 5),  # beside a
        Kernel("a", 50, 30),
        Kernel("c", 90, 10),
    ]
    assert idle_share(kernels) == pytest.approx(0.4)
    assert idle_share([]) == 1


def test_only_what_ran_on_the_gpu_counts(tmp_path: Path) -> None:
    events = [
        {"cat": "kernel", "name": "conv", "ts": 10.0, "dur": 4.0},
        {"cat": "kernel", "name": "conv", "ts": 20.0, "dur": 2.0},
        {"cat": "gpu_memcpy", "name": "Memcpy DtoH", "ts": 23, "dur": 1},
        {"cat": "gpu_user_annotation", "name": "Optimizer.step", "ts": 0, "dur": 100},
        {"cat": "cpu_op", "name": "aten::conv2d", "ts": 0, "dur": 50},
        {"ph": "M", "name": "process_name"},
    ]
    path = tmp_path / "trace.json.gz"
    with gzip.open(path, "wt") as file:
        json.dump({"traceEvents": events}, file)
    rows = rows_of(kernels_in(path))
    assert [(row.name, row.times) for row in rows] == [("conv", 2), ("Memcpy DtoH", 1)]
    assert [row.seconds for row in rows] == pytest.approx([6e-6, 1e-6])


def test_shares_add_up_and_the_longest_come_first() -> None:
    rows = [profile.Row("relu", 1.0, 4), profile.Row("conv", 6.0, 2), profile.Row("new", 3.0, 2)]
    found = list(profile._findings(rows, {"of": "inference"}, steps=2))
    assert found[0].value == pytest.approx(5000)  # ms
    kinds = {f.conditions["kind"]: f.value for f in found if "kind" in f.conditions}
    assert kinds == pytest.approx(
        {"convolution": 0.6, "other": 0.3, "elementwise, reductions and pooling": 0.1}
    )
    ranked = [
        (f.conditions["name"], f.conditions["times"]) for f in found if "rank" in f.conditions
    ]
    assert ranked == [("conv", 1), ("new", 1), ("relu", 2)]


def test_a_large_trace_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "_LARGEST_TRACE", 10)
    for size in (10, 11):
        trace = tmp_path / "trace.json.gz"
        trace.write_bytes(b"x" * size)
        profile._kept(trace, {})
        assert trace.exists() is (size == 10)
