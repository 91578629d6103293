"""`rgmp archive` of a study: a split whose ground truth is withheld, from study to archive."""

import zipfile
from pathlib import Path

import pytest
import yaml
from support.commands import the_record
from support.tiny_study import FRAMES, STUDY, annotation

from rgmp.cli import main as cli
from rgmp.study import layout
from rgmp.study.plan import load_plan
from rgmp.study.results import load

SUBMISSION = {"davis": "davis", "split": "test-dev"}


@pytest.fixture
def planned(here: Path) -> Path:
    """A study of given weights that segments `train_b` as if its ground truth were withheld."""
    (here / "davis/ImageSets/2017/test-dev.txt").write_text("train_b\n")
    for number in range(1, FRAMES):
        annotation(here / "davis", number, "train_b").unlink()
    (here / "davis/ImageSets/2017/train.txt").write_text("train_a\n")
    given = {"label": "given", "claim": "none", "overrides": {"weights": "tiny.safetensors"}}
    given["overrides"] |= {"stages": []}  # type: ignore[operator]
    (here / "ablations/full.yaml").write_text(yaml.safe_dump(given))
    study = {**STUDY, "seeds": [3], "benchmarks": ["davis2017"], "submission": SUBMISSION}
    (here / "study.yaml").write_text(yaml.safe_dump(study))
    assert cli.main(["plan", "study.yaml"]) == 0
    return Path("results/tiny")


@pytest.mark.torch
def test_is_checked_segmented_with_the_rest_and_packed(planned: Path) -> None:
    assert cli.main(["check", str(planned), "submission"]) == 0
    assert cli.main(["archive", str(planned), "full/seed3"]) == 2  # not segmented yet
    assert cli.main(["evaluate", str(planned), "full/seed3"]) == 0
    assert cli.main(["archive", str(planned), "full/seed3"]) == 0
    name = layout.submission("full", 3)
    with zipfile.ZipFile(planned / layout.archive(name)) as archive:
        assert archive.namelist() == [f"train_b/{t:05d}.png" for t in range(FRAMES)]
    record = the_record(str(planned / layout.record(name)))
    assert (record["kind"], record["results"]) == ("archive", {"sequences": 1, "frames": FRAMES})
    masks = the_record(str(planned / layout.record(layout.masks(name))))
    assert masks["results"]["frames"] == FRAMES
    assert record["inputs"]["masks"] == masks["outputs"]["masks"]
    assert cli.main(["pack", str(planned), "--out", "tiny.zip"]) == 0
    assert cli.main(["unpack", "tiny.zip", "--to", "there"]) == 0
    packed = layout.archive(name)
    assert (Path("there") / planned / packed).read_bytes() == (planned / packed).read_bytes()
    results = load(planned)
    assert {one["name"] for one in results.of_kind("infer")} == {"masks/davis2017/full/seed3"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"variants": ["nobody"]}, "submission.variants: nobody is no variant of tiny"),
        ({"split": "test-challenge"}, "ImageSets/2017/test-challenge.txt: no such split"),
        ({"davis": "nowhere"}, "nowhere: no such file or folder (submission.davis); put it"),
    ],
)
def test_a_mistake_in_it_is_refused_before_anything_runs(
    planned: Path, change: dict[str, object], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    study = yaml.safe_load(Path("study.yaml").read_text())
    Path("study.yaml").write_text(yaml.safe_dump(study | {"submission": SUBMISSION | change}))
    before = (planned / "plan.json").read_bytes()
    assert cli.main(["plan", "study.yaml"]) == 2
    assert says in capsys.readouterr().err
    assert (planned / "plan.json").read_bytes() == before


def test_one_that_is_optional_is_left_out_where_its_data_are_not_and_a_line_says_so(
    planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = yaml.safe_load(Path("study.yaml").read_text())
    absent = SUBMISSION | {"davis": "nowhere", "optional": True}
    Path("study.yaml").write_text(yaml.safe_dump(study | {"submission": absent}))
    assert cli.main(["plan", "study.yaml"]) == 0
    assert capsys.readouterr().err == (
        "study.yaml: submission: nowhere is not here; left out, as it is optional\n"
    )
    assert load_plan(planned).submissions == {}
    Path("davis").rename("nowhere")
    Path("davis").symlink_to("nowhere")
    assert cli.main(["plan", "study.yaml"]) == 0
    assert capsys.readouterr().err == ""
    assert [*load_plan(planned).submissions] == ["full/seed3"]


@pytest.mark.usefixtures("here")
def test_a_study_without_one_has_no_archive(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "study.yaml"]) == 0
    for job in ("full/seed3", "submission"):
        command = "check" if job == "submission" else "archive"
        assert cli.main([command, "results/tiny", job]) == 2
        assert f"{job}: no such" in capsys.readouterr().err
