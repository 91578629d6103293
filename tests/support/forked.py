"""Python programs, forked from a process that has imported what they need: it saves a second each.

Such a program runs as from a shell, in a folder of its own and to an exit status.
"""

import os
import sys
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

import pytest

TESTS = Path(__file__).parents[1]
SERVER = get_context("forkserver")
PRELOADED = [
    "snakemake.cli",
    "snakemake.report.html_reporter",  # Snakemake imports these when it reads a command line
    "snakemake_logger_plugin_rgmp",
    "smart_open",
    "yte",
    "support.snakemake_start",
]
FREEZING = "support.frozen"
"""The last module to import."""
SERVER.set_forkserver_preload([*PRELOADED, FREEZING])


@cache
def start_server() -> None:
    """Start the process that programs are forked from, with the tests' own modules in reach."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        ensure_running()


def run(module: str, arguments: list[str], folder: Path, timeout: float) -> CompletedProcess[str]:
    """Run the function `main` of a module, as `subprocess.run` runs a command.

    Args:
        module: its name.
        arguments: of `sys.argv`, without the program's name.
        folder: where it runs.
        timeout: in seconds; after it the program is killed.

    Returns:
        Its arguments, exit status, standard output and standard error.
    """
    start_server()
    with TemporaryDirectory() as temporary:
        said = [Path(temporary, name) for name in ("out", "err")]
        process = SERVER.Process(
            target=_program, args=(module, arguments, folder, said, dict(os.environ))
        )
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
        out, err = (path.read_text(encoding="utf-8") for path in said)
    assert process.exitcode is not None
    return CompletedProcess(arguments, process.exitcode, out, err)


def _program(
    module: str, arguments: list[str], folder: Path, said: list[Path], environment: dict[str, str]
) -> None:
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [module, *arguments]
    import_module(module).main()
