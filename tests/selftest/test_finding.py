"""What a finding says, on a line and in JSON."""

import json

from rgmp.selftest.finding import Finding, at_least, at_most, required


def test_a_line_has_conditions_interval_and_limit() -> None:
    found = Finding("ratio", {"of": "steps", "objects": 2}, 1.23456789, "x", 1.2, 1.25)
    assert found.line == "ratio (of steps, objects 2): 1.23457 [1.2, 1.25] x"
    assert at_least("labels equal", {}, 0.5, 0.999).line.endswith("0.5   [>= 0.999: DOES NOT HOLD]")
    assert required("same bits", {}, True).line == "same bits: yes   [true: holds]"


def test_limits_include_their_ends_and_nan_keeps_none() -> None:
    assert at_least("x", {}, 1.0, 1.0).holds
    assert at_most("x", {}, 1.0, 1.0).holds
    assert not at_least("x", {}, 0.999, 1.0).holds
    assert not at_most("x", {}, 1.001, 1.0).holds
    nan = float("nan")
    assert not at_least("x", {}, nan, 1.0).holds
    assert not at_most("x", {}, nan, 1.0).holds


def test_what_is_not_finite_is_json_all_the_same() -> None:
    found = Finding("x", {}, float("nan"), low=float("-inf"), high=1.0).as_json()
    assert (found["value"], found["low"], found["high"]) == ("nan", "-inf", 1.0)
    json.dumps(found, allow_nan=False)
