"""Two engines score alike, and where they do not it is said."""

from pathlib import Path
from typing import Any

import pytest

from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.evaluation.engines import cross_check
from rgmp.evaluation.scoring import score


def test_engines_that_agree(videos: Videos, masks: Path) -> None:
    rows = score(videos, masks, variant="full", seed=0)
    assert cross_check(rows, rows) == 0
    others = [*rows[:-1], rows[-1]._replace(F=rows[-1].F - 5e-7)]
    assert cross_check(rows, others) == pytest.approx(5e-7)


@pytest.mark.parametrize("wrong", [{"J": 0.4}, {"F": float("nan")}])
def test_engines_that_disagree(videos: Videos, masks: Path, wrong: dict[str, Any]) -> None:
    rows = score(videos, masks, variant="full", seed=0)
    others = [row._replace(**wrong) if i == 3 else row for i, row in enumerate(rows)]
    with pytest.raises(UserError, match=r"davis2017, full: bee, object 2, frame 00002: J 1\.0, "):
        cross_check(rows, others)
