"""`rgmp compare`: what it makes of masks and scores, where, and what it refuses."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.commands import VAL, everything, given_scores, the_record
from support.html import Strict
from support.known_scores import table, tree_of
from support.tiny_study import HEIGHT, WIDTH

from rgmp.cli import main as cli
from rgmp.data import davis
from rgmp.runtime.files import digest_of_file

COMPARE = ["compare", *VAL, "--out", "out"]
FILES = {
    "record.json",
    "report.html",
    *(f"figures/{name}.{kind}" for name in ("methods", "pairs") for kind in ("png", "pdf")),
    *(f"tables/{name}.{kind}" for name in ("methods", "pairs") for kind in ("csv", "md", "tex")),
    "tables/trainings.csv",
    "tables/README.md",
}


def masks_of(name: str, shift: int) -> None:
    """Masks of the truth that are some pixels off, in one object of every frame but the first."""
    shutil.copytree("truth", name)
    for path in sorted(Path(name).rglob("*.png")):
        if path.stem != "00000":
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[5 + shift : 20 + shift, 4:30] = 1
            mask[22:36, 30 + shift : 60] = 2
            davis.write_mask(path, mask)


def made(out: str = "out") -> set[str]:
    return {path.relative_to(out).as_posix() for path in Path(out).rglob("*") if path.is_file()}


@pytest.mark.usefixtures("here")
def test_masks_of_two_methods(capsys: pytest.CaptureFixture[str]) -> None:
    masks_of("near", 1)
    masks_of("far", 7)
    assert cli.main([*COMPARE, "far=far", "near=near"]) == 0
    shown = capsys.readouterr().out
    assert "near" in shown.splitlines()[2]
    assert shown.splitlines()[-1] == "out/report.html"
    assert made() == FILES | {"scores/near.csv", "scores/far.csv"}
    methods = pd.read_csv("out/tables/methods.csv")
    assert [*methods["method"]] == ["near", "far"]
    pairs = pd.read_csv("out/tables/pairs.csv")
    assert [*pairs["method"]] == ["near"]
    assert pairs["difference_mean"][0] == pytest.approx(-np.diff(methods["J&F"])[0])
    Strict(Path("out/report.html").read_text(encoding="utf-8"))
    found = the_record("out/record.json")
    assert found["kind"] == "compare"
    assert found["outputs"].keys() == made() - {"record.json"}
    assert found["outputs"]["report.html"] == digest_of_file(Path("out/report.html"))
    assert {*found["inputs"]} == {"data", "method far", "method near"}


@pytest.mark.usefixtures("here")
def test_scores_and_trainings_and_what_is_said_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in range(3):
        masks_of(f"mine{number}", number)
    given_scores()
    assert cli.main([*COMPARE, "a=mine0", "b=given.csv"]) == 2
    assert "b: given.csv: val_b, object 1: missing frame" in capsys.readouterr().err
    arguments = ["mine=mine0,mine1,mine2", "theirs=given.csv", "one=mine2"]
    assert cli.main([*COMPARE, "--sequences", "val_a", "--", *arguments]) == 0
    assert cli.main(["compare", *arguments, *COMPARE[1:]]) == 2
    Path("given.csv").write_text(
        Path("given.csv").read_text() + "\n" + "\n".join(
            f"val_b,{i},{t:05d},0.4,0.3" for i in (1, 2) for t in (1, 2)
        )
    )  # fmt: skip
    capsys.readouterr()
    assert cli.main(["compare", *arguments, *COMPARE[1:]]) == 0
    shown = capsys.readouterr().out
    assert "mine has 3 trainings" in shown
    assert "a verdict on theirs and one is about the mean of those very masks" in " ".join(
        shown.replace("one and theirs", "theirs and one").split()
    )
    scores = pd.read_csv("out/scores/mine.csv")
    assert {*scores["seed"]} == {0, 1, 2}
    trainings = pd.read_csv("out/tables/trainings.csv")
    assert sorted(trainings["training"]) == [1, 1, 1, 2, 3]
    html = Path("out/report.html").read_text(encoding="utf-8")
    assert "scores of theirs used as given" in html


@pytest.mark.usefixtures("here")
def test_protocols_are_given_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    masks_of("near", 1)
    masks_of("far", 7)
    Path("cards.yaml").write_text(
        "near: {online_finetuning: true}\nfar: {online_finetuning: false, flips: false}\n"
    )
    command = [*COMPARE, "far=far", "near=near", "--protocols", "cards.yaml"]
    assert cli.main(command) == 0
    assert "Not all of these methods have the same protocol" in capsys.readouterr().out
    assert made() >= {f"tables/protocols.{kind}" for kind in ("csv", "md", "tex")}
    assert pd.read_csv("out/tables/pairs.csv")["other_protocol"][0] == "online fine-tuning"
    record = the_record("out/record.json")
    assert record["config"]["methods"][1]["protocol"]["online_finetuning"] is True
    assert record["results"]["annotation"] == "objects"
    assert "builtin engine on annotations of objects" in Path("out/report.html").read_text()
    Path("cards.yaml").write_text("nar: {}\nfar: {finetuning: true}\n")
    assert cli.main(command) == 2
    told = capsys.readouterr().err
    assert "cards.yaml: nar: no such method; there are far, near" in told
    assert "cards.yaml: unknown key far.finetuning; allowed there: training_data" in told


@pytest.mark.usefixtures("here")
def test_an_older_comparison_is_replaced_and_nothing_else() -> None:
    for name, shift in (("near", 1), ("far", 7)):
        masks_of(name, shift)
    assert cli.main([*COMPARE, "x=far", "y=near"]) == 0
    Path("out/mine.txt").write_text("kept")
    assert cli.main([*COMPARE, "x=near", "z=far"]) == 0
    assert made() == FILES | {"scores/x.csv", "scores/z.csv", "mine.txt"}
    before = everything(Path())
    assert cli.main([*COMPARE, "x=near", "z=absent"]) == 2
    Path("other").mkdir()
    Path("other/file").touch()
    for out in ("other", "near", "file", "file/below", "truth/new"):
        assert cli.main([*COMPARE[:-1], out, "x=near", "z=truth"]) == 2
    assert cli.main([*COMPARE, "x=near", "z=out/scores/z.csv"]) == 2
    shutil.rmtree("other")
    assert everything(Path()) == before


@pytest.mark.usefixtures("here")
def test_likely_mistakes_are_warned_of_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    masks_of("near", 1)
    given = ["near=near", "truth=truth"]
    assert cli.main([*COMPARE, "--strict", *given]) == 2
    said = "truth: identical to the truth: val_a, val_b: "
    assert f"rgmp: {said}" in capsys.readouterr().err
    assert not Path("out").exists()
    assert cli.main([*COMPARE, *given]) == 0
    assert f"rgmp: warning: {said}" in capsys.readouterr().err
    assert said in Path("out/report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("here")
def test_the_order_of_methods_changes_no_table_and_the_same_again_no_byte() -> None:
    masks_of("near", 1)
    masks_of("far", 7)
    given = ["near=near", "far=far", "same=near"]
    for out, order in (("a", given), ("b", given[::-1]), ("c", given)):
        assert cli.main([*COMPARE[:-1], out, *order]) == 0
    for name in made("a") - {"record.json", "report.html"}:
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes(), name
    assert Path("a/report.html").read_bytes() == Path("c/report.html").read_bytes()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["truth"], ["truth: no name; give NAME=FOLDER", "truth: one method; "]),
        (["a=truth", "a=davis"], ["a: a name is given twice"]),
        (["a=truth", "b=nowhere"], ["b: nowhere: no such file or folder"]),
        (["a=truth", "b=stills"], ["b: stills: has no folder of any of the 2 sequences"]),
        (["a=truth", "b=davis"], ["b: davis: "]),
        (["a=truth", "b=text.pth"], ["b: text.pth: not a score table"]),
        (["a=truth", "b=truth", "--margin", "0"], ["command line: margin"]),
        (["a=truth", "b=truth", "--benchmark", "davis2018"], ["argument --benchmark"]),
    ],
)
def test_mistakes_are_lines_and_leave_nothing(
    given: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(Path())
    assert cli.main([*COMPARE, *given]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(said)
    assert all(line.startswith(f"rgmp: {part}") for line, part in zip(lines, said, strict=True))
    assert everything(Path()) == before


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("fine", [False, True])
def test_it_waits_for_no_package_that_it_does_not_need(fine: bool) -> None:
    heavy = {"torch", "torchvision", "mlflow", "snakemake"}
    if not fine:
        heavy |= {"pandas", "matplotlib", "seaborn"}
    masks_of("near", 1)
    command = [*COMPARE, "a=truth", "b=near" if fine else "b=nowhere"]
    look = f"import sys; from rgmp.cli.main import main; main({command}); "
    look += f"print('loaded:', *{heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["loaded:"]
    assert Path("out").exists() == fine


@pytest.mark.slow
def test_published_masks_have_the_known_scores(shared: Path, tmp_path: Path) -> None:
    published = shared / "golden" / "published_masks"
    golden = pd.DataFrame(table(published / "scores.csv"))
    names = [*golden["sequence"].unique()][:4]
    tree = tree_of(tmp_path / "davis", shared / "davis2016/Annotations/480p", "2016", names)
    methods = [*golden["method"].unique()]
    command = ["compare", "--davis", tree, "--benchmark", "davis2016", "--out", tmp_path / "out"]
    given = [f"{name}={published / name}" for name in methods]
    sequences = ["--sequences", *names]
    assert cli.main([*map(str, command), *given, *sequences]) == 0
    for name in methods:
        scores = pd.read_csv(tmp_path / f"out/scores/{name}.csv")
        found = scores.groupby("sequence")[["J", "F"]].mean()
        known = golden[golden["method"] == name].set_index("sequence").loc[found.index]
        for measure in "JF":
            expected = known[f"{measure}_mean"].astype(float)
            assert found[measure].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-9)
    record = json.loads((tmp_path / "out/record.json").read_text())
    assert {*record["results"]} == {*methods, "annotation"}
