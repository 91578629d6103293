"""The results of a selftest: `selftest.json`, whole after every finding."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rgmp.errors import UserError
from rgmp.runtime.files import read_json, write_json

FILE = "selftest.json"
FORMAT = 1

_OF_MACHINE = ("device", "gpu", "driver", "cuda", "cudnn", "torch", "cpu", "cores")

Status = Literal["running", "done", "failed", "cut short", "interrupted", "no time", "not here"]
FAULTY: tuple[Status, ...] = ("running", "failed", "cut short", "interrupted", "no time")
"""Without what such a section should have found, nobody can say that all limits hold."""


@dataclass
class SectionResult:
    """What became of a section.

    Attributes:
        name, title: of the section.
        started: when it began.
        status: `done`; `failed`, with its `traceback`; `cut short`: it took longer than there was
            time; `interrupted` by the user; `no time`: it did not begin for lack of time;
            `not here`: it cannot run in this place.
        reason: in a sentence, if it is not done.
        seconds: how long it took.
        findings: as JSON values.
        traceback: of what it failed with.
    """

    name: str
    title: str
    started: str = ""
    status: Status = "running"
    reason: str = ""
    seconds: float = 0.0
    findings: list[dict[str, Any]] = field(default_factory=list)
    traceback: str = ""

    @property
    def broken(self) -> list[dict[str, Any]]:
        """The findings whose limit does not hold."""
        return [finding for finding in self.findings if finding["holds"] is False]


@dataclass
class Results:
    """A run of the selftest, as far as it got.

    Attributes:
        folder: where `selftest.json` lies.
        run: how it was run: command, code, versions, machine, started, ...
        sections: those that have begun, or were passed over.
    """

    folder: Path
    run: dict[str, Any]
    sections: list[SectionResult] = field(default_factory=list)

    def write(self) -> None:
        """Write everything so far."""
        sections = [asdict(section) for section in self.sections]
        write_json(self.folder / FILE, {"format": FORMAT, **self.run, "sections": sections})

    @property
    def all_hold(self) -> bool:
        """Whether every limit holds, and nothing is lacking that could have been found here."""
        return all(not s.broken and s.status not in FAULTY for s in self.sections)


def comparable(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[SectionResult]:
    """The sections of an earlier run, if the same code ran on the same machine; else none.

    Files in the checkout that git does not track do not matter: results themselves may be some.

    Args:
        earlier: the results of that run, as `read` gives them.
        now: how this one is run: `code`, `versions` and `machine`.
    """
    if _decisive(earlier) != _decisive(now):
        return []
    return [SectionResult(**section) for section in earlier["sections"]]


def _decisive(run: Mapping[str, Any]) -> dict[str, Any]:
    """What the findings of two runs have to share to stand side by side."""
    return {
        "versions": run["versions"],
        **{key: run["code"].get(key) for key in ("commit", "sources", "lock")},
        **{key: run["machine"].get(key) for key in _OF_MACHINE},
    }


def read(path: Path) -> dict[str, Any]:
    """Read `selftest.json`.

    Raises:
        UserError: it is missing, or not the results of a selftest.
    """
    value = read_json(path)
    if not (isinstance(value, dict) and value.get("format") == FORMAT and "sections" in value):
        raise UserError(f"{path}: not the results of a selftest; name another folder")
    return value
