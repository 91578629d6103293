"""`rgmp preview`: a picture of what a training run reads, which replaces nothing else."""

import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image
from support.commands import (
    FRAME,
    PREVIEW,
    everything,
)

from rgmp.cli import main as cli
from rgmp.data import preview

pytestmark = pytest.mark.torch


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("stage", "tiles"), [("pretrain", 3), ("finetune", 4)])
def test_preview_paints_a_row_a_sample(stage: str, tiles: int) -> None:
    """Clips have the reference and two targets at the last step; an earlier picture is replaced."""
    preview.save(Image.new("RGB", (9, 9)), Path("a.png"))
    assert cli.main(["preview", "study.yaml", "--stage", stage, "--out", "a.png", "--samples", "2",
                     "--step", "1"]) == 0  # fmt: skip
    with Image.open("a.png") as picture:
        assert picture.size == (256 * tiles, 16 + 2 * 128)


@pytest.mark.parametrize(
    ("out", "named"),
    [
        ("davis", "davis: is a folder; name a new file"),
        ("study.yaml", "study.yaml: is the same file as the input study.yaml; name another"),
        ("stills/masks/0.png", "is the same file as the input"),
        (FRAME, "is the same file as the input"),
        ("ablations/full.yaml", "full.yaml: already exists and is not a preview picture"),
        ("precious.png", "precious.png: already exists and is not a preview picture"),
    ],
)
def test_preview_replaces_nothing_that_it_reads(
    here: Path, out: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy("stills/masks/0.png", "precious.png")
    before = everything(here)
    assert cli.main([*PREVIEW, "--out", out]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert before.items() <= everything(here).items()  # it may remember digests


@pytest.mark.usefixtures("here")
def test_preview_of_a_training_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["preview", "study.yaml", "--stage", "pretrain", "--out", "a.png"]
    assert cli.main([*command, "--variant", "none"]) == 2
    said = capsys.readouterr().err
    assert "--variant none: has no pretrain in study.yaml; variants that have: full" in said
    assert not Path("a.png").exists()


@pytest.mark.usefixtures("here")
def test_preview_of_a_study_that_is_not_rendered_says_how_to_render_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = yaml.safe_load(Path("study.yaml").read_text())
    Path("study.yaml").write_text(yaml.safe_dump({**study, "data": {"mini": {"seed": 5}}}))
    assert cli.main(["plan", "study.yaml"]) == 0
    shutil.copytree("results/tiny", "../moved here")
    capsys.readouterr()
    assert cli.main(["preview", "../moved here", *PREVIEW[2:], "--out", "a.png"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rgmp: ../moved here/data/davis: the embedded benchmark is not rendered")
    assert said.endswith("run `rgmp mini '../moved here/data' --seed 5`\n")
