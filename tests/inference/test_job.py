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


def test_limits_change_the_digest_of_a_measurement() -> None:
    job = SpeedJob.model_validate({**ROOT, "out": "speed.json"})
    fewer = SpeedJob.model_validate({**ROOT, "out": "other.json", "limits": {"frames": 5}})
    assert fewer.digest != job.digest
    assert fewer.model_copy(update={"limits": job.limits}).digest == job.digest
