"""How a command ends, also where its output goes nowhere or a number is absurd; and its help."""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from support.commands import SCORE

import rgmp
from rgmp.cli import main as cli
from rgmp.cli.command import GROUPS
from rgmp.cli.complaints import complain
from rgmp.runtime.progress import Progress

PROJECT = Path(__file__).parents[2]
RUN = "import sys; from rgmp.cli.main import main; sys.exit(main())"
LONG = "a" * 300


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(PROJECT / "ablations", tmp_path / "ablations")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/reference").symlink_to(PROJECT / "results/reference")
    return Path(shutil.copy(PROJECT / "workflow/config/mini.yaml", tmp_path))


def ended(stdout: int, *arguments: str, unbuffered: bool = False) -> tuple[int, str]:
    """The status of a command whose output goes to `stdout`, and what it said besides."""
    command = [sys.executable, *["-u"] * unbuffered, "-c", RUN, *arguments]
    done = subprocess.run(
        command,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", [False, True])
def test_output_that_cannot_be_written_is_a_line_and_status_2(
    study: Path, unbuffered: bool
) -> None:
    with Path("/dev/full").open("w") as full:
        status, said = ended(full.fileno(), "plan", str(study), unbuffered=unbuffered)
    assert status == 2
    assert said == (
        "rgmp: standard output: cannot be written (No space left on device); free some space\n"
    )


@pytest.mark.parametrize("unbuffered", [False, True])
def test_output_that_nobody_reads_ends_quietly(study: Path, unbuffered: bool) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    assert ended(writer, "plan", str(study), unbuffered=unbuffered) == (141, "")
    os.close(writer)


MISTAKES = [["check", "nowhere"], ["plan", "nowhere"], ["nonsense"], ["check", "a" * 300]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", MISTAKES, ids=lambda arguments: " ".join(arguments)[:20])
@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", ">/dev/full 2>&1"])
def test_status_is_right_where_a_mistake_cannot_be_said(arguments: list[str], where: str) -> None:
    command = ["sh", "-c", f'exec "$@" {where}', "sh", sys.executable, "-c", RUN, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


def test_many_problems_are_counted_and_few_of_them_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def said(*problems: str) -> list[str]:
        assert complain(*problems) == 2
        return capsys.readouterr().err.splitlines()

    assert said("a") == ["rgmp: a"]
    assert said(*map(str, range(20)))[18:] == ["rgmp: 18", "rgmp: 19 (20 problems in all)"]
    lines = said(*map(str, range(1000)))
    assert lines[:19] == [f"rgmp: {i}" for i in range(19)]
    assert lines[19:] == ["rgmp: 19 (and 980 more, 1000 problems in all)"]
    line, _ = said("a\x1b[2J" + "a" * 10_000, "b")
    assert line.startswith(r"rgmp: a\x1b[2Ja")
    assert len(line) < 4000


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise BrokenPipeError(f"{path}: a worker's")

    monkeypatch.setattr("rgmp.study.comparison.resolve_any", broken)
    with pytest.raises(BrokenPipeError, match="a worker's"):
        cli.main(["plan", "study.yaml"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", LONG],
        ["check", LONG],
        ["check", "--weights", LONG, "resnet50"],
        ["check", "--stills", LONG, LONG],
        ["mini", LONG],
        ["tables", LONG],
        ["train", LONG, "pretrain/full-seed0-1a2b3c4d5e6f"],
        ["preview", LONG, "--stage", "pretrain", "--out", "a.png"],
        ["score", "--davis", LONG, "--benchmark", "davis2016", "--masks", "a", "--out", "b"],
        ["score", "--davis", ".", "--benchmark", "davis2016", "--masks", "a", "--out", f"{LONG}/b"],
        ["check-masks", "--davis", ".", "--benchmark", "davis2016", "--masks", LONG],
    ],
    ids=lambda arguments: " ".join(arguments)[:20],
)
def test_name_that_no_file_can_have_is_a_line(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("rgmp: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("infer", "--threads", 1_000_000),
        ("infer", "--jobs-per-gpu", 1_000_000),
        ("infer", "--seed", 2**63),
        ("mini", "--seed", 2**63),
        ("score", "--processes", 1_000_000),
        ("check-masks", "--processes", 1_000_000),
        ("speed", "--repeats", 10**9),
        ("preview", "--samples", 10**9),
        ("train-speed", "--steps", 10**20),
        ("track", "--every", 10**20),
    ],
)
def test_number_that_no_machine_has_is_a_line(
    command: str, option: str, value: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, option, str(value)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"rgmp: argument {option}: '{str(value)[:20]}")
    assert "' is not allowed; allowed: a whole number from " in said
    assert said.count("\n") == 1


def test_what_is_repeated_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "a\x1b[2J\u202eb"]) == 2
    assert capsys.readouterr().err.startswith(r"rgmp: a\x1b[2J\u202eb: cannot be read")
    assert cli.main(["plan", "study.yaml", f"--{'x' * 10**5}"]) == 2
    assert len(capsys.readouterr().err) < 4000


def test_a_name_that_is_not_utf_8_is_refused_before_any_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["plan", "\udcff.yaml"]) == 2
    assert capsys.readouterr().err == "rgmp: \\udcff.yaml: not a UTF-8 name; rename it\n"


