"""`rgmp train` and `rgmp train-speed`: what they write, and keep."""

import json
from pathlib import Path
from typing import cast

import pytest
import yaml
from support.commands import (
    INFER,
    the_record,
)
from support.tiny_training import pretrain, write_jobs

from rgmp.cli import main as cli
from rgmp.cli.train import _device
from rgmp.runtime import files
from rgmp.runtime.distributed import Team

pytestmark = pytest.mark.torch


@pytest.mark.usefixtures("here")
def test_plan_then_train_then_infer(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "study.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line for line in lines if line.startswith("weights/")]
    assert lines[len(listed)] == ("2 training runs of 8 samples, 1 variant: results/tiny/plan.json")
    folders = [line.split("  for ")[0] for line in listed]
    assert [folder.split("/")[1] for folder in folders] == ["pretrain", "finetune"]
    assert cli.main(["train", "results/tiny", "pretrain/none-seed3-000000000000"]) == 2
    for folder in folders:
        record = f"results/tiny/records/{folder}.json"
        training = folder.removeprefix("weights/")
        assert cli.main(["train", "results/tiny", training]) == 0
        found = the_record(record)
        assert (found["kind"], found["name"], found["study"]) == ("train", folder, "tiny")
        assert (found["variant"], found["seed"]) == ("full", 3)
        assert found["stage"] == folder.split("/")[1]
        assert folder.endswith(found["identity"] or "none")
        weights = Path("results/tiny", folder, "weights.safetensors")
        assert list(found["outputs"].values()) == [files.digest_of_file(weights)]
        assert found["results"]["steps"] == 2
        lines = Path("results/tiny", folder, "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == [1, 2]
    arguments = [*INFER, "--weights", str(weights), "--masks", "out", "--record", "record.json"]
    assert cli.main(arguments) == 0
    assert the_record("record.json")["identity"] == found["identity"]
    assert the_record("record.json")["study"] is None


@pytest.mark.usefixtures("here")
def test_a_training_is_kept_while_its_record_proves_it(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["plan", "study.yaml"])
    folder = capsys.readouterr().out.partition("  for ")[0]
    training, weights = folder.removeprefix("weights/"), Path("results/tiny", folder)
    weights, record = weights / "weights.safetensors", f"results/tiny/records/{folder}.json"
    command = ["train", "results/tiny", training]
    assert cli.main(command) == 0
    made = weights.read_bytes(), Path(record).read_bytes()
    assert "kept" not in capsys.readouterr().out
    assert cli.main(command) == 0
    assert capsys.readouterr().out == f"{folder}: already trained according to its record; kept\n"
    assert (weights.read_bytes(), Path(record).read_bytes()) == made
    weights.write_bytes(made[0][:-1] + bytes([made[0][-1] ^ 1]))
    assert cli.main(command) == 0
    assert "kept" not in capsys.readouterr().out
    assert weights.read_bytes() == made[0]
    Path(record).unlink()
    assert cli.main(command) == 0
    assert the_record(record)["outputs"] == json.loads(made[1])["outputs"]
    assert not (weights.parent / "checkpoints").exists()


def test_more_processes_than_cores_are_said_by_the_one_that_leads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has a thread at least, so they are more than the cores."""
    (job,) = write_jobs(tmp_path, (pretrain(),), compute={"threads": 1})
    said = "4 processes have a thread each on 2 cores, and slow each other down\n"
    for rank, cores, out in ((0, 2, said), (1, 2, ""), (0, 4, "")):
        _device(job, cores, Team(rank, 4, rank, 4))
        assert capsys.readouterr().out == out


@pytest.mark.usefixtures("here")
def test_checkpoints_that_a_finished_training_did_not_keep_are_made_beside_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cli.main(["plan", "study.yaml"])
    printed = capsys.readouterr().out.splitlines()
    folders = [line.partition("  for ")[0] for line in printed if line.startswith("weights/")]
    for folder in folders:
        assert cli.main(["train", "results/tiny", folder.removeprefix("weights/")]) == 0
    folder = folders[1]
    before = {p: p.stat().st_mtime_ns for p in Path("results/tiny").rglob("*") if p.is_file()}
    study = yaml.safe_load(Path("study.yaml").read_text())
    study["finetune"]["keep_last"] = 2
    Path("study.yaml").write_text(yaml.safe_dump(study))
    capsys.readouterr()
    cli.main(["plan", "study.yaml"])
    said = capsys.readouterr().out
    assert f"{folder}  for full; checkpoints kept after step 1; trained once more for them" in said
    command = ["train", "results/tiny", folder.removeprefix("weights/")]
    assert cli.main(command) == 0
    assert "after step 1 were not kept; it is trained once more" in capsys.readouterr().out
    name = f"{folder}/weights-step1.safetensors"
    made = f"results/tiny/records/checkpoints/{folder.removeprefix('weights/')}.json"
    record = the_record(made)
    assert record["outputs"] == {name: files.digest_of_file(Path("results/tiny", name))}
    assert (record["kind"], record["results"]["repeated_steps"]) == ("checkpoints", 2)
    after = {p: p.stat().st_mtime_ns for p in Path("results/tiny").rglob("*") if p.is_file()}
    changed = {str(path) for path, time in after.items() if before.get(path) != time}
    assert changed == {f"results/tiny/{name}", made, "results/tiny/plan.json"}
    assert cli.main(command) == 0
    assert "once more" not in capsys.readouterr().out
    assert the_record(made)["results"] == {}
    Path("results/tiny", name).write_bytes(b"damaged")
    assert cli.main(command) == 0
    assert the_record(made)["outputs"] == record["outputs"]
    cli.main(["plan", "study.yaml"])
    assert "once more" not in capsys.readouterr().out.splitlines()[-2]


@pytest.mark.usefixtures("here")
def test_where_a_gpu_is_to_make_them_they_are_refused_without_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As on the login node of a cluster, which is not to be told to choose a CPU."""
    study = yaml.safe_load(Path("study.yaml").read_text())
    Path("study.yaml").write_text(yaml.safe_dump(study | {"stages": ["finetune"]}))
    cli.main(["plan", "study.yaml"])
    folder = capsys.readouterr().out.partition("  for ")[0]
    command = ["train", "results/tiny", folder.removeprefix("weights/")]
    assert cli.main(command) == 0
    study |= {"stages": ["finetune"], "machine": {"device": "cuda"}}
    study["finetune"]["keep_last"] = 2
    Path("study.yaml").write_text(yaml.safe_dump(study))
    cli.main(["plan", "study.yaml"])
    assert cli.main(command) == 2
    assert "a training run on a GPU does not repeat its bits" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_training_keeps_its_checkpoints_as_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    study = yaml.safe_load(Path("study.yaml").read_text())
    study["finetune"] |= {"keep_last": 2, "ema_ratio": 1.0}
    Path("study.yaml").write_text(yaml.safe_dump(study | {"stages": ["finetune"]}))
    cli.main(["plan", "study.yaml"])
    folder = capsys.readouterr().out.partition("  for ")[0]
    command = ["train", "results/tiny", folder.removeprefix("weights/")]
    assert cli.main(command) == cli.main(command) == 0
    assert "once more" not in capsys.readouterr().out
    made = f"results/tiny/records/checkpoints/{folder.removeprefix('weights/')}.json"
    last = files.digest_of_file(Path("results/tiny", folder, "weights.safetensors"))
    assert the_record(made)["inputs"]["weights"] == last
    assert [*the_record(made)["outputs"]] == [f"{folder}/weights-step1.safetensors"]
    found = {path.name for path in Path("results/tiny", folder).iterdir()}
    assert found == {"weights.safetensors", "weights-step1.safetensors", "metrics.jsonl"}


@pytest.mark.usefixtures("here")
def test_training_that_is_not_planned_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "study.yaml"]) == 0
    capsys.readouterr()
    assert cli.main(["train", "results/tiny", "pretrain/full"]) == 2
    assert (
        "pretrain/full: no such training run in results/tiny/plan.json" in capsys.readouterr().err
    )


# ---- train-speed ----


@pytest.mark.usefixtures("here")
def test_train_speed_measures_and_keeps_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rgmp.runtime.cores.Watch.others_share", lambda _: 0.37)
    study = yaml.safe_load(Path("study.yaml").read_text())
    study["pretrain"]["steps"] = 5
    Path("study.yaml").write_text(yaml.safe_dump(study))
    command = ["train-speed", "study.yaml", "--stage", "pretrain", "--steps", "2"]
    assert cli.main([*command, "--record", "record.json"]) == 0
    found = cast(dict[str, float], the_record("record.json")["results"])
    assert (found["steps"], found["frames"]) == (2, 2)
    assert found["samples_per_second"] * found["seconds_per_step"] == pytest.approx(2)
    assert 0 <= found["waiting"] < 1
    assert found["peak_memory_bytes"] > 0
    said = capsys.readouterr().out
    assert "samples_per_second" in said
    assert "other processes used 37% of the machine's cores" in said
    assert found["others_share"] == 0.37
    assert not Path("results/tiny/weights").exists()
