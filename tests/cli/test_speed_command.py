"""`rgmp speed`: what was timed, and how busy the machine was."""

from pathlib import Path

import numpy as np
import pytest
from support.commands import (
    SPEED,
    the_record,
)
from support.videos import random_network

from rgmp.cli import main as cli
from rgmp.data.videos import Videos
from rgmp.inference import speed_file
from rgmp.inference.job import SpeedJob
from rgmp.model import weights
from rgmp.runtime import files
from rgmp.study.job_files import read_speed

pytestmark = pytest.mark.torch


@pytest.mark.usefixtures("here")
def test_speed_says_what_was_timed() -> None:
    out, record = "results/tiny/speed/davis2017.json", "results/tiny/records/speed/full.json"
    limits = ["--limit", "1", "--frames", "3", "--repeats", "5"]
    who = ["--variant", "full", "--seed", "3"]
    assert cli.main([*SPEED, "--out", out, *limits, *who, "--record", record]) == 0
    measured = files.read_json(Path(out))
    (computation,) = measured["computations"]
    (clip,) = computation["clips"]
    assert (clip["sequence"], clip["objects"], clip["frames"]) == ("val_a", 2, 3)
    assert np.shape(clip["network"]) == (5, 2)  # repeats, frames without the first
    assert len(clip["first_frame"]) == len(clip["clip"]) == 5
    assert computation["summary"]["fps"] > 0
    assert (computation["name"], measured["seed"], measured["rounds"]) == ("full", 3, 5)
    found = the_record(record)
    assert (found["kind"], found["study"], found["name"]) == ("speed", "tiny", "speed/full")
    assert found["outputs"] == {"speed": files.digest_of_file(Path(out))}
    assert found["results"]["fps_full"] == computation["summary"]["fps"]


def test_a_slow_precision_is_said_once_for_all_that_is_timed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights.save(tmp_path / "w.safetensors", random_network(), {})
    timed = {"name": "full", "weights": tmp_path / "w.safetensors"}
    timed["settings"] = {"precision": "tf32"}
    job = SpeedJob.model_validate(
        {
            "videos": Videos(davis=tmp_path, benchmark="davis2017"),
            "device": "cpu",
            "out": tmp_path / "speed.json",
            "computations": [timed, timed | {"again": True}],
        }
    )
    settled = [settings.precision for _, settings in speed_file.computations_of(job)]
    assert settled == ["tf32", "tf32"]
    said = capsys.readouterr().err
    assert said.startswith("rgmp: warning: precision tf32: this CPU does not support it")
    assert said.count("\n") == 1


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("share", [0.03, 0.37])
def test_speed_says_how_busy_the_machine_was(
    share: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rgmp.runtime.cores.Watch.others_share", lambda _: share)
    limits = ["--limit", "1", "--frames", "3", "--repeats", "5"]
    assert cli.main([*SPEED, "--out", "speed.json", *limits]) == 0
    assert files.read_json(Path("speed.json"))["others_share"] == share
    read_speed(Path("speed.json"))  # so the next measurement may replace it
    assert ("other processes used 37% of the machine's cores" in capsys.readouterr().out) is (
        share > 0.05
    )
