"""What tells one scoring from another, and what does not."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rgmp.data.videos import Videos
from rgmp.evaluation.job import ScoringJob

VIDEOS = Videos(davis=Path("davis"), benchmark="davis2017")
ROOT: dict[str, Any] = {
    "videos": VIDEOS,
    "source": "masks",
    "out": "scores.csv",
    "reads": {"data": "1a"},
}
SAME: list[dict[str, Any]] = [
    {"videos": VIDEOS.model_copy(update={"davis": Path("elsewhere")})},
    {"source": "elsewhere"},
    {"out": "elsewhere.csv"},
    {"record": "record.json"},
    {"processes": 2},
    {"strict": True},
    {"cross_check": "require"},
]
OTHER: list[dict[str, Any]] = [
    {"videos": VIDEOS.model_copy(update={"benchmark": "davis2016"})},
    {"videos": VIDEOS.model_copy(update={"split": "train"})},
    {"videos": VIDEOS.model_copy(update={"resolution": "1080p"})},
    {"videos": VIDEOS.model_copy(update={"sequences": ("dogs",)})},
    {"adopts": True},
    {"engine": "official"},
    {"variant": "full"},
    {"seed": 0},
    {"reads": {"data": "2b"}},
]


def digest(**change: Any) -> str:
    return ScoringJob.model_validate({**ROOT, **change}).digest


@pytest.mark.parametrize("change", SAME, ids=str)
def test_where_files_lie_and_how_many_share_the_work_change_no_digest(
    change: dict[str, Any],
) -> None:
    assert digest(**change) == digest()


@pytest.mark.parametrize("change", OTHER, ids=str)
def test_what_can_change_a_row_changes_the_digest(change: dict[str, Any]) -> None:
    assert digest(**change) != digest()


def test_every_key_either_changes_the_digest_or_is_known_not_to() -> None:
    """A key that is added has to be tried here."""
    tried = {key for change in (*SAME, *OTHER) for key in change}
    assert tried == ScoringJob.model_fields.keys()


@pytest.mark.parametrize("wrong", [{"processes": 0}, {"seed": -1}, {"evaluation": {}}], ids=str)
def test_a_scoring_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        digest(**wrong)


def test_a_table_of_no_training_has_no_seed() -> None:
    job = ScoringJob.model_validate(ROOT)
    assert (job.seed, job.variant, job.record) == (None, None, None)
