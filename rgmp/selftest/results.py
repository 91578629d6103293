"""The results of a selftest: `selftest.json`, whole after every finding."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rgmp.errors import UserError
from rgmp.runtime.files import read_json, write_json

FILE = "selftest.json"
FORMAT = 1

Status = Literal["running", "done", "failed", "cut short", "interrupted", "no time", "not here"]
FAULTY: tuple[Status, ...] = ("running", "failed", "cut short", "interrupted", "no time")
"""Without what such a section should have found, nobody can say that all limits hold."""


@dataclass
class SectionResult:
    """What became of a section.

    Attributes:
        name, title: of the section.
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


def read(path: Path) -> dict[str, Any]:
    """Read `selftest.json`.

    Raises:
        UserError: it is missing, or not the results of a selftest.
    """
    value = read_json(path)
    if not (isinstance(value, dict) and value.get("format") == FORMAT and "sections" in value):
        raise UserError(f"{path}: not the results of a selftest; name another folder")
    return value
