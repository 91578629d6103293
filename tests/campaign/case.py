"""What a case is: an input, what has to come of it, and the judgement of what did."""

import fnmatch
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

LISTING = {
    *("archive", "check", "check-masks", "compare", "infer", "pack", "score", "speed", "unpack"),
}
"""Commands that may list several problems, a line each."""
MEMORY = 2 * 2**30
"""Bytes that a command may take beyond what the interpreter with torch takes."""
MEMORY_OF_DIGESTS = "work/results/digests.json"
"""Sizes and times of what was digested: it may be written at any time, and says nothing."""
LIMIT = 20.0
"""Seconds until a command counts as one that hangs."""

Base = Literal["data", "study"]
Snapshot = dict[str, tuple[object, ...]]
"""What is at each path below a folder; `workspace.look` makes it."""


class Expected(Enum):
    """What has to come of a case."""

    REFUSED = "refused"
    ACCEPTED = "accepted"
    EITHER = "either"  # no document says which, but it ends well


def nothing(_: Path) -> None:
    """Leave the workspace as it is."""


@dataclass(frozen=True)
class Case:
    """One command on one input.

    Attributes:
        family: the group it is counted in.
        name: what is odd about the input; once a family.
        arguments: of `rgmp`; they are run in the workspace.
        expected: what has to come of it.
        prepare: makes the input of the workspace, which it is given.
        base: what the workspace is a copy of.
        says: has to be in the refusal; "": anything.
        makes: patterns of paths, from the workspace, that the command may make or replace and,
            where it is accepted, has to.
        shell: a command line for a real shell instead of `arguments`, in which `rgmp` is found.
        statuses: allowed instead of 0 and 2, of a command that is interrupted.
        as_nobody: runs as a user who may not read everything, unlike root.
    """

    family: str
    name: str
    arguments: tuple[str, ...]
    expected: Expected
    prepare: Callable[[Path], object] = nothing
    base: Base = "data"
    says: str = ""
    makes: tuple[str, ...] = ()
    shell: str = ""
    statuses: frozenset[int] = frozenset()
    as_nobody: bool = False

    @property
    def limit(self) -> float:
        """Seconds until it counts as hanging; figures, of `compare` too, take a third of that.

        So does `track` on a busy machine: it starts an interpreter that imports MLflow, and waits
        for a store for 30 seconds.
        """
        return 3 * LIMIT if {"compare", "figures", "track"} & {*self.arguments} else LIMIT

    @property
    def command(self) -> str:
        """As one would type it."""
        return self.shell or " ".join(["rgmp", *(_shortened(a) for a in self.arguments)])


@dataclass(frozen=True)
class Ending:
    """What a command left: `status` is negative where a signal ended it, None where it hung."""

    status: int | None
    out: str
    err: str
    seconds: float
    memory: int
    where: str
    before: Snapshot
    after: Snapshot


@dataclass(frozen=True)
class Verdict:
    """Whether a case went right: `wrong` says why not, a phrase a reason."""

    case: Case
    refused: bool
    wrong: tuple[str, ...]
    err: str
    seconds: float


def judge(case: Case, ending: Ending) -> Verdict:
    """Hold an ending against what has to come of the case."""
    accepted = ending.status == 0
    reasons = [*_ended_badly(case, ending), *_touched(case, ending, accepted)]
    if case.statuses:
        if ending.status not in case.statuses:
            reasons.append(f"status {ending.status}, not one of {sorted(case.statuses)}")
    elif accepted:
        if case.expected is Expected.REFUSED:
            reasons.insert(0, "accepted")
        elif lacking := _lacking(case, ending):
            reasons.append(f"made nothing like {', '.join(lacking)}")
    elif ending.status is not None:
        reasons += _refused_badly(case, ending)
    return Verdict(case, not accepted, tuple(reasons), ending.err, ending.seconds)


def _ended_badly(case: Case, ending: Ending) -> Iterator[str]:
    if ending.status is None:
        yield f"no end within {case.limit:g} s, in {ending.where}"
    elif ending.status < 0:
        yield f"ended by signal {-ending.status}"
    lines = ending.err.splitlines()
    if any("Traceback (most recent" in line or "Exception ignored" in line for line in lines):
        yield f"traceback: {_shortened(next(line for line in reversed(lines) if line))}"
    if raw_warning := next((x for x in lines if "Warning:" in x and x[:6] != "rgmp: "), ""):
        yield f"raw warning: {_shortened(raw_warning)}"
    if ending.memory > MEMORY:
        yield f"took {ending.memory / 2**20:.0f} MiB"
    for stream, text in (("output", ending.out), ("error", ending.err)):
        if raw := sorted({c for c in text if c != "\n" and _is_control(c)}):
            yield f"control characters on standard {stream}: {raw!r}"


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Zl", "Zp"}


def _touched(case: Case, ending: Ending, accepted: bool) -> Iterator[str]:
    """Name what changed and must not have."""
    before, after = ending.before, ending.after
    changed = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    strict = case.expected is Expected.EITHER and not accepted and not case.statuses
    allowed = () if strict else case.makes
    for path in changed:
        if path == MEMORY_OF_DIGESTS:
            continue
        inside = path.removeprefix("work/")
        if inside != path and any(fnmatch.fnmatchcase(inside, pattern) for pattern in allowed):
            continue
        what = "made" if path not in before else "deleted" if path not in after else "changed"
        yield f"{what} {_shortened(path)}"


def _lacking(case: Case, ending: Ending) -> list[str]:
    inside = [path.removeprefix("work/") for path in ending.after]
    return [pattern for pattern in case.makes if not fnmatch.filter(inside, pattern)]


def _refused_badly(case: Case, ending: Ending) -> Iterator[str]:
    if case.expected is Expected.ACCEPTED:
        yield "refused"
    if ending.status != 2:
        yield f"status {ending.status}"
    lines = ending.err.split("\n")[:-1] if ending.err else []
    if len(lines) != 1 and not (lines and case.arguments[:1] and case.arguments[0] in LISTING):
        yield f"{len(lines)} lines on standard error"
    if any(not line.startswith("rgmp: ") for line in lines):
        yield "a line that does not begin with `rgmp: `"
    if case.expected is Expected.REFUSED and case.says not in ending.err:
        yield f"does not say {case.says!r}"


def _shortened(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= 100 else f"{shown[:60]}... ({len(text)} characters)"
