"""What tells one inference from another, and what does not."""

from pathlib import Path
from typing import Any

import pytest

from rgmp.data.videos import Videos
from rgmp.inference.job import InferenceJob, SpeedJob

VIDEOS = Videos(davis=Path("davis"), benchmark="davis2017")
ROOT: dict[str, Any] = {"weights": "w.safetensors", "videos": VIDEOS, "reads": {"weights": "1a"}}
SAME: list[dict[str, Any]] = [
    {"weights": "elsewhere.safetensors"},
    {"videos": VIDEOS.model_copy(update={"davis": Path("elsewhere")})},
    {"device": "cpu"},
    {"jobs_per_gpu": 2},
    {"record": "record.json"},
]
OTHER: list[dict[str, Any]] = [
    {"videos": VIDEOS.model_copy(update={"split": "train"})},
    {"videos": VIDEOS.model_copy(update={"benchmark": "davis2016"})},
    {"videos": VIDEOS.model_copy(update={"resolution": "1080p"})},
    {"settings": {"scales": [1.0]}},
    {"threads": 2},
    {"seed": 1},
    {"reads": {"weights": "2b"}},
]


@pytest.mark.parametrize("change", [*SAME, {"masks": "elsewhere"}], ids=str)
def test_the_device_and_where_files_lie_change_no_digest(change: dict[str, Any]) -> None:
    job = InferenceJob.model_validate({**ROOT, "masks": "masks"})
    assert InferenceJob.model_validate({**ROOT, "masks": "masks", **change}).digest == job.digest


@pytest.mark.parametrize("change", OTHER, ids=str)
def test_what_can_change_masks_changes_the_digest(change: dict[str, Any]) -> None:
    job = InferenceJob.model_validate({**ROOT, "masks": "masks"})
    assert InferenceJob.model_validate({**ROOT, "masks": "masks", **change}).digest != job.digest


ALONE: dict[str, Any] = {"name": "full", "identity": "1a", "weights": "w.safetensors"}
OTHERS = [ALONE | {"name": name, "identity": name} for name in ("no_reference", "rolling")]
TIMED: dict[str, Any] = {"videos": VIDEOS, "out": "speed.json", "computations": [ALONE, *OTHERS]}


@pytest.mark.parametrize(
    "change",
    [
        {"out": "other.json"},
        {"device": "cpu"},
        {"computations": [ALONE | {"name": "no_bptt", "weights": "other.safetensors"}, *OTHERS]},
        {"computations": [ALONE, *reversed(OTHERS)]},
    ],
    ids=str,
)
def test_who_stands_for_a_computation_changes_no_digest(change: dict[str, Any]) -> None:
    job = SpeedJob.model_validate(TIMED)
    assert SpeedJob.model_validate(TIMED | change).digest == job.digest


@pytest.mark.parametrize(
    "change",
    [
        {"limits": {"frames": 5}},
        {"threads": 2},
        {"computations": [ALONE, *OTHERS, ALONE | {"again": True}]},
        {"computations": [ALONE, OTHERS[0]]},
        {"computations": [OTHERS[0], ALONE, OTHERS[1]]},
        {"computations": [ALONE | {"identity": "2b"}, *OTHERS]},
    ],
    ids=str,
)
def test_what_can_change_a_timing_changes_the_digest(change: dict[str, Any]) -> None:
    job = SpeedJob.model_validate(TIMED)
    assert SpeedJob.model_validate(TIMED | change).digest != job.digest
