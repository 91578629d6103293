"""`--dataset` and `--truth`: any data set like DAVIS, from the command line."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.described_sets import DATASETS, write_youtube_vos

from rgmp.cli import main as cli
from rgmp.data.davis import write_mask
from rgmp.data.images import read_labels

YOUTUBE = str(DATASETS / "youtube_vos.yaml")
SET = ["--dataset", YOUTUBE, "--root", "set", "--split", "train"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_youtube_vos(Path("set"))
    shutil.copytree("set/train/Annotations", "masks")
    return tmp_path


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def test_score_takes_the_name_of_the_description(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", *SET, "--masks", "masks", "--out", "scores.csv"]) == 0
    rows = rows_of("scores.csv")
    assert {row["benchmark"] for row in rows} == {"youtube_vos"}
    assert [(row["sequence"], row["frame"], row["object"]) for row in rows[:3]] == [
        ("0a1b", "00010", "1"),
        ("0a1b", "00020", "1"),
        ("0a1b", "00020", "4"),
    ]
    said = capsys.readouterr()
    assert "4 of 7 frames are annotated in 0a1b; these alone are scored" in said.err
    assert "scored on annotations of objects" in said.out


def test_other_commands_read_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "set", "--dataset", YOUTUBE, "--split", "train"]) == 0
    assert cli.main(["check-masks", *SET, "--masks", "masks"]) == 0
    assert cli.main(["bounds", *SET, "--out", "bounds.csv"]) == 0
    assert len(rows_of("bounds.csv")) == 2 * 8
    for number, path in enumerate(sorted(Path("masks").glob("*/*.png"))):
        shifted = np.roll(read_labels(path), number, axis=1)
        write_mask(Path("others", *path.parts[1:]), shifted)
    compared = ["compare", "a=masks", "b=others", *SET, "--out", "compared"]
    assert cli.main(compared) == 0
    assert "youtube_vos train" in Path("compared/report.html").read_text()
    assert "youtube_vos/train: 2 sequences" in capsys.readouterr().out


@pytest.mark.torch
def test_infer_gives_objects_where_they_appear() -> None:
    import torch

    from rgmp.config.method import Network
    from rgmp.model import weights
    from rgmp.model.network import RGMP

    torch.manual_seed(0)
    network = RGMP(Network(backbone="resnet10", width=4, decoder_width=4))
    weights.save(Path("w.safetensors"), network.eval(), {})
    infer = ["infer", "--weights", "w.safetensors", *SET, "--masks", "made", "--scales", "1"]
    assert cli.main([*infer, "--device", "cpu", "--threads", "1"]) == 0
    truth = read_labels(Path("masks/0a1b/00010.png"))
    assert (read_labels(Path("made/0a1b/00010.png"))[truth == 4] == 4).all()
    assert not read_labels(Path("made/ff00/00005.png")).any()
    assert len([*Path("made/0a1b").iterdir()]) == 7
    assert cli.main(["score", *SET, "--masks", "made", "--out", "scores.csv"]) == 0
    assert len(rows_of("scores.csv")) == 8


def test_two_folders_are_scored_by_the_rules_of_davis() -> None:
    bare = ["score", "--truth", "set/train/Annotations", "--masks", "masks", "--out", "a.csv"]
    assert cli.main([*bare, "--sequences", "ff00", "--benchmark", "davis2016"]) == 0
    rows = rows_of("a.csv")
    assert [(row["benchmark"], row["frame"], row["J"]) for row in rows] == [
        ("davis2016", "00010", "1.0"),
        ("davis2016", "00015", "1.0"),
    ]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([*SET, "--benchmark", "davis2017"], "--dataset: says the same as --benchmark; give one"),
        (["--truth", "masks", "--davis", "set"], "--truth: says the same as --davis; give one"),
        (["--truth", "masks", "--dataset", YOUTUBE], "--truth: says the same as --dataset"),
        (["--root", "set"], "missing --benchmark or --dataset or --truth"),
        (["--root", "set", "--dataset", "none.yaml"], "none.yaml"),
        (["--root", "set", "--dataset", "Bad Name.yaml"], "tables name the data set after this"),
        (["--root", "set", "--dataset", "davis2017.yaml"], "tables name the data set after this"),
        ([*SET[:4], "--split", "test"], "set/test/JPEGImages: no such folder of youtube_vos/test"),
        ([*SET, "--engine", "official"], "knows DAVIS alone, not set as it is described"),
        ([*SET, "--cross-check", "require"], "knows DAVIS alone, not set as it is described"),
        ([*SET, "--conventions", "c.csv"], "--conventions: conventions are of DAVIS alone"),
        (["--truth", "masks"], "object 4, which the first annotation lacks"),
    ],
)
def test_what_does_not_fit_is_a_line(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree("set/train/Annotations/ff00")
    shutil.rmtree("set/train/JPEGImages/ff00")
    shutil.rmtree("masks/ff00")
    assert cli.main(["score", *flags, "--masks", "masks", "--out", "scores.csv"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("rgmp: ") and said in line for line in lines)
    assert not Path("scores.csv").exists()
