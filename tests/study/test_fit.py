"""Proposals that fit into less memory, against all settings tried one by one."""

import itertools

import pytest

from rgmp.study.fit import Line, Need, Proposal, can_share, least, proposals

PLAIN, LEAN = Line(2.0, 3.0), Line(2.0, 1.0)


def need(batch: int, name: str = "full") -> Need:
    return Need(name, batch, {False: PLAIN, True: LEAN})


def test_two_steps_give_the_line() -> None:
    assert Line.through(5, 8).of(8) == 26
    assert Line.through(5, 5).of(8) == 5
    assert Line.through(5, 4).of(8) == 5, "noise of a step that takes nothing"


def test_the_least_parts_are_proposed() -> None:
    assert proposals([need(8)], 26, [1]) == [Proposal(1, False, 1, "full", 26)]
    assert proposals([need(8)], 15, [1]) == [
        Proposal(2, False, 1, "full", 14),
        Proposal(1, True, 1, "full", 10),
    ]
    assert proposals([need(8)], 4, [1]) == [Proposal(4, True, 1, "full", 4)]
    assert proposals([need(8)], 15, [2]) == [Proposal(1, False, 2, "full", 14)]
    assert proposals([need(8)], 2.5, [1, 2]) == []
    assert least([need(8)], 1) == Proposal(8, True, 1, "full", 3)


def test_several_processes_keep_the_gradients_beside() -> None:
    shared = need(8)._replace(shared=0.5)
    assert proposals([shared], 15, [1, 2]) == [
        Proposal(2, False, 1, "full", 14),
        Proposal(1, True, 1, "full", 10),
        Proposal(1, False, 2, "full", 14.5),
    ]
    assert proposals([shared], 14.25, [2])[0].accumulate == 2


def test_parts_divide_every_batch() -> None:
    needs = [need(16, "pretrain"), need(4, "finetune")]
    assert proposals(needs, 14, [1]) == [
        Proposal(4, False, 1, "pretrain", 14),
        Proposal(2, True, 1, "pretrain", 10),
    ]


def test_processes_that_can_share_every_batch() -> None:
    assert [count for count in range(1, 9) if can_share([16, 8], count)] == [1, 2, 4, 8]
    assert [count for count in range(1, 9) if can_share([2], count)] == [1, 2]
    assert can_share([16, 6], 2)
    assert not can_share([16, 6], 4), "four cannot share six"


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_least_is_a_sample_in_each_part_of_the_smallest_batch(processes: int) -> None:
    needs = [need(16, "pretrain"), need(4, "finetune")]
    assert least(needs, processes) == Proposal(4 // processes, True, processes, "pretrain", 6)


@pytest.mark.parametrize("limit", [3, 5, 8, 11, 14, 17, 26, 50])
def test_no_setting_with_fewer_parts_fits(limit: float) -> None:
    needs = [need(16, "pretrain"), need(8, "finetune")]
    for found in proposals(needs, limit, [1, 2]):
        assert found.bytes <= limit
        for parts, recompute in itertools.product((1, 2, 4, 8), (False, True)):
            if parts < found.accumulate and recompute == found.recompute:
                line = needs[0].lines[recompute]
                assert line.of(16 / parts / found.processes) > limit
