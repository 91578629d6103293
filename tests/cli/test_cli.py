"""Every command by hand: what it makes, what it records, and what it says to a mistake."""

import argparse
import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import pytest
import yaml
from PIL import Image
from support.fake_study import build
from support.tiny_study import FRAMES, HEIGHT, STUDY, WIDTH, write_tree

import rgmp
from rgmp.cli import main as cli
from rgmp.data import davis, preview
from rgmp.data.images import read_labels
from rgmp.provenance.record import Record, read_all
from rgmp.runtime import files
from rgmp.study.job_files import read_speed
from rgmp.study.plan import load_plan

ABLATIONS = Path(__file__).parents[2] / "ablations"
COMMANDS = (
    "download", "plan", "mini", "check", "train", "preview", "train-speed", "infer", "evaluate",
    "speed", "score", "bounds", "tables", "figures", "report", "track",
)  # fmt: skip
VAL = ["--davis", "davis", "--benchmark", "davis2017", "--split", "val"]
INFER = ["infer", "--weights", "tiny.safetensors", *VAL, "--scales", "1", "--device", "cpu"]
SCORE = ["score", *VAL, "--masks", "truth", "--out", "scores.csv"]
SPEED = ["speed", *INFER[1:], "--out", "speed.json"]


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree, stills, a study, its truth as masks, and weights of a tiny network."""
    from rgmp.config.method import Network
    from rgmp.model import weights as checkpoint
    from rgmp.model.network import RGMP

    root = tmp_path_factory.mktemp("pristine")
    write_tree(root)
    shutil.copytree(root / "davis/Annotations/480p", root / "truth")
    for split in ("train_a", "train_b"):
        shutil.rmtree(root / "truth" / split)
    (root / "ablations").mkdir()
    shutil.copy(ABLATIONS / "full.yaml", root / "ablations")
    (root / "study.yaml").write_text(yaml.safe_dump({**STUDY, "seeds": [3]}))
    (root / "text.pth").write_text("<html>404</html>")
    (root / "file").touch()
    network = RGMP(Network(backbone="resnet10", width=4, decoder_width=4))
    checkpoint.save(root / "tiny.safetensors", network, {"identity": "1a2b3c4d5e6f"})
    return root


@pytest.fixture
def here(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "here"
    shutil.copytree(pristine, root)
    monkeypatch.chdir(root)
    return root


def everything(folder: Path) -> dict[Path, bytes | None]:
    """Every path under a folder, with the bytes of those that are files."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def the_record(path: str) -> Record:
    record: Record = json.loads(Path(path).read_text())
    return record


