"""The code that a job ran: commit, sources, versions of packages."""

import ast
import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NotRequired

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

import rgmp
from rgmp import __version__
from rgmp.runtime.files import (
    digest_of,
    digest_of_file,
    files_below,
)


class Code(TypedDict):
    """Which code ran."""

    commit: str | None  # None: not run from a git checkout of this project
    dirty: bool | None  # changed or untracked files in the checkout; ignored ones do not count
    sources: str  # SHA-256 of every .py of the package
    lock: NotRequired[str | None]  # SHA-256 of requirements.lock; None: not run from a checkout


def running_code() -> Code:
    """The code as it is on the disk now."""
    package = _package()
    commit, dirty = _commit(package)
    lock = package.parent / "requirements.lock"
    locked = digest_of_file(lock) if lock.is_file() else None
    return Code(commit=commit, dirty=dirty, sources=package_sources(), lock=locked)


def sources_of(*modules: str) -> str:
    """SHA-256 of the text that a job rests on, wherever the package lies (`source_files`)."""
    package = _package()
    files = source_files(*modules)
    return digest_of({str(path.relative_to(package)): digest_of_file(path) for path in files})


def source_files(*modules: str) -> list[Path]:
    """Modules, what they import of this package, and the data files beside any of them.

    Imports count at the top of a file as in a function.

    Args:
        modules: such as `rgmp.evaluation.scoring`.
    """
    package = _package()
    found: set[Path] = set()
    waiting = [_file_of(module) for module in modules]
    while waiting:
        file = waiting.pop()
        if file is not None and file not in found:
            found.add(file)
            waiting += [_file_of(name) for name in _imported_by(file)]
    beside = {
        path
        for folder in {file.parent for file in found} - {package}
        for path in folder.iterdir()
        if path.is_file() and path.suffix not in {".py", ".pyc"} and path.name[0] != "."
    }
    return sorted(found | beside)


def _package() -> Path:
    return Path(rgmp.__file__).parent


def _file_of(module: str) -> Path | None:
    """The file of one of our modules; None for a room, for what is in a module, for others."""
    path = _package().parent / f"{module.replace('.', '/')}.py"
    if path.is_file():
        return path
    # facts has its code in its __init__
    path = path.with_suffix("") / "__init__.py"
    return path if module.startswith("rgmp.") and path.is_file() else None


@cache
def _imported_by(file: Path) -> tuple[str, ...]:
    """Every name that a file imports of this package, and what it might be a part of.

    Kept, for the rules of the workflow rest on the same modules several times over.
    """
    return tuple(_imports(ast.parse(file.read_text(encoding="utf-8"))))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("rgmp"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rgmp"):
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def package_sources() -> str:
    """SHA-256 of every .py of the package as it is now."""
    package = _package()
    paths = files_below(package, "*.py")
    return digest_of({str(path.relative_to(package)): digest_of_file(path) for path in paths})


def _commit(package: Path) -> tuple[str | None, bool | None]:
    """The commit and dirty flag of the checkout that `package` is part of, or None twice.

    A package installed under another project's checkout (its .venv) is no part of that.
    """
    if _git(package, "ls-files", "__init__.py") in {None, ""}:
        return None, None
    status = _git(package, "status", "--porcelain=v2", "--branch")
    if status is None:
        return None, None
    found = re.search(r"^# branch\.oid ([0-9a-f]+)$", status, re.MULTILINE)
    dirty = any(line and not line.startswith("#") for line in status.splitlines())
    return (found[1], dirty) if found else (None, None)


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints, or None where it is absent, fails or does not answer."""
    # no optional locks: jobs run side by side, and a commit may be in progress beside them
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    hook = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}  # set when a git hook is what runs us
    environment = {key: value for key, value in os.environ.items() if key not in hook}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


_PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pillow", "pandas", "snakemake", "mlflow")


def package_versions() -> dict[str, str]:
    """The installed versions of this package, of Python, and of what results depend on."""
    versions = {"rgmp": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
