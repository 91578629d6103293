"""Every command of the documents, on a study of seconds that has the names that they use.

A stand-in is where the documents' file would be: `workflow/config/mini.yaml` is the tiny study,
`data/davis2017` its tree, `results/mini` what it made. `rgmp` runs in this process; Snakemake and
make say what they would do. What needs a network, a GPU, Slurm or a terminal is parsed, as far as
it is ours, and listed (`pytest -rP -k listed`). Commands of ours in sentences are parsed.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import forked, tiny_study
from support.described_sets import VIDEO, write_video, write_youtube_vos
from support.documents import PROJECT, commands, inline_commands

from rgmp.cli import main as cli
from rgmp.study.plan import load_plan

pytestmark = [pytest.mark.slow, pytest.mark.torch]

STUDY: dict[str, Any] = tiny_study.STUDY | {
    "study": "mini",
    "seeds": [0, 1, 2],
    "data": {
        "davis": "data/davis2017",
        "stills": [{"images": "stills/images", "masks": "stills/masks"}],
    },
    "pretrain": tiny_study.STUDY["pretrain"] | {"steps": 6},
    "finetune": tiny_study.STUDY["finetune"] | {"steps": 6},
}
MASKS = {
    "external": [
        {"name": name, "label": name, "masks": {"davis2016": f"masks/{name}"}}
        for name in ("rgmp", "seed0")
    ]
}
COMPARISON = {key: STUDY[key] for key in ("title",)} | MASKS
COMPARISON |= {"study": "published", "data": {"davis": "data/davis2016"}}
COMPARISON |= {"benchmarks": ["davis2016"]}
RESULTS = "results/mini"

Command = tuple[str, ...]
EVERY = commands()
OURS = [command for command in EVERY if command[0] == "rgmp"]
INLINE = inline_commands()
DRY = [command for command in EVERY if command[0] == "snakemake"]


def why_not(command: Command) -> str:
    """What a command needs that a test has not; nothing: it is run."""
    program, *words = command
    if program == "srun" or "workflow/profiles/slurm" in words:
        return "Slurm"
    if program == "rgmp" and {"--gpus", "--fit", "cuda"} & {*words}:
        return "a GPU"
    if program in {"git", "pip", "conda"} or words[:1] == ["download"]:
        return "a network"
    if program not in {"rgmp", "snakemake", "make"}:
        return "a terminal or a browser"
    return ""


RUN = [command for command in OURS if not why_not(command)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the documents' commands find what they name."""
    root = tmp_path_factory.mktemp("place")
    with chdir(root):
        _write_data()
        _write_studies()
        _run_study()
        _write_masks()
        assert cli.main(["tables", RESULTS]) == 0
        shutil.copytree(RESULTS, "results/reference/mini")
    return root


def _write_data() -> None:
    tiny_study.write_tree(Path())
    Path("data").mkdir()
    Path("davis/ImageSets/2017/test-dev.txt").write_text("val_a\nval_b\n")
    for name in ("davis2017", "davis2016", "davis2017-test-dev"):
        shutil.copytree("davis", f"data/{name}")
    tiny_study.make_archive_of_2016(Path("data/davis2016"))
    for split in ("train", "valid"):
        write_youtube_vos(Path("data/YouTube-VOS"), split)
    write_video(Path("data/LVOS/val"), "0a1b", VIDEO)
    shutil.copytree(PROJECT / "workflow/config/datasets", "workflow/config/datasets")


def _write_studies() -> None:
    Path("ablations").mkdir()
    for name in ("full", "no_bptt"):
        shutil.copy(PROJECT / f"ablations/{name}.yaml", "ablations")
    for file in sorted((PROJECT / "workflow/config").glob("*.yaml")):
        study = COMPARISON if file.stem == "published" else STUDY | {"study": file.stem}
        Path("workflow/config", file.name).write_text(yaml.safe_dump(study))


def _run_study() -> None:
    assert cli.main(["plan", "workflow/config/mini.yaml"]) == 0
    plan = load_plan(Path(RESULTS))
    jobs = [("check", part) for part in plan.checks.values()]
    jobs += [("train", training.folder.partition("/")[2]) for training in plan.trainings]
    jobs += [("evaluate", name) for name in plan.evaluations]
    jobs += [(kind, benchmark) for kind in ("bounds", "speed") for benchmark in plan.benchmarks]
    for kind, name in jobs:
        assert cli.main([kind, RESULTS, name]) == 0, (kind, name)


