"""`rgmp check`: what it reads, and a line for every problem."""

from pathlib import Path

import pytest
from support.commands import (
    CHECK,
    FRAME,
    the_record,
    truncate,
)
from support.davis_tree import open_sequence
from support.tiny_study import FRAMES, HEIGHT, WIDTH

from rgmp.cli import main as cli
from rgmp.runtime import digest_cache
from rgmp.runtime.files import digest_of_all
from rgmp.study.plan import load_plan

pytestmark = pytest.mark.torch


@pytest.mark.usefixtures("here")
def test_check_names_what_it_read(capsys: pytest.CaptureFixture[str]) -> None:
    record = "results/tiny/records/data.json"
    Path("stills/images/notes").mkdir()  # what else lies there is no still
    stills = ["--stills", "stills/images", "stills/masks"]
    assert cli.main([*CHECK, *stills, "--record", record]) == 0
    found = the_record(record)
    digests = {part: digest[:12] for part, digest in found["inputs"].items()}
    assert capsys.readouterr().out.splitlines() == [
        *(
            f"{part}: 2 sequences, manifest {digests[part]}"
            for part in ("davis2016/val", "davis2017/val", "davis2017/train")
        ),
        f"stills: 3 images, manifest {digests['stills']}",
        f"{2 * 4 * FRAMES + 6} files, no problems found",
    ]
    assert found["manifest"]["davis2017/val"]["val_a"] == {
        "sha256": digest_of_all(open_sequence(Path("davis"), "val_a").files),
        "frames": FRAMES,
        "annotations": FRAMES,
        "objects": 2,
        "size": f"{WIDTH}x{HEIGHT}",
    }
    assert found["manifest"]["stills"]["1. stills/images"]["images"] == 3
    assert (found["kind"], found["study"], found["name"]) == ("check", "tiny", "data")
    assert found["results"] == {"davis2016/val": 2, "davis2017/val": 2, "davis2017/train": 2} | {
        "stills": 3
    }
    before = found["inputs"]["data"]
    Path("stills/images/1.jpg").write_bytes(Path("stills/images/0.jpg").read_bytes())
    assert cli.main([*CHECK, *stills, "--record", record]) == 0
    assert the_record(record)["inputs"]["data"] != before


@pytest.mark.usefixtures("here")
def test_a_study_is_checked_as_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "study.yaml"]) == 0
    for part, by_hand in {
        "davis2016/val": ["davis", "--benchmark", "davis2016"],
        "davis2017/train": ["davis", "--split", "train"],
        "stills": ["--stills", "stills/images", "stills/masks"],
    }.items():
        assert cli.main(["check", "results/tiny", part]) == 0
        assert cli.main(["check", *by_hand, "--record", "record.json"]) == 0
        own = the_record("record.json")
        path = load_plan(Path("results/tiny")).check_of(part)
        planned = the_record(f"results/tiny/{path}")
        assert (own["inputs"], own["results"]) == (planned["inputs"], planned["results"])
    capsys.readouterr()
    Path(FRAME).unlink()
    assert cli.main(["check", "results/tiny", "davis2017/val"]) == 2
    assert "val_b: 00002.jpg is missing" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_data_that_changed_since_the_plan_are_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What was planned by other bytes has another name; the record would be of these."""
    assert cli.main(["plan", "study.yaml"]) == 0
    Path(FRAME).write_bytes(Path(FRAME).with_stem("00001").read_bytes())
    assert cli.main(["check", "results/tiny", "davis2017/val"]) == 2
    said = (
        "davis2017/val: has changed since the study was planned; run `rgmp plan STUDY.yaml` again"
    )
    assert capsys.readouterr().err == f"rgmp: {said}\n"
    assert not (
        Path("results/tiny") / load_plan(Path("results/tiny")).check_of("davis2017/val")
    ).exists()


@pytest.mark.usefixtures("here")
def test_unchanged_files_are_read_once_for_all_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_cache, "_TICK_NS", -(10**15))
    assert cli.main(["plan", "study.yaml"]) == 0
    monkeypatch.setattr("rgmp.runtime.digest_cache.files.digest_of_file", None)
    assert cli.main(["check", "results/tiny", "davis2017/val"]) == 0
    other = Path("study.yaml").read_text().replace("study: tiny", "study: other")
    Path("other.yaml").write_text(other)
    assert cli.main(["plan", "other.yaml"]) == 0


@pytest.mark.usefixtures("here")
def test_all_problems_are_listed_however_many(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"absent_{i:02d}" for i in range(40)]
    Path("davis/ImageSets/2017/val.txt").write_text("\n".join(names))
    assert cli.main(["check", "davis"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [name in line for name, line in zip(names, lines, strict=True)] == [True] * 40
    assert lines[-1].endswith("(40 problems in all)")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["results/tiny"], "results/tiny: also name a part of this study's data: davis2016/val, "),
        (["results/tiny", "val"], "val: no such part of the data in results/tiny/plan.json; name"),
        (["results/tiny", "stills", "--split", "val"], "leave out --split, or the job"),
        (["davis", "davis2017/val"], "davis: not a study folder"),
        ([], "nothing to check: name a DAVIS tree, --stills, --weights or --network"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_check_that_is_not_named_is_a_line(
    command: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["plan", "study.yaml"]) == 0
    assert cli.main(["check", *command]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_every_problem_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    truncate(FRAME)()
    truncate("stills/images/1.jpg")()
    arguments = [
        *CHECK,
        "--stills",
        "stills/images",
        "stills/masks",
        "--weights",
        "text.pth",
        "resnet18",
    ]
    assert cli.main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [FRAME in lines[0], "1.jpg" in lines[1], "text.pth" in lines[2]] == [True] * 3
    assert lines[2].endswith("(3 problems in all)")
