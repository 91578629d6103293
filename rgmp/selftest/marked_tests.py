"""The tests that need a GPU, marked `cuda`, by pytest in a process of its own."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from rgmp.provenance.code import checkout
from rgmp.selftest.bench import Bench, NotHereError
from rgmp.selftest.finding import Finding, at_least, at_most

_MARK = "pytest.mark.cuda"
_COUNTED = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")


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
    # the files alone: to collect all takes packages that only other tests need
    command = [sys.executable, "-m", "pytest", "-m", "cuda", "-p", "no:cacheprovider", *files]
    done = subprocess.run(
        command,
        cwd=checkout(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=max(bench.seconds_left(), 1),
        check=False,
    )
    print(done.stdout)
    counts = counted(done.stdout)
    for what in ("failed", "error"):
        yield at_most(f"tests: {what}", {}, counts.get(what, 0), 0)
    yield at_least("tests: passed", {}, counts.get("passed", 0), 1)
    yield Finding("tests: skipped", {}, counts.get("skipped", 0))
    yield at_most("exit status of pytest", {}, done.returncode, 0)


def marked(tests: Path) -> list[str]:
    """The files below a folder that have marked tests; none where there is no such folder."""
    return [str(p) for p in sorted(tests.rglob("test_*.py")) if _MARK in p.read_text("utf-8")]


def counted(output: str) -> dict[str, int]:
    """How many tests passed, failed, ..., as the last line of pytest says."""
    last = (output.strip().splitlines() or [""])[-1]
    return {what.removesuffix("s"): int(number) for number, what in _COUNTED.findall(last)}
