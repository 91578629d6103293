"""What the documents say that can be checked: commands, links, headings, and blocks of YAML."""

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DOCUMENTS = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "ablations/README.md")),
    *sorted((PROJECT / "docs").glob("*.md")),
]

_NOTE = r"""
command_not_found_handle() { printf '%s\x1f' "$@" >&3; printf '\x1e' >&3; }
cd() { :; }
source() { :; }
PATH=/nowhere
EDITOR=editor
"""
"""Bash that runs nothing: every command is not found, and written down."""


def blocks(path: Path, language: str) -> list[str]:
    """The code blocks of a language in a document."""
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands_of(block: str) -> list[tuple[str, ...]]:
    """The commands of a block for the shell, each with its arguments, as bash reads them.

    Raises:
        subprocess.CalledProcessError: bash cannot read it.
    """
    with tempfile.NamedTemporaryFile() as noted:
        subprocess.run(
            ["bash", "--norc", "-ec", f"exec 3>'{noted.name}'\n{_NOTE}\n{block}"],
            env={"HOME": os.environ.get("HOME", "/")},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        lines = Path(noted.name).read_text(encoding="utf-8").split("\x1e")[:-1]
    return [tuple(line.split("\x1f")[:-1]) for line in lines]


def commands() -> list[tuple[str, ...]]:
    """The commands of all blocks for the shell, each once, in the order of the documents."""
    found = [
        command
        for document in DOCUMENTS
        for block in blocks(document, "sh")
        for command in commands_of(block)
    ]
    return [*dict.fromkeys(found)]


def prose(path: Path) -> str:
    """A document without its blocks of code."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def inline(path: Path) -> list[str]:
    """What stands between backticks, outside blocks of code."""
    return _inline(prose(path))


def _inline(text: str) -> list[str]:
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)]


def inline_commands() -> list[tuple[str, ...]]:
    """The command lines of ours that stand in sentences, each once; those in quoted errors do not.

    What is not known there is a word in capitals, such as FOLDER.
    """
    found = [
        tuple(shlex.split(said))
        for document in DOCUMENTS
        for said in _inline(re.sub(r"^>.*$", "", prose(document), flags=re.MULTILINE))
        if said.startswith("rgmp ")
    ]
    return [*dict.fromkeys(found)]


def links(path: Path) -> Iterator[tuple[Path, str]]:
    """The files that a document links to, and the heading in them, if any."""
    for target in re.findall(r"\]\(([^)]+)\)", prose(path)):
        if not re.match(r"[a-z]+:", target):
            file, _, heading = target.partition("#")
            yield (path.parent / file).resolve() if file else path, heading


def headings(path: Path) -> set[str]:
    """The names by which a document's headings are linked to, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in found}
