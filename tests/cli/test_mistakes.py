"""What every command says to a mistake: one line, status 2, and nothing has changed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support.commands import (
    CHECK,
    FRAME,
    INFER,
    SCORE,
    SPEED,
    VAL,
    edit_study,
    everything,
    given_scores,
    truncate,
)
from support.tiny_study import HEIGHT, WIDTH

from rgmp.cli import main as cli

pytestmark = pytest.mark.torch


def unlink(path: str) -> Callable[[], object]:
    return lambda: Path(path).unlink()


def shrink(path: str) -> Callable[[], object]:
    return lambda: Image.new("P", (WIDTH - 1, HEIGHT), 1).save(path)


def nothing() -> None: ...


def pack() -> None:
    shutil.make_archive("truth", "zip", "truth")


def linked_scores() -> None:
    given_scores()
    Path("link").symlink_to("given.csv")


MASK = "davis/Annotations/480p/val_b/00000.png"
LATER = "davis/Annotations/480p/val_b/00002.png"
MISTAKES: dict[str, tuple[list[str], Callable[[], object], str]] = {
    "no command": ([], nothing, "COMMAND"),
    "unknown command": (["segment"], nothing, "segment"),
    "unknown option": ([*SCORE, "--engin2", "x"], nothing, "--engin2"),
    "missing option": (["bounds", *VAL], nothing, "--out"),
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
    "score: masks in no zip": ([*SCORE, "--masks", "file"], nothing, "file: not a readable zip"),
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
    "score: its zip": (
        [*SCORE, "--masks", "truth.zip", "--out", "truth.zip"],
        pack,
        "is the same file as the input",
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
    "check-masks: no masks named": (["check-masks", *VAL], nothing, "missing --masks; give them"),
    "check-masks: missing masks": (
        ["check-masks", *VAL, "--masks", "nowhere"], nothing, "nowhere: no such folder or zip; name"
    ),
    "check-masks: no tree": (
        ["check-masks", *VAL, "--masks", "truth", "--davis", "nowhere"], nothing, "nowhere/ImageSet"
    ),
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
