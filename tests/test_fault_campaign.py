"""The fault campaign: that it calls right what is right, and that nothing it tries is wrong."""

import dataclasses

import pytest
from campaign.case import Case, Ending, Expected, Snapshot, judge
from campaign.schema import Prober
from fault_campaign import FAMILIES, choose
from support import forked

from rgmp.cli.main import COMMANDS
from rgmp.config.study import Study

REFUSED = Case("family", "name", ("plan", "x.yaml"), Expected.REFUSED)
ACCEPTED = Case("family", "name", ("plan", "x.yaml"), Expected.ACCEPTED, makes=("out/*",))
KEPT: Snapshot = {"work/x.yaml": ("file", "digest")}
CLEAN = Ending(2, "", "rgmp: x.yaml: not valid YAML\n", 0.1, 0, "", KEPT, KEPT)
MADE = Ending(0, "made\n", "1/1\n", 0.1, 0, "", KEPT, {**KEPT, "work/out/a": ("file", "other")})


def test_a_clean_refusal_and_what_makes_what_it_should_are_right() -> None:
    assert not judge(REFUSED, CLEAN).wrong
    assert not judge(ACCEPTED, MADE).wrong
    either = dataclasses.replace(ACCEPTED, expected=Expected.EITHER)
    assert not judge(either, CLEAN).wrong
    assert not judge(either, MADE).wrong


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": 0}, "accepted"),
        ({"status": 1}, "status 1"),
        ({"status": -11}, "signal 11"),
        ({"status": None}, "no end within"),
        ({"err": ""}, "0 lines"),
        ({"err": "rgmp: a\nrgmp: b\n"}, "2 lines"),
        ({"err": "Warning: a\n"}, "does not begin"),
        ({"err": "rgmp: Traceback (most recent call last): x\n"}, "traceback"),
        ({"err": "rgmp: \x1b[31mred\n"}, "control characters"),
        ({"out": "\r"}, "control characters"),
        ({"memory": 3 * 2**30}, "MiB"),
        ({"after": {}}, "deleted work/x.yaml"),
        ({"after": {"work/x.yaml": ("file", "other")}}, "changed work/x.yaml"),
        ({"after": {**KEPT, "work/new": ("file", "a")}}, "made work/new"),
        ({"after": {**KEPT, "tmp/new": ("file", "a")}}, "made tmp/new"),
    ],
)
def test_a_refusal_that_is_not_clean_is_wrong(change: dict[str, object], reason: str) -> None:
    ending = dataclasses.replace(CLEAN, **change)  # type: ignore[arg-type]
    assert reason in "; ".join(judge(REFUSED, ending).wrong)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": 2, "err": "rgmp: no\n"}, "refused"),
        ({"after": KEPT}, "made nothing like out/*"),
        ({"err": "/a/b.py:7: UserWarning: odd\n  warnings.warn(\n"}, "raw warning: /a/b.py:7"),
        ({"after": {**MADE.after, "work/surplus": ("file", "a")}}, "made work/surplus"),
    ],
)
def test_good_input_that_is_refused_or_makes_else_is_wrong(
    change: dict[str, object], reason: str
) -> None:
    ending = dataclasses.replace(MADE, **change)  # type: ignore[arg-type]
    assert reason in "; ".join(judge(ACCEPTED, ending).wrong)


def test_every_key_of_a_study_is_probed() -> None:
    faults = list(choose(["study keys"], each=0))
    for probe in Prober(Study).edges():
        key = ".".join(map(str, probe.path))
        assert any(case.name.startswith(f"{key} ") for case in faults), key


def test_every_command_is_tried_and_no_case_is_a_duplicate() -> None:
    cases = choose(each=0)
    tried = {case.arguments[0] for case in cases if case.arguments}
    assert {command.name for command in COMMANDS} <= tried
    assert len({(case.family, case.name) for case in cases}) == len(cases)
    assert {case.family for case in cases} == set(FAMILIES)
    assert [case.name for case in choose(seed=3)] == [case.name for case in choose(seed=3)]


def test_a_few_cases_of_each_family_go_right() -> None:
    """As `make faults` runs hundreds; a line for each wrong case is what fails."""
    done = forked.run("rgmp", "fault_campaign", ["--each", "1", "--without", "shells"])
    assert done.returncode == 0, done.stdout + done.stderr
