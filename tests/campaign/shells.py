"""What only a real command line shows: streams that are full or closed, and signals."""

from collections.abc import Iterator

from campaign.case import Case, Expected
from campaign.paths import SCORE
from campaign.workspace import PLANNED

PLAN = "rgmp plan tiny.yaml"
SCORED = f"rgmp {' '.join(SCORE)} --scores scores.csv"
"""Of scores, not of masks: it says nothing of its progress."""
PRINTING = {  # command: what it makes
    PLAN: PLANNED,
    "rgmp check davis": (),
    SCORED: ("out.csv",),
}
IN_ASCII = "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"
UNHEARD = frozenset({0, 1, 2, 120, 141})
"""Statuses of a command whose reader has gone; 120 is Python's for a stream that is full."""
HIDDEN = (".*", "*/.*")
"""What is being written; a killed command leaves it, and no reader takes it for whole."""


def shell_cases() -> Iterator[Case]:
    """A few commands each; every one starts an interpreter, so they are few."""
    for command, makes in PRINTING.items():
        name = " ".join(command.split()[:2])
        yield _case(f"{name} > /dev/full", f"{command} > /dev/full", Expected.REFUSED, makes)
        gone = f"set -o pipefail; {command} | true"
        yield _case(f"{name} | true", gone, Expected.EITHER, makes, UNHEARD)
        yield _case(f"{name} >&-", f"{command} >&-", Expected.EITHER, makes, UNHEARD)
    yield _case("help | true", "rgmp --help | true", Expected.ACCEPTED)
    nothing = "rgmp check absent"
    yield _case("check 2>&-", f"{nothing} 2>&-", Expected.REFUSED, (), UNHEARD - {0})
    full = f"{nothing} 2> /dev/full"
    yield _case("check 2> /dev/full", full, Expected.REFUSED, (), UNHEARD - {0})
    yield _case("plan <&-", f"{PLAN} <&-", Expected.ACCEPTED, PLANNED)
    yield _case("plan in ASCII", f"{IN_ASCII} {PLAN}", Expected.ACCEPTED, PLANNED)
    umlaut = f"{IN_ASCII} rgmp check grün --split val"
    yield _case("check of a missing name, in ASCII", umlaut, Expected.REFUSED)
    # the pipe, for the limit holds for the file of what is said, too
    small = f"(ulimit -f 0; {SCORED}) 2>&1 | cat >&2; exit ${{PIPESTATUS[0]}}"
    yield _case("score, into files of no bytes", small, Expected.REFUSED)
    for signal, status in (("INT", 130), ("TERM", 143)):
        # with -m the shell lets a job in the background be interrupted
        begun = "set -m; rgmp mini out & until compgen -G '*out*' || compgen -G '.out*'"
        # without job control the shell does not report the end of a job that ended before `wait`
        stopped = f"{begun}; do sleep 0.05; done > /dev/null; set +m; kill -{signal} %1; wait $!"
        ends = frozenset({0, status})
        yield _case(f"mini, SIG{signal}", stopped, Expected.EITHER, (*HIDDEN, "out*"), ends)
    shared = f"rgmp {' '.join(SCORE)} --masks masks --processes 2"
    yield _case("score in two processes", shared, Expected.ACCEPTED, ("out.csv",))


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