# ---- help ----


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_parses(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    help_text = " ".join(capsys.readouterr().out.split())
    example = help_text.partition(f"Example: rgmp {command} ")[2]
    assert cli.build_parser().parse_args([command, *example.split()]).run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_word_of_help(command: str) -> None:
    (commands,) = cli.build_parser()._subparsers._group_actions  # type: ignore[union-attr]
    own = cast("dict[str, argparse.ArgumentParser]", commands.choices)[command]
    assert [action.option_strings for action in own._actions if not action.help] == []


def test_help_names_every_command_and_version_is_the_packages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    listed = capsys.readouterr().out
    first_words = {line.split()[0] for line in listed.splitlines() if line.strip()}
    assert first_words >= set(COMMANDS)
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"rgmp {rgmp.__version__}\n"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "command",
    [
        ["plan", "study.yaml"],
        ["check", "davis"],
        ["check", "results/tiny", "davis2017/val"],
        ["train", "results/tiny", "pretrain/none"],
        ["evaluate", "results/tiny", "none/seed3"],
        SCORE,
        ["tables", "results/tiny"],
        ["report", "results/tiny"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_job_waits_for_no_package_that_it_does_not_need(command: list[str]) -> None:
    """Also one that ends at a mistake: that is said before anything takes its time."""
    assert cli.main(["plan", "study.yaml"]) == 0
    heavy = {"torch", "torchvision", "pandas", "mlflow", "matplotlib", "seaborn"}
    if command[0] in {"score", "tables", "report"}:  # they make or read tables
        heavy.remove("pandas")
    look = f"import sys; from rgmp.cli.main import main; main({command}); "
    look += f"print('loaded:', *{heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["loaded:"]


# ---- mistakes ----


def unlink(path: str) -> Callable[[], object]:
    return lambda: Path(path).unlink()


def truncate(path: str) -> Callable[[], object]:
    return lambda: Path(path).write_bytes(Path(path).read_bytes()[:-200])


def shrink(path: str) -> Callable[[], object]:
    return lambda: Image.new("P", (WIDTH - 1, HEIGHT), 1).save(path)


def edit_study(old: str, new: str) -> Callable[[], object]:
    path = Path("study.yaml")
    return lambda: path.write_text(path.read_text().replace(old, new))


def nothing() -> None: ...


def linked_scores() -> None:
    given_scores()
    Path("link").symlink_to("given.csv")


def given_scores() -> None:
    """A table of someone's scores of one of the two sequences."""
    rows = ["1,00001,0.5,0.25", "1,00002,0.5,0.25", "2,00001,1,1", "2,00002,1,1"]
    lines = ["sequence,object,frame,J,F", *(f"val_a,{row}" for row in rows)]
    Path("given.csv").write_text("\n".join(lines))


FRAME, MASK = "davis/JPEGImages/480p/val_b/00002.jpg", "davis/Annotations/480p/val_b/00000.png"
LATER = "davis/Annotations/480p/val_b/00002.png"
PREVIEW = ["preview", "study.yaml", "--stage", "pretrain"]
CHECK = ["check", "davis", "--split", "davis2016/val", "davis2017/val", "davis2017/train"]
MISTAKES: dict[str, tuple[list[str], Callable[[], object], str]] = {
    "no command": ([], nothing, "COMMAND"),
    "unknown command": (["segment"], nothing, "segment"),
    "unknown option": ([*SCORE, "--engin2", "x"], nothing, "--engin2"),
    "missing option": (["score", *VAL], nothing, "--out"),
    "unknown benchmark": (["infer", "--benchmark", "davis2018"], nothing, "davis2018"),
    "number that is none": ([*SPEED, "--limit", "many"], nothing, "many"),
    "no repeats": ([*SPEED, "--repeats", "0"], nothing, "--repeats"),
    "one frame": ([*SPEED, "--frames", "1"], nothing, "--frames"),
    "no threads": ([*INFER, "--masks", "out", "--threads", "0"], nothing, "--threads"),
    "negative seed": (["mini", "new", "--seed", "-1"], nothing, "--seed"),
    "scale out of range": ([*INFER, "--masks", "out", "--scales", "9"], nothing, "scales.0 (=9.0)"),
    "scale that is none": ([*INFER, "--masks", "out", "--scales", "nan"], nothing, "scales.0"),
    "scale of nothing": (
        [*INFER, "--masks", "out", "--scales", "0"],
        nothing,
        "scales.0 (=0.0): Input should be greater than or equal to 0.01\n",
    ),
    "seed that is none": (
        ["mini", "new", "--seed", "1e3"],
        nothing,
        "--seed: '1e3' is not allowed; allowed: a whole number from 0 to 9223372036854775807; see",
    ),
    "variant of two lines": ([*SCORE, "--variant", "a\nb"], nothing, "variant (='a"),
    "variant with an escape": (
        [*INFER, "--masks", "out", "--variant", "\x1b[31m"], nothing, "\\x1b"
    ),
    "split of another year": (
        [*SCORE, "--split", "../2016/val"], nothing, "split (='../2016/val')"
    ),
    "check: resolution elsewhere": ([*CHECK, "--resolution", "../480p"], nothing, "resolution (='"),
    "no study": (["plan", "absent.yaml"], nothing, "absent.yaml"),
    "unknown key in a study": (
        ["plan", "study.yaml"],
        edit_study("batch:", "bacth:"),
        "unknown key pretrain.bacth; allowed there: steps, batch",
    ),
    "unknown key in a variant": (
        ["plan", "study.yaml"],
        lambda: Path("ablations/other.yaml").write_text(
            "label: a\nclaim: b\noverrides: {network: {widht: 1}}"
        ),
        "ablations/other.yaml: unknown key overrides.network.widht; allowed there: backbone, width",
    ),
    "results that are a file": (["plan", "study.yaml"], Path("results").touch, "results/tiny"),
    "plan: missing frame": (
        ["plan", "study.yaml"], unlink(FRAME), "val_b: 00002.jpg is missing"
    ),
    "check: no tree": (["check", "nowhere"], nothing, "nowhere/ImageSets/2017/val.txt"),
    "check: no benchmark": (["check", "davis", "--split", "davis2018/val"], nothing, "davis2018"),
    "check: missing frame": (CHECK, unlink(FRAME), "val_b: 00002.jpg is missing"),
    "check: mask of another size": (CHECK, shrink(LATER), f"{LATER}: is 71x40, its frame is 72x40"),
    "check: truncated JPEG": (CHECK, truncate(FRAME), f"{FRAME}: not a readable image"),
    "check: truncated still": (
        [*CHECK, "--stills", "stills/images", "stills/masks"],
        truncate("stills/images/1.jpg"),
        "stills/images/1.jpg: not a readable image",
    ),
    "check: still without a mask": (
        [*CHECK, "--stills", "stills/images", "stills/masks"],
        unlink("stills/masks/1.png"),
        "stills/images/1.jpg: mask stills/masks/1.png is missing",
    ),
    "check: stills of five parts": (
        [*CHECK, "--stills", *"abcde"], nothing, "expected 2 to 4 values: images, masks"
    ),
    "check: first weights are none": (
        [*CHECK, "--weights", "text.pth", "resnet18"],
        nothing,
        "text.pth: not a weights file",
    ),
    "check: first weights are no ResNet's": (
        [*CHECK, "--weights", "empty.pth", "resnet18"],
        lambda: __import__("torch").save({}, "empty.pth"),
        "empty.pth: missing key conv1.weight",
    ),
    "infer: unknown sequence": (
        [*INFER, "--masks", "out", "--sequences", "val_a", "val_c"], nothing, "val_c"
    ),
    "infer: missing frame": ([*INFER, "--masks", "out"], unlink(FRAME), "00002.jpg is missing"),
    "infer: truncated JPEG": ([*INFER, "--masks", "out"], truncate(FRAME), FRAME),
    "infer: mask of another size": ([*INFER, "--masks", "out"], shrink(MASK), f"{MASK}: is 71x40"),
    "infer: no weights": (
        [*INFER, "--masks", "out", "--weights", "absent.pth"], nothing, "absent.pth"
    ),
    "speed: weights behind a dangling link": (
        ["speed", "--weights", "link", *VAL, "--out", "out.json"],
        lambda: Path("link").symlink_to("nowhere"),
        "link: cannot be read (broken link to nowhere)",
    ),
    "infer: weights that are none": (
        [*INFER, "--masks", "out", "--weights", "text.pth"], nothing, "text.pth: not a weights file"
    ),
    "infer: weights that are a folder": (
        [*INFER, "--masks", "out", "--weights", "davis"], nothing, "davis: cannot be read (is"
    ),
    "infer: unwritable masks": ([*INFER, "--masks", "file/out"], nothing, "file/out"),
    "infer: masks among other files": ([*INFER, "--masks", "stills"], nothing, "contains other"),
    "infer: unwritable record": (
        [*INFER, "--masks", "out", "--record", "file/record.json"], nothing, "file"
    ),
    "speed: truncated JPEG": (SPEED, truncate(FRAME), FRAME),
    "speed: weights that are none": ([*SPEED, "--weights", "text.pth"], nothing, "text.pth"),
    "speed: unwritable": ([*SPEED, "--out", "file/speed.json"], nothing, "file"),
    "score: missing masks": ([*SCORE, "--masks", "nowhere"], nothing, "nowhere"),
    "score: missing mask": (SCORE, unlink("truth/val_a/00001.png"), "val_a: missing 00001.png"),
    "score: mask of another size": (SCORE, shrink("truth/val_a/00001.png"), "val_a/00001.png"),
    "score: masks and scores": ([*SCORE, "--scores", "file"], nothing, "not allowed with"),
    "score: no score table": (
        ["score", *VAL, "--scores", "file", "--out", "scores.csv"], nothing, "not a score table"
    ),
    "score: scores for an engine": (
        ["score", *VAL, "--scores", "given.csv", "--out", "scores.csv", "--engine", "official"],
        given_scores,
        "--scores given.csv: they are used unchanged; leave out --engine",
    ),
    "score: scores to cross-check": (
        ["score", *VAL, "--scores", "given.csv", "--out", "scores.csv", "--cross-check", "require"],
        given_scores,
        "--scores given.csv: they are used unchanged; leave out --cross-check",
    ),
    "score: no processes": ([*SCORE, "--processes", "0"], nothing, "--processes"),
    "score: unwritable": ([*SCORE, "--out", "file/scores.csv"], nothing, "file"),
    "score: unwritable record": ([*SCORE, "--record", "file/record.json"], nothing, "file"),
    "check: record in place of a folder": (
        [*CHECK, "--record", "davis"], nothing, "davis: is a folder; name a new file"
    ),
    "check: record in place of a photograph": (
        [*CHECK, "--record", "stills/images/0.jpg"], nothing, "0.jpg: already exists and is not"
    ),
    "speed: folder": ([*SPEED, "--out", "davis"], nothing, "davis: is a folder; name a new file"),
    "speed: its weights": (
        [*SPEED, "--out", "./tiny.safetensors"], nothing, "is the same file as the input"
    ),
    "speed: a frame": ([*SPEED, "--out", FRAME], nothing, "is the same file as the input"),
    "speed: record and file": (
        [*SPEED, "--record", "davis/../speed.json"], nothing, "is another output of this command"
    ),
    "score: folder": ([*SCORE, "--out", "davis"], nothing, "davis: is a folder; name a new file"),
    "score: the truth": ([*SCORE, "--out", LATER], nothing, "is the same file as the input"),
    "score: a mask": (
        [*SCORE, "--out", "truth/val_a/00001.png"], nothing, "is the same file as the input"
    ),
    "score: a list of sequences": (
        [*SCORE, "--out", "davis/ImageSets/2017/val.txt"], nothing, "is the same file as the input"
    ),
    "score: the network": (
        [*SCORE, "--out", "tiny.safetensors"],
        nothing,
        "tiny.safetensors: already exists and is not a score table; name another file",
    ),
    "score: someone's scores": (
        [*SCORE, "--out", "given.csv"], given_scores, "already exists and is not a score table"
    ),
    "speed: the study": (
        [*SPEED, "--out", "study.yaml"], nothing, "already exists and is not a speed file; name"
    ),
    "score: the scores": (
        ["score", *VAL, "--scores", "given.csv", "--out", "link"],
        linked_scores,
        "link: is the same file as the input given.csv; name another",
    ),
    "score: no such scores": (
        ["score", *VAL, "--scores", "absent.csv", "--out", "scores.csv"],
        nothing,
        "absent.csv: cannot be read (No such file or directory); name a CSV file",
    ),
    "score: record and table": (
        [*SCORE, "--record", "scores.csv"], nothing, "is another output of this command"
    ),
    "score: record in place of weights": (
        [*SCORE, "--record", "tiny.safetensors"], nothing, "already exists and is not a record"
    ),
    "infer: into the data": (
        [*INFER, "--masks", "davis/Annotations/480p"], nothing, "contains other files"
    ),
    "infer: record and masks": (
        [*INFER, "--masks", "out", "--record", "out"], nothing, "is another output of this command"
    ),
    "mini: record and folder": (
        ["mini", "new", "--record", "new"], nothing, "is another output of this command"
    ),
    "mini: folder with other files": (["mini", "stills"], nothing, "stills: already exists"),
    "mini: unwritable": (["mini", "file/mini"], nothing, "file/mini: cannot be written"),
    "speed: study's job and a flag": (
        ["speed", "results/tiny", "davis2017", "--frames", "3"], nothing, "leave out --frames"
    ),
    "score: study's job and a flag": (
        ["score", "results/tiny", "davis2017/full/seed3", "--record", "record.json"],
        nothing,
        "leave out --record",
    ),
    "score: neither masks nor scores": (
        ["score", *VAL, "--out", "scores.csv"], nothing, "missing --masks or --scores"
    ),
    "score: study without a job": (["score", "results/tiny"], nothing, "missing the job"),
    "evaluate: no study": (["evaluate", "davis", "x"], nothing, "davis: not a study folder"),
    "train: no study": (["train", "davis", "pretrain/full"], nothing, "davis: not a study folder"),
    "tables: no study": (["tables", "davis"], nothing, "davis"),
    "figures: no study": (["figures", "davis"], nothing, "davis"),
    "report: no study": (["report", "davis"], nothing, "davis"),
    "track: no study": (["track", "davis"], nothing, "davis"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_ends_in_one_line_and_status_2_and_changes_nothing(
    here: Path, mistake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, make_it, named = MISTAKES[mistake]
    make_it()
    capsys.readouterr()
    before = everything(here)
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("rgmp: ")
    assert named in f"{line}\n"
    assert said.out == ""
    assert everything(here) == before


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


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("masks", [False, True])
def test_every_problem_of_what_is_scored_has_its_line(
    masks: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    given_scores()
    for name in ("00001", "00002"):
        Path(f"truth/val_b/{name}.png").write_bytes(b"")
    source = [] if masks else ["--scores", "given.csv"]
    assert cli.main([*(SCORE if masks else [*SCORE[:-4], *source, *SCORE[-2:]])]) == 2
    first, second = capsys.readouterr().err.splitlines()
    expected = (
        ("truth/val_b/00001.png: not a", "truth/val_b/00002.png: not a")
        if masks
        else [f"given.csv: val_b, object {i}: missing frame 00001, 00002" for i in (1, 2)]
    )
    assert first.startswith(f"rgmp: {expected[0]}")
    assert second.startswith(f"rgmp: {expected[1]}")
    assert second.endswith(" (2 problems in all)")
    assert not Path("scores.csv").exists()


@pytest.mark.usefixtures("here")
def test_mistake_in_a_real_process() -> None:
    command = [sys.executable, "-c", "import sys; from rgmp.cli.main import main; sys.exit(main())"]
    done = subprocess.run(
        [*command, *SCORE, "--masks", "nowhere"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.usefixtures("here")
def test_fault_of_ours_keeps_its_traceback() -> None:
    broken = (
        "import sys; from rgmp.cli import main as cli; from rgmp.evaluation import scoring\n"
        "def score(*_, **__): raise ZeroDivisionError\n"
        "scoring.score = score\n"
        "sys.exit(cli.main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", broken, *SCORE, "--record", "record.json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert not Path("record.json").exists()


# ---- the commands, end to end ----


@pytest.mark.usefixtures("here")
def test_check_names_what_it_read(capsys: pytest.CaptureFixture[str]) -> None:
    record = "results/tiny/records/data.json"
    Path("stills/images/notes").mkdir()  # what else lies there is no still
    stills = ["--stills", "stills/images", "stills/masks"]
    assert cli.main([*CHECK, *stills, "--record", record]) == 0
    assert capsys.readouterr().out == f"{2 * 4 * FRAMES + 6} files, no problems found\n"
    found = the_record(record)
    assert (found["kind"], found["study"], found["name"]) == ("check", "tiny", "data")
    assert found["results"] == {"davis2016/val": 2, "davis2017/val": 2, "davis2017/train": 2} | {
        "stills": 3
    }
    before = found["inputs"]["data"]
    Path("stills/images/1.jpg").write_bytes(Path("stills/images/0.jpg").read_bytes())
    assert cli.main([*CHECK, *stills, "--record", record]) == 0
    assert the_record(record)["inputs"]["data"] != before


@pytest.mark.usefixtures("here")
def test_a_record_says_which_precision_auto_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    command = [*INFER, "--precision", "auto", "--masks", "auto", "--record", "auto.json"]
    assert cli.main(command) == 0
    assert the_record("auto.json")["config"]["precision"] == "fp32"


@pytest.mark.usefixtures("here")
def test_infer_then_score() -> None:
    records = "results/tiny/records"
    name = "davis2017/full/seed3"
    who = ["--variant", "full", "--seed", "3"]
    masks, scores = f"results/tiny/masks/{name}", f"results/tiny/scores/{name}.csv"
    made = f"{records}/masks/{name}.json"
    assert cli.main([*INFER, "--masks", masks, *who, "--record", made]) == 0
    for sequence in ("val_a", "val_b"):
        written = sorted(Path(masks, sequence).iterdir())
        assert [path.name for path in written] == [f"{t:05d}.png" for t in range(FRAMES)]
        first = read_labels(Path("davis/Annotations/480p", sequence, "00000.png"))
        assert (read_labels(written[0]) == first).all()
        assert all(read_labels(path).shape == (HEIGHT, WIDTH) for path in written)
    found = the_record(made)
    assert (found["kind"], found["name"]) == ("infer", f"masks/{name}")
    assert (found["study"], found["variant"], found["seed"]) == ("tiny", "full", 3)
    assert (found["benchmark"], found["identity"]) == ("davis2017", "1a2b3c4d5e6f")
    weights = files.digest_of_file(Path("tiny.safetensors"))
    assert found["inputs"]["weights"] == weights
    assert found["config"]["scales"] == [1.0]
    assert found["results"] == {"frames": 2 * FRAMES}

    made = f"{records}/scores/{name}.json"
    assert cli.main(["score", *VAL, "--masks", masks, "--out", scores, *who, "--record", made]) == 0
    with Path(scores).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * (FRAMES - 2)  # sequences, objects, frames
    assert {(r["benchmark"], r["variant"], r["seed"]) for r in rows} == {("davis2017", "full", "3")}
    found = the_record(made)
    assert (found["kind"], found["name"]) == ("score", f"scores/{name}")
    assert (found["study"], found["variant"], found["seed"]) == ("tiny", "full", 3)
    assert found["results"]["J_mean"] == pytest.approx(np.mean([float(r["J"]) for r in rows]))
    assert found["outputs"] == {"scores": files.digest_of_file(Path(scores))}
    assert [r["name"] for r in read_all(Path("results/tiny"))] == [
        f"masks/{name}",
        f"scores/{name}",
    ]


@pytest.mark.usefixtures("here")
def test_infer_some_sequences_of_the_foreground() -> None:
    arguments = [*INFER, "--benchmark", "davis2016", "--sequences", "val_b", "--masks", "out"]
    assert cli.main(arguments) == 0
    assert [p.name for p in Path("out").iterdir() if p.is_dir()] == ["val_b"]
    assert set(np.unique(read_labels(Path("out/val_b/00000.png")))) == {0, 1}


@pytest.mark.usefixtures("here")
def test_anyones_masks_are_scored(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(SCORE) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[-1] == "100.00"
    with Path("scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["variant"], row["J"], row["F"]) for row in rows} == {("truth", "1.0", "1.0")}
    assert not list(Path().rglob("*.json"))


@pytest.mark.usefixtures("here")
def test_a_rerun_reads_no_older_result() -> None:
    assert cli.main(SCORE) == 0
    older = Path("scores.csv").read_text()
    davis.write_mask(Path("truth/val_a/00001.png"), np.zeros((HEIGHT, WIDTH), np.uint8))
    assert cli.main(SCORE) == 0
    newer = Path("scores.csv").read_text()
    assert newer != older
    assert cli.main([*SCORE, "--out", "elsewhere.csv"]) == 0
    assert Path("elsewhere.csv").read_text() == newer


@pytest.mark.usefixtures("here")
def test_scores_of_others_are_taken_over(capsys: pytest.CaptureFixture[str]) -> None:
    given_scores()
    options = ["--scores", "given.csv", "--sequences", "val_a", "--record", "record.json"]
    assert cli.main(["score", *VAL, *options, "--out", "scores.csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["J&F", "68.75"]
    with Path("scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["J"] for row in rows] == ["0.5", "1.0", "0.5", "1.0"]
    assert {(row["variant"], row["seed"]) for row in rows} == {("given", "")}
    found = the_record("record.json")
    assert found["config"] == {"scores": "given.csv"}
    assert found["inputs"]["scores"] == files.digest_of_file(Path("given.csv"))


# ---- two engines ----


def pretend_official(monkeypatch: pytest.MonkeyPatch, error: float) -> None:
    """A davis2017-evaluation whose J is off by `error`."""
    from rgmp.evaluation.measures import measure

    metrics = ModuleType("davis2017.metrics")
    metrics.db_eval_iou = lambda truth, mask: measure(truth, mask).J + error  # type: ignore[attr-defined]
    metrics.db_eval_boundary = lambda truth, mask: measure(truth, mask).F  # type: ignore[attr-defined]
    for name in ("davis2017", "skimage", "skimage.morphology"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "davis2017.metrics", metrics)


def without_official(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "davis2017.metrics", None)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("engine", ["builtin", "official"])
@pytest.mark.parametrize("cross_check", ["auto", "require"])
def test_two_engines_that_agree(
    engine: str, cross_check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_official(monkeypatch, 5e-7)
    options = ["--engine", engine, "--cross-check", cross_check, "--record", "record.json"]
    assert cli.main([*SCORE, *options]) == 0
    assert the_record("record.json")["results"]["cross_check_difference"] == pytest.approx(5e-7)
    with Path("scores.csv").open() as file:
        found = {float(row["J"]) for row in csv.DictReader(file)}
    assert found == {1.0 if engine == "builtin" else 1 + 5e-7}


@pytest.mark.usefixtures("here")
def test_two_engines_that_disagree_end_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_official(monkeypatch, 2e-6)
    assert cli.main([*SCORE, "--cross-check", "auto", "--record", "record.json"]) == 2
    said = capsys.readouterr().err.splitlines()
    (line,) = (line for line in said if line.startswith("rgmp: "))
    assert "val_a, object 1, frame 00001: J 1.0" in line
    assert not Path("scores.csv").exists()
    assert not Path("record.json").exists()


@pytest.mark.usefixtures("here")
def test_the_other_engine_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_official(monkeypatch)
    assert cli.main([*SCORE, "--cross-check", "auto", "--record", "record.json"]) == 0
    assert "cross_check_difference" not in the_record("record.json")["results"]
    capsys.readouterr()
    for options in (["--cross-check", "require"], ["--engine", "official"]):
        assert cli.main([*SCORE, *options, "--out", "other.csv"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "run `make evaluator`" in line
    assert not Path("other.csv").exists()


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


@pytest.mark.usefixtures("here")
def test_plan_then_train_then_infer(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "study.yaml"]) == 0
    *listed, total = capsys.readouterr().out.splitlines()
    assert total == "2 training runs, 1 variants: results/tiny/plan.json"
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
def test_a_studys_jobs_are_driven_by_its_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """Weights from elsewhere: the least study that infers, is timed and scored."""
    study = {
        **STUDY,
        "seeds": [3],
        "speed": {"sequences": 1, "frames": 2, "repeats": 5, "seconds": 0},
    }
    study["external"] = [{"name": "other", "label": "Other", "masks": {"davis2017": "truth"}}]
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
    assert (own["inputs"], own["identity"]) == (inferred["inputs"], inferred["identity"])
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


@pytest.mark.usefixtures("here")
def test_inference_has_its_folder_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """From before it takes a GPU until its record is written."""
    import torch

    from rgmp.runtime import device

    events: list[object] = []

    def choose(*_: object) -> torch.device:
        events.append("GPU")
        return torch.device("cpu")

    @contextmanager
    def alone_in(folder: Path) -> Iterator[None]:
        events.append(folder)
        yield
        events.append(Path("record.json").is_file())

    monkeypatch.setattr("rgmp.runtime.locks.alone_in", alone_in)
    monkeypatch.setattr(device, "choose", choose)
    assert cli.main([*INFER, "--masks", "out", "--record", "record.json"]) == 0
    assert events == [Path("out"), "GPU", True]


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


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("stage", "tiles"), [("pretrain", 3), ("finetune", 4)])
def test_preview_paints_a_row_a_sample(stage: str, tiles: int) -> None:
    """Clips have the reference and two targets at the last step; an earlier picture is replaced."""
    preview.save(Image.new("RGB", (9, 9)), Path("a.png"))
    assert cli.main(["preview", "study.yaml", "--stage", stage, "--out", "a.png", "--samples", "2",
                     "--step", "1"]) == 0  # fmt: skip
    with Image.open("a.png") as picture:
        assert picture.size == (256 * tiles, 16 + 2 * 128)


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


@pytest.mark.usefixtures("here")
def test_training_that_is_not_planned_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "study.yaml"]) == 0
    capsys.readouterr()
    assert cli.main(["train", "results/tiny", "pretrain/full"]) == 2
    assert (
        "pretrain/full: no such training run in results/tiny/plan.json" in capsys.readouterr().err
    )


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


@pytest.mark.usefixtures("here")
def test_mini_renders_a_tree_that_check_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    from rgmp.minidavis import generate
    from rgmp.minidavis.cast import TRAIN, VAL

    few = generate.Contents(TRAIN[:1], VAL[:1], stills=2)
    monkeypatch.setattr(generate, "render", partial(generate.render, contents=few))
    Path("new").mkdir()  # an empty folder may be there: a workflow makes it
    record = "results/mini/records/mini.json"
    assert cli.main(["mini", "new", "--seed", "5", "--record", record]) == 0
    found = the_record(record)
    assert (found["kind"], found["study"], found["name"]) == ("mini", "mini", "mini")
    assert found["seed"] == 5
    assert found["outputs"] == {"data": files.digest_of_all(files.files_below(Path("new")))}
    stills = ["--stills", "new/stills/images", "new/stills/masks"]
    splits = ["--split", "davis2016/train", "davis2016/val", "davis2017/train", "davis2017/val"]
    assert cli.main(["check", "new/davis", *splits, *stills]) == 0
