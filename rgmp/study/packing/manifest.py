"""What an archive of a study has, by which it is verified."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rgmp.config.base import NAME, Closed
from rgmp.config.load import validated
from rgmp.download.unpack import ArchiveError, Member
from rgmp.errors import refuse, shown
from rgmp.runtime.archives import Content

MANIFEST = "manifest.json"
MEMORY = "snakemake.json"
"""What Snakemake remembers of the files (`rgmp.study.packing.memory`)."""
CRATE = "ro-crate-metadata.json"
RESULTS = "results"
"""The folder of studies, in the archive as where Snakemake runs."""
_LARGEST = 2**27
"""Bytes of a manifest: that of 200,000 files, the most that are unpacked, has a quarter."""

Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Listed(Closed):
    """A member of an archive: its size in bytes, and SHA-256."""

    size: int = Field(ge=0)
    sha256: Digest


class Manifest(Closed):
    """All members of an archive but the manifest itself, by their paths in it."""

    format: Literal[1] = 1
    study: Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
    files: dict[str, Listed]

    @classmethod
    def of(cls, study: str, contents: Iterable[Content]) -> "Manifest":
        """The manifest of what is about to be packed."""
        files = {one.name: Listed(size=one.size, sha256=one.sha256) for one in contents}
        return cls(study=study, files=files)

    @property
    def folder(self) -> str:
        """The study's folder in the archive, with a slash at the end."""
        return f"{RESULTS}/{self.study}/"


def read_manifest(file: Path, members: Sequence[Member]) -> Manifest:
    """The manifest of an archive whose members it lists, each once and with its size.

    Raises:
        ArchiveError: there is none, or the archive has other members.
    """
    found = [member for member in members if member.path == Path(MANIFEST)]
    if len(found) != 1 or found[0].size > _LARGEST:
        raise ArchiveError(f"{file}: has no {MANIFEST}: no archive of `rgmp pack`; name one")
    try:
        value = json.loads(b"".join(found[0].blocks()))
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{file}: {MANIFEST} is not valid JSON ({error})") from error
    manifest = validated(Manifest, value, file / MANIFEST)
    refuse(f"{file}: {problem}" for problem in _differences(manifest, members))
    return manifest


def _differences(manifest: Manifest, members: Sequence[Member]) -> Iterator[str]:
    """In what the members of an archive are others than the manifest lists."""
    counts = Counter(member.path.as_posix() for member in members)
    sizes = {member.path.as_posix(): member.size for member in members}
    del counts[MANIFEST], sizes[MANIFEST]
    for name, count in counts.items():
        if count > 1:
            yield f"has {shown(name)} {count} times; not unpacked"
        elif name not in manifest.files:
            yield f"has {shown(name)}, which its {MANIFEST} does not list; not unpacked"
    for name, listed in manifest.files.items():
        if name not in sizes:
            yield f"lacks {shown(name)}, which its {MANIFEST} lists; fetch it again"
        elif sizes[name] != listed.size:
            yield f"{shown(name)} has {sizes[name]} bytes, not {listed.size}; fetch it again"
