"""Protocols: what is known to differ, what is not known, and how it is told."""

from pathlib import Path
from typing import Any

import pytest

from rgmp.config.load import validated
from rgmp.config.protocol import DECISIVE, Protocol
from rgmp.errors import UserError

OURS = Protocol(
    training_data=("imagenet", "stills", "davis2017"),
    online_finetuning=False,
    input_size="480p",
    scales=(0.5, 0.75, 1.0),
    flips=False,
    precision="fp32",
    fps_counts="whole_clip",
    hardware="H200",
    source="this study",
)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"training_data": ("unknown",)}, []),
        ({"training_data": ("youtube_vos", "unknown")}, ["also trained on YouTube-VOS"]),
        ({"training_data": ("davis2017", "unknown")}, []),
        (
            {"training_data": ("bl30k", "davis2017", "imagenet")},
            ["also trained on BL30K", "not trained on stills"],
        ),
        ({"online_finetuning": True}, ["online fine-tuning"]),
        ({"online_finetuning": "unknown"}, []),
        ({"scales": (1.0,), "flips": True}, ["scales 1", "flips"]),
        ({"input_size": "600p", "precision": "fp16"}, ["input 600p", "fp16"]),
        ({"fps_counts": "network", "hardware": "Titan X", "source": "a README"}, []),
    ],
)
def test_what_is_known_to_differ_is_told(changed: dict[str, Any], words: list[str]) -> None:
    assert OURS.model_copy(update=changed).unlike(OURS) == words


def test_the_other_way_round_it_is_what_is_lacking() -> None:
    other = OURS.model_copy(update={"online_finetuning": True, "flips": True})
    assert OURS.unlike(other) == ["no online fine-tuning", "no flips"]
    given = Protocol(training_data=("davis2017",))
    assert given.unlike(OURS) == ["not trained on ImageNet, stills"]
    assert Protocol(training_data=("unknown",)).unlike(given) == []


def test_unknown_is_a_value_that_differs_from_nothing_and_equals_nothing() -> None:
    nothing = Protocol()
    assert nothing.unlike(OURS) == OURS.unlike(nothing) == nothing.unlike(nothing) == []
    assert nothing.unknowns(OURS) == OURS.unknowns(nothing) == [*DECISIVE]
    assert OURS.unknowns(OURS) == []
    partly = OURS.model_copy(update={"training_data": ("davis2017", "unknown")})
    assert partly.unknowns(OURS) == ["training_data"]
    assert {*nothing.told.values()} == {"unknown"}
    assert nothing.told.keys() == OURS.told.keys() == Protocol.model_fields.keys()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"finetuning": True}, "unknown key finetuning; allowed there: training_data, online_fine"),
        ({"training_data": []}, "training_data"),
        ({"training_data": ["davis2017", "davis2017"]}, "duplicate davis2017"),
        ({"training_data": ["Youtube"]}, "training_data.0 (='Youtube')"),
        ({"flips": "perhaps"}, "flips"),
        ({"hardware": ""}, "hardware"),
    ],
)
def test_fields_are_closed(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        validated(Protocol, given, Path("study.yaml"))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
