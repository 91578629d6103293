"""What only a real command line shows: streams that are full or closed, and signals."""

from collections.abc import Iterator

from campaign.case import Case, Expected
from campaign.paths import INFER, SCORE
from campaign.workspace import PLANNED

PLAN = "rgmp plan tiny.yaml"
CHECK = "rgmp check davis"
SCORED = f"rgmp {' '.join(SCORE)} --masks masks"
QUIET = frozenset({0, 1, 2, 120, 141})
"""Statuses of a command whose reader has gone: any but those of a fault of ours, without a word."""
HIDDEN = (".*", "*/.*")
"""What is being written; a killed command leaves it, and no reader takes it for whole."""


def shell_cases() -> Iterator[Case]:
    """A few commands each; every one starts an interpreter, so they are few."""
    for command, makes in (
        (PLAN, PLANNED),
        (CHECK, ()),
        (SCORED, ("out.csv",)),
        ("rgmp --help", ()),
    ):
        yield _case(
            f"{command[:12]} > /dev/full", f"{command} > /dev/full", Expected.REFUSED, makes
        )
        gone = f"set -o pipefail; {command} | true"
        yield _case(f"{command[:12]} | true", gone, Expected.EITHER, makes, QUIET)
        closed = frozenset({0, 1, 2})
        yield _case(f"{command[:12]} >&-", f"{command} >&-", Expected.EITHER, makes, closed)
    yield _case(
        "check of nothing 2>&-", "rgmp check absent 2>&-", Expected.REFUSED, (), frozenset({2})
    )
    full = "rgmp check absent 2> /dev/full"
    yield _case("check of nothing 2> /dev/full", full, Expected.REFUSED, (), frozenset({1, 2, 120}))
    yield _case("plan with its input closed", f"{PLAN} <&-", Expected.ACCEPTED, PLANNED)
    ascii_only = f"LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {PLAN}"
    yield _case("plan in ASCII", ascii_only, Expected.ACCEPTED, PLANNED)
    named = "mv davis grün && LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 rgmp check grün"
    yield _case(
        "check of a name in ASCII",
        f"{named} --split none; s=$?; mv grün davis; exit $s",
        Expected.REFUSED,
    )
    yield _case(
        "files of few bytes",
        f"ulimit -f 0; {SCORED} 2>&1 | cat >&2; exit ${{PIPESTATUS[0]}}",
        Expected.REFUSED,
    )
    for name, status in (("INT", 130), ("TERM", 143)):
        stopped = f"timeout --preserve-status -s {name} 4 rgmp mini out"
        makes = (*HIDDEN, "out*")
        yield _case(f"mini with SIG{name}", stopped, Expected.EITHER, makes, frozenset({0, status}))
        inferring = f"timeout --preserve-status -s {name} 5 rgmp {' '.join(INFER)} --masks out"
        makes = (*HIDDEN, "out", "out/*")
        yield _case(
            f"infer with SIG{name}", inferring, Expected.EITHER, makes, frozenset({0, status})
        )
    yield _case(
        "score in two processes", f"{SCORED} --processes 2", Expected.ACCEPTED, ("out.csv",)
    )


def _case(
    name: str,
    shell: str,
    expected: Expected,
    makes: tuple[str, ...] = (),
    statuses: frozenset[int] = frozenset(),
) -> Case:
    return Case(
        family="shells",
        name=name,
        arguments=(),
        expected=expected,
        makes=makes,
        shell=shell,
        statuses=statuses,
    )