def _write_masks() -> None:
    """Masks as the documents name them; those of the study's own network are none of them."""
    for name in ("FOLDER", *(f"masks/{name}" for name in ("rgmp", "seed0", "seed1", "seed2"))):
        _put_masks("data/davis2017/Annotations/480p", name, "val_*")
    for name in ("masks", "osvos"):
        shutil.make_archive(name, "zip", "FOLDER")
    (weights, *_) = sorted(Path(RESULTS).glob("weights/finetune/full-*/weights.safetensors"))
    shutil.copy(weights, "WEIGHTS")


def _put_masks(source: str, target: str, pattern: str = "*") -> None:
    shutil.rmtree(target, ignore_errors=True)
    for folder in Path(source).glob(pattern):
        shutil.copytree(folder, Path(target, folder.name))


def _own_masks(command: Command) -> None:
    """Of the videos that the command names, or none: it makes them."""
    if "data/LVOS" in command:
        _put_masks("data/LVOS/val/Annotations", "masks/mine")
    else:
        _put_masks("FOLDER", "masks/mine")
    if command[1] == "infer":
        shutil.rmtree("masks/mine")


def _figures(_: Command) -> None:
    if not Path(RESULTS, "figures").is_dir():
        assert cli.main(["figures", RESULTS]) == 0


def _archive(_: Command) -> None:
    assert cli.main(["pack", RESULTS, "--weights", "--masks"]) == 0


BEFORE: dict[str, Callable[[Command], None]] = {
    **dict.fromkeys(("infer", "score", "archive"), _own_masks),
    "report": _figures,
    "unpack": _archive,
}
"""What a command needs that another one makes, or must not be there."""


@pytest.fixture
def there(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return place


def said(command: Command) -> str:
    return " ".join(command)


@pytest.mark.usefixtures("there", "forked_mirror")
@pytest.mark.parametrize("command", RUN, ids=said)
def test_a_command_of_rgmp_runs(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    if command[1] in BEFORE:
        BEFORE[command[1]](command)
    status = cli.main(command[1:])
    assert status == 0, capsys.readouterr().err


@pytest.mark.parametrize("command", DRY, ids=said)
def test_a_command_of_snakemake_has_jobs(command: Command, place: Path) -> None:
    """The one that runs everything is run by tests/workflow/test_study_of_seconds.py."""
    arguments = [str(PROJECT / word) if "profiles" in word else word for word in command[1:]]
    given = ["--snakefile", str(PROJECT / "Snakefile"), *arguments]
    if not {"-n", "--dry-run"} & {*arguments}:
        given.append("--dry-run")
    done = forked.run("snakemake", "snakemake.cli", given, place)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [c for c in EVERY if c[0] == "make"], ids=said)
def test_a_command_of_make_has_a_recipe(command: Command) -> None:
    environment = {key: value for key, value in os.environ.items() if "MAKE" not in key}
    call = ["make", "--dry-run", *command[1:]]
    done = subprocess.run(call, cwd=PROJECT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", INLINE, ids=said)
def test_a_command_in_a_sentence_is_parsed(command: Command) -> None:
    """A name that stands alone names a command; `COMMAND` stands for each."""
    _, name, *words = command
    every = [one.name for one in cli.COMMANDS]
    for start in every if name == "COMMAND" else [name]:
        if "--help" in command:
            with pytest.raises(SystemExit) as left:
                cli.build_parser().parse_args([start, *words])
            assert left.value.code == 0
        elif words:
            assert cli.build_parser().parse_args([start, *words]).run
        else:
            assert start in every


def test_what_is_not_run_is_parsed_and_listed() -> None:
    for command in EVERY:
        if needed := why_not(command):
            start = command.index("rgmp") if "rgmp" in command[:-1] else None
            parsed = start is not None and command[0] in {"rgmp", "srun"}
            if parsed:
                assert cli.build_parser().parse_args(command[start + 1 :]).run  # type: ignore[operator]
            how = "dry run" if command in DRY else "parsed" if parsed else "not run"
            print(f"{how}, it needs {needed}: {said(command)}")
