"""The jobs of a study: what its plan says of them, and what their records say."""

import shutil
from pathlib import Path

import pytest
import yaml
from support.commands import (
    INFER,
    edit_study,
    the_record,
)
from support.fake_study import build
from support.tiny_study import FRAMES, STUDY

from rgmp.cli import main as cli
from rgmp.runtime import files
from rgmp.study.plan import load_plan

pytestmark = pytest.mark.torch


@pytest.mark.usefixtures("here")
def test_a_studys_jobs_are_driven_by_its_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """Weights from elsewhere: the least study that infers, is timed and scored."""
    study = {
        **STUDY,
        "seeds": [3],
        "speed": {"sequences": 1, "frames": 2, "repeats": 5, "seconds": 0},
    }
    shutil.make_archive("truth", "zip", "truth")
    study["external"] = [{"name": "other", "label": "Other", "masks": {"davis2017": "truth.zip"}}]
    Path("study.yaml").write_text(yaml.safe_dump(study))
    Path("ablations/full.yaml").write_text(
        "label: a\nclaim: b\noverrides: {weights: tiny.safetensors, stages: []}\n"
    )
    assert cli.main(["plan", "study.yaml"]) == 0
    plan = load_plan(Path("results/tiny"))
    for part in ("davis2017/val", "networks"):
        assert cli.main(["check", "results/tiny", part]) == 0
        found = the_record(f"results/tiny/{plan.check_of(part)}")
        assert (found["kind"], found["study"]) == ("check", "tiny")
        assert found["name"] == plan.check_of(part)[len("records/") : -len(".json")]
    made = {
        ("infer", "full/seed3"): ("masks/davis2017/full/seed3", "full", 3),
        ("score", "full/seed3"): ("scores/davis2017/full/seed3", "full", 3),
        ("score", "davis2017/other/external"): ("scores/davis2017/other/external", "other", None),
        ("speed", "davis2017"): ("speed/davis2017", None, 3),
    }
    for (kind, job), (name, variant, seed) in made.items():
        command = "evaluate" if job == "full/seed3" else kind
        assert cli.main([command, "results/tiny", job]) == 0
        found = the_record(f"results/tiny/records/{name}.json")
        assert (found["kind"], found["study"], found["name"]) == (kind, "tiny", name)
        assert (found["variant"], found["seed"]) == (variant, seed)
        assert found["benchmark"] == "davis2017"
    by_hand = [*INFER, "--threads", "1", "--masks", "out", "--record", "record.json"]
    assert cli.main(by_hand) == 0
    inferred = the_record("results/tiny/records/masks/davis2017/full/seed3.json")
    own = the_record("record.json")
    assert own["config"] == inferred["config"]
    manifest = the_record(f"results/tiny/{plan.check_of('davis2017/val')}")["inputs"]["data"]
    assert {**own["inputs"], "manifest": manifest} == inferred["inputs"]
    assert own["identity"] == inferred["identity"]
    assert own["outputs"] == {"masks": inferred["outputs"]["masks"]}
    assert own["masks"] == {}
    for sequence, place in inferred["masks"].items():
        masks = sorted(Path("out", sequence).iterdir())
        assert len(masks) == FRAMES
        for path in masks:
            assert path.read_bytes() == Path("results/tiny", place, path.name).read_bytes()
    assert (own["variant"], own["seed"]) == (None, 0)
    capsys.readouterr()
    assert cli.main(["speed", "results/tiny", "davis2018"]) == 2
    said = capsys.readouterr().err
    assert "davis2018: no such timing job in results/tiny/plan.json" in said
    assert "such as davis2016" in said


@pytest.mark.usefixtures("here")
def test_a_job_has_no_more_threads_than_it_is_granted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """More than cores would wait for one another; the record says how many there were."""
    edit_study("study: tiny", "study: tiny\ncompute: {threads: 3}")()
    monkeypatch.setattr("rgmp.runtime.cores.usable_cores", lambda: 2)
    cli.main(["plan", "study.yaml"])
    pretrain, finetune = (t.folder for t in load_plan(Path("results/tiny")).trainings)
    for folder, options, threads in ((pretrain, [], 2), (finetune, ["--threads", "1"], 1)):
        capsys.readouterr()
        assert cli.main(["train", "results/tiny", folder.removeprefix("weights/"), *options]) == 0
        found = the_record(f"results/tiny/records/{folder}.json")
        assert found["determinism"]["threads"] == threads
        assert found["config"]["compute"]["threads"] == 3
        assert f"compute.threads (=3): limited to {threads} here" in capsys.readouterr().out
    assert cli.main(["evaluate", "results/tiny", "full/seed3", "--threads", "7"]) == 0
    found = the_record("results/tiny/records/masks/davis2017/full/seed3.json")
    assert found["determinism"]["threads"] == 3, "what the study asks for is the most"


@pytest.mark.usefixtures("forked_mirror")
def test_records_of_a_study_say_what_was_read_and_written(tmp_path: Path) -> None:
    study = build(tmp_path, variants=1, benchmarks=("davis2016",), seeds=(0,), frames=4)
    records = []
    for _ in range(2):
        assert cli.main(["tables", str(study), "--record", str(study / "records/tables.json")]) == 0
        records.append(the_record(str(study / "records/tables.json")))
        scores = study / "scores/davis2016/full/seed0.csv"
        scores.write_text(scores.read_text().replace(",0.", ",0.0", 1))
    before, after = records
    plan = load_plan(study)
    assert before["inputs"].keys() == {"plan", "measured"}
    assert before["inputs"]["plan"] == after["inputs"]["plan"] == plan.digest
    assert before["inputs"]["measured"] != after["inputs"]["measured"]
    tables = files.digest_of_all(files.files_below(study / "tables"))
    assert after["outputs"] == {"tables": tables} != before["outputs"]
    command = ["track", str(study), "--record", str(study / "records/track.json")]
    assert cli.main([*command, "--timeout", "600"]) == 0
    tracked = the_record(str(study / "records/track.json"))
    assert tracked["inputs"] == {
        **after["inputs"],
        "measured": tracked["inputs"]["measured"],
        "tables": tables,
    }
    assert tracked["outputs"] == {"mlflow.json": files.digest_of_all([study / "mlflow.json"])}
