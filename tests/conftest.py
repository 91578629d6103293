"""What every test may ask for."""

import ast
import gc
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from support import forked
from support.fork_server import fork_servers
from support.mirrors import FORKING_SUBPROCESS
from support.tiny_study import write_tree

from rgmp.runtime.cores import usable_cores

# The workers of pytest-xdist share the cores; torch reads these when a test first imports it.
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // int(workers))))
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # a thread that waits leaves its core

# Garbage is collected seldom: nearly all that imports and tests make is freed without.
gc.set_threshold(100_000, 20, 20)

TESTS = Path(__file__).parent
SHARED = TESTS.parents[1] / "shared"
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder there that others cannot enter
ROOM = 4 * 2**30  # bytes: several times what all tests leave


def _is_free(folder: Path) -> bool:
    """Whether a folder has room for the files of all tests, and may hold commands."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize > ROOM and not found.f_flag & os.ST_NOEXEC


# A file of a test that has to be on the disk makes it wait for the disk: in memory it does not.
if _is_free(MEMORY):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.hookimpl(optionalhook=True)  # pytest-xdist need not be there
def pytest_xdist_auto_num_workers() -> int:
    """One more than the cores, since many a test waits for another process; at most eight."""
    return min(usable_cores() + 1, 8)


def pytest_configure(config: pytest.Config) -> None:
    """Start the processes that fork programs, for all workers of pytest-xdist."""
    if forked.VARIABLE not in os.environ:  # a worker's is its parent's
        started = ExitStack()
        os.environ[forked.VARIABLE] = started.enter_context(fork_servers())
        started.callback(os.environ.pop, forked.VARIABLE)
        config.add_cleanup(started.close)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Undo what a test that runs a command here has asked of torch: threads and determinism."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    done = yield
    if torch and threads:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode("default")
    return done


def pytest_collection_finish() -> None:
    """Look for garbage in nothing of what is imported by now."""
    gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real frames and known answers beside the project, where there is one."""
    if not (SHARED / "golden").is_dir():
        pytest.skip("../shared with real frames and known answers is not here")
    return SHARED


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pristine")
    write_tree(root)
    return root / "davis"


@pytest.fixture
def tree(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "davis")


@pytest.fixture
def forked_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `rgmp track` fork its process, not start a new interpreter; all else is as it is."""
    monkeypatch.setattr("rgmp.tracking.track.subprocess", FORKING_SUBPROCESS)


@pytest.fixture
def browse(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Chromium without a window: what a page is when its scripts have run, and what they said."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("no chromium is installed")

    def browse(address: str, width: int, *flags: str) -> tuple[str, str]:
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        command += [f"--user-data-dir={tmp_path}/browser", f"--window-size={max(width, 500)},900"]
        command += [*flags, "--enable-logging=stderr", "--virtual-time-budget=20000", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return done.stdout, "\n".join(console)

    return browse


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs torch, if it is asked for, and run the fast tests first.

    Workers take whole classes and files, so that what is made once stays in one of them. There
    those with slow tests come first.
    """
    if "torch" in config.getoption("markexpr"):  # to read every test for it takes seconds
        for item in items:
            if _imports_torch(item.path):
                item.add_marker("torch")
    _skip_without_gpu([item for item in items if item.get_closest_marker("cuda")])
    items.sort(key=_is_slow)
    if workers:
        items.sort(key=_order(items))


def _order(items: list[pytest.Item]) -> Callable[[pytest.Item], tuple[bool, int, int]]:
    """In which order workers take classes and files, as a key to sort tests by.

    First those with the most slow tests, but only one class of a file: the others would wait until
    it has made what they share.
    """
    slow = Counter(_scope(item) for item in items if _is_slow(item))
    turns: dict[str, int] = {}
    taken: Counter[Path] = Counter()
    paths = {_scope(item): item.path for item in items}
    for scope, _ in slow.most_common():
        turns[scope] = taken[paths[scope]]
        taken[paths[scope]] += 1

    def place(item: pytest.Item) -> tuple[bool, int, int]:
        scope = _scope(item)
        return scope not in slow, turns.get(scope, 0), -slow[scope]

    return place


def _skip_without_gpu(items: list[pytest.Item]) -> None:
    """Skip the tests that need a GPU where there is none."""
    if not items:
        return
    import torch

    if not torch.cuda.is_available():
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs a GPU, and PyTorch sees none"))


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def _scope(item: pytest.Item) -> str:
    """The class or file of a test, as `--dist loadscope` divides them."""
    return item.nodeid.rpartition("::")[0]


@cache
def _imports_torch(path: Path) -> bool:
    """Whether a test imports torch somewhere, or a module of ours that does at its top."""
    is_test = path.is_relative_to(TESTS)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree) if is_test else tree.body:
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    files = [
        root / f"{name.replace('.', '/')}.py" for root in (TESTS.parent, TESTS) for name in names
    ]
    return any(name.partition(".")[0] == "torch" for name in names) or any(
        _imports_torch(file) for file in files if file.is_file()
    )
