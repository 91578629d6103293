"""The tests that need a GPU, marked `cuda`, by pytest in a process of its own."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from rgmp.provenance.code import checkout
from rgmp.selftest.bench import Bench, NotHereError, importing_the_same
from rgmp.selftest.finding import Finding, at_least, at_most, required

_MARK = "pytest.mark.cuda"
_COUNTED = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")
_TOLD = re.compile(r"^\S+::.* (PASSED|FAILED|SKIPPED|ERROR)\b", re.MULTILINE)


def section(bench: Bench) -> Iterator[Finding]:
    """Run the marked tests of the checkout that this package is in.

    Raises:
        NotHereError: it is in none, or there is no pytest.
    """
    files = marked(checkout() / "tests")
    if not files:
        raise NotHereError("the tests are not beside the package; run it from a checkout")
    if find_spec("pytest") is None:
        raise NotHereError("pytest is not installed")
    # the files alone: to collect all takes packages that only other tests need; -v, so that those
    # can be counted that ran in time; a warning of another torch or Python fails no test here
    options = ["-v", "-m", "cuda", "-W", "default", "-p", "no:cacheprovider", "--color=no"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *files],
            cwd=checkout(),
            env=importing_the_same(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=max(bench.seconds_left(), 1),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        output, status = (error.stdout or b"").decode(errors="replace"), None
    else:
        output, status = done.stdout.decode(errors="replace"), done.returncode
    print(output, flush=True)
    yield from _of(output, status)


def _of(output: str, status: int | None) -> Iterator[Finding]:
    """What the output of pytest says, and its exit status; None: it was ended."""
    counts = counted_so_far(output) if status is None else counted(output)
    for what in ("failed", "error"):
        yield at_most(f"tests: {what}", {}, counts.get(what, 0), 0)
    yield at_least("tests: passed", {}, counts.get("passed", 0), 1)
    yield Finding("tests: skipped", {}, counts.get("skipped", 0))
    if status is None:
        yield required("tests: all ran in time", {}, False)
    else:
        yield at_most("exit status of pytest", {}, status, 0)


def marked(tests: Path) -> list[str]:
    """The files below a folder that have marked tests; none where there is no such folder."""
    return [str(p) for p in sorted(tests.rglob("test_*.py")) if _MARK in p.read_text("utf-8")]


def counted(output: str) -> dict[str, int]:
    """How many tests passed, failed, ..., as the last line of pytest says."""
    last = (output.strip().splitlines() or [""])[-1]
    return {what.removesuffix("s"): int(number) for number, what in _COUNTED.findall(last)}


def counted_so_far(output: str) -> dict[str, int]:
    """How many tests passed, failed, ..., as the lines of those that ran say."""
    return dict(Counter(what.lower() for what in _TOLD.findall(output)))
