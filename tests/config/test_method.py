"""Which checkpoints a stage keeps."""

import pytest
from pydantic import ValidationError
from support.tiny_training import finetune, pretrain


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"steps": 200}, ()),
        ({"steps": 200, "save_interval": 10}, ()),
        ({"steps": 200, "save_interval": 10, "keep_last": 3}, (180, 190)),
        ({"steps": 205, "save_interval": 10, "keep_last": 3}, (185, 195)),
        ({"steps": 50_000, "keep_last": 4}, (48_500, 49_000, 49_500)),
        ({"steps": 3, "keep_last": 3}, (1, 2)),
    ],
)
def test_checkpoints_are_counted_back_from_the_last_step(
    settings: dict[str, int], steps: tuple[int, ...]
) -> None:
    assert finetune(**settings).earlier_checkpoints == steps
    assert pretrain().earlier_checkpoints == ()


@pytest.mark.parametrize("keep_last", [5, 6])
def test_more_checkpoints_than_fit_are_refused(keep_last: int) -> None:
    with pytest.raises(
        ValidationError, match=rf"keep_last \(={keep_last}\).* 10 steps apart, do not"
    ):
        finetune(steps=40, save_interval=10, keep_last=keep_last)
    assert finetune(steps=41, save_interval=10, keep_last=5).earlier_checkpoints[0] == 1