def test_an_interrupt_is_a_word_and_its_own_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rgmp.minidavis.generate.render", interrupted)
    assert cli.main(["mini", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "rgmp: interrupted\n"


# ---- help ----


COMMANDS = [command.name for command in cli.COMMANDS]


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, by its name."""
    (commands,) = cli.build_parser()._subparsers._group_actions  # type: ignore[union-attr]
    return cast("dict[str, argparse.ArgumentParser]", commands.choices)


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
    own = parsers()[command]
    assert [action.option_strings for action in own._actions if not action.help] == []


def test_the_command_line_alone_names_its_flags() -> None:
    """Not the packages below it, which do not know them."""
    flags = {flag for own in parsers().values() for flag in own._option_string_actions}
    package = Path(rgmp.__file__).parent
    below = [p for p in package.rglob("*.py") if p.relative_to(package).parts[0] != "cli"]
    assert len(below) > 100
    naming = [
        f"{path.relative_to(package)}, line {node.lineno}: {flag}"
        for path in below
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for flag in re.findall(r"--[a-z][a-z-]*", node.value)
        if flag in flags
    ]
    assert naming == []


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(["infr"], "infer"), (["check", "davis", "--benchmark", "davis2107"], "davis2017")],
)
def test_a_mistyped_name_gets_the_nearest(
    arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert f"'{arguments[-1]}' is not allowed; allowed: " in said
    assert f"; did you mean {meant}?; see `rgmp" in said
    assert cli.main(["xyzzy"]) == 2
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "completed"), [("rgmp inf", "infer"), ("rgmp infer --agg", "--aggregation")]
)
def test_a_shell_completes_commands_and_options(typed: str, completed: str, tmp_path: Path) -> None:
    """As argcomplete's function for bash asks: the line in variables, the answer in a file."""
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": typed, "COMP_POINT": str(len(typed))}
    asked |= {"_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "answer"), "_ARGCOMPLETE_IFS": "\n"}
    command = [sys.executable, "-c", RUN]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **asked}
    subprocess.run(command, env=environment, timeout=60, check=True, capture_output=True)
    assert (tmp_path / "answer").read_text().split() == [completed]


def test_only_a_command_that_shows_no_progress_is_quiet(tmp_path: Path) -> None:
    for given, silent in ((["--quiet"], True), ([], False)):
        assert cli.main(["show", str(tmp_path), *given]) == 2
        assert Progress.silent is silent


def test_help_names_every_command_and_version_is_the_packages(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    listed = capsys.readouterr().out
    assert re.findall(r"^ {4}([a-z-]+)", listed, re.MULTILINE) == COMMANDS
    examples = re.findall(r"^  Example: rgmp (.*)$", listed, re.MULTILINE)
    assert len(examples) == len(GROUPS)
    assert all(cli.build_parser().parse_args(example.split()).run for example in examples)
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"rgmp {rgmp.__version__}\n"


# ---- in a process of its own ----


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


@pytest.mark.usefixtures("here")
def test_mistake_in_a_real_process() -> None:
    command = [sys.executable, "-c", RUN, *SCORE, "--masks", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.usefixtures("here")
def test_fault_of_ours_keeps_its_traceback() -> None:
    broken = (
        "import sys; from rgmp.cli import main as cli; from rgmp.evaluation import scoring\n"
        "def score(*_, **__): raise ZeroDivisionError\n"
        "scoring.judge = score\n"
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
