"""The code that a job ran: commit, sources, package versions."""

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

LOCK = "requirements.lock"
"""The versions of all packages, in the checkout of this project."""


class Code(TypedDict):
    """The code that ran."""

    commit: str | None  # None: not run from a git checkout of this project
    # changed or untracked files in the checkout; ignored ones do not count, nor do results
    dirty: bool | None
    sources: str  # SHA-256 of every .py of the package
    lock: NotRequired[str | None]  # SHA-256 of requirements.lock; None: not run from a checkout


def in_words(code: Code) -> str:
    """The commit, such as `1a2b3c4d5e (dirty)`; `unknown` without one."""
    if code["commit"] is None:
        return "unknown"
    return code["commit"][:10] + (" (dirty)" if code["dirty"] else "")


def running_code() -> Code:
    """The code as it is on disk now."""
    package = _package()
    commit, dirty = _commit(package)
    lock = checkout() / LOCK
    locked = digest_of_file(lock) if lock.is_file() else None
    return Code(commit=commit, dirty=dirty, sources=package_sources(), lock=locked)


def checkout() -> Path:
    """The folder of the checkout that this package is in, if it is in one."""
    return _package().parent


def sources_of(*modules: str) -> str:
    """SHA-256 of the sources that a job depends on (`source_files`), wherever the package is."""
    package = _package()
    files = source_files(*modules)
    return digest_of({str(path.relative_to(package)): digest_of_file(path) for path in files})


def source_files(*modules: str) -> list[Path]:
    """Modules, everything they import from this package, and data files next to any of them.

    Imports inside functions count too.

    Args:
        modules: such as `rgmp.evaluation.scoring`.
    """
    package = _package()
    found: set[Path] = set()
    waiting = [file for module in modules if (file := _file_of(package, module))]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imported_by(package, file)
    beside = {
        path
        for folder in {file.parent for file in found} - {package}
        for path in folder.iterdir()
        if path.is_file() and path.suffix not in {".py", ".pyc"} and path.name[0] != "."
    }
    return sorted(found | beside)


def _package() -> Path:
    return Path(rgmp.__file__).parent


@cache
def _file_of(package: Path, module: str) -> Path | None:
    """The file of one of our modules; None for a package, for a module's member, for others."""
    path = package.parent / f"{module.replace('.', '/')}.py"
    if path.is_file():
        return path
    # facts has its code in its __init__
    path = path.with_suffix("") / "__init__.py"
    return path if module.startswith("rgmp.") and path.is_file() else None


@cache
def _imported_by(package: Path, file: Path) -> tuple[Path, ...]:
    """The files of this package that one of them imports.

    Cached, because the workflow's rules depend on the same modules many times.
    """
    names = _imports(ast.parse(file.read_text(encoding="utf-8")))
    return tuple(found for name in names if (found := _file_of(package, name)))


def _imports(tree: ast.Module) -> Iterator[str]:
    """Every name that is imported from this package, and the modules it may belong to.

    An import is a statement, so no expression is looked into: they are most of a tree.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("rgmp"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rgmp"):
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)
        else:
            for part in ("body", "orelse", "finalbody", "handlers", "cases"):
                waiting += getattr(node, part, ())


def package_sources() -> str:
    """SHA-256 of every .py of the package as it is now."""
    package = _package()
    paths = files_below(package, "*.py")
    return digest_of({str(path.relative_to(package)): digest_of_file(path) for path in paths})


def _commit(package: Path) -> tuple[str | None, bool | None]:
    """The commit and dirty flag of the checkout that contains `package`, or None twice.

    A package installed inside another project's checkout (its .venv) is not part of it. Results are
    no code: jobs may write tracked ones.
    """
    if _git(package, "ls-files", "__init__.py") in {None, ""}:
        return None, None
    code = (".", ":(exclude)results")
    status = _git(package.parent, "status", "--porcelain=v2", "--branch", "--", *code)
    if status is None:
        return None, None
    found = re.search(r"^# branch\.oid ([0-9a-f]+)$", status, re.MULTILINE)
    dirty = any(line and not line.startswith("#") for line in status.splitlines())
    return (found[1], dirty) if found else (None, None)


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git, or None if it is absent, fails or times out."""
    # no optional locks: other jobs, or a commit, may run at the same time
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    hook = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}  # set if a git hook runs us
    environment = {key: value for key, value in os.environ.items() if key not in hook}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


_EVALUATOR = ("davis2017", "opencv-python-headless", "opencv-python", "scikit-image")
"""The official evaluator with what measures J and F there; no registry has it, nor its list."""


def package_versions() -> dict[str, str]:
    """The versions of this package, of Python, and of what the package requires or may use."""
    versions = {"rgmp": __version__, "python": platform.python_version()}
    for package in (*_required(), *_EVALUATOR):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _required() -> Iterator[str]:
    """The names of the packages that this one requires, without those of its extras."""
    try:
        requirements = importlib.metadata.requires("rgmp") or []
    except importlib.metadata.PackageNotFoundError:  # run from its sources, not installed
        return
    for requirement in requirements:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if name and "extra ==" not in requirement:
            yield name[0].lower()
