"""Two engines score alike, and where they do not it is said."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.two_boxes import SHAPE, save

from rgmp.config.base import BENCHMARKS, Benchmark
from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.evaluation.engines import cross_check
from rgmp.evaluation.measures import MEASURES
from rgmp.evaluation.score_table import table_of
from rgmp.evaluation.scoring import score
from rgmp.evaluation.summary import per_object, summarise


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


HAS_OFFICIAL = importlib.util.find_spec("davis2017") is not None


@pytest.mark.skipif(not HAS_OFFICIAL, reason="davis2017-evaluation is absent: `make evaluator`")
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_official_engine_gives_the_same_rows(root: Path, masks: Path, benchmark: Benchmark) -> None:
    save(masks / "ant" / "00002.png", np.zeros(SHAPE, dtype=np.uint8))
    builtin, official = (
        score(Videos(davis=root, benchmark=benchmark), masks, variant="full", seed=0, engine=engine)
        for engine in ("builtin", "official")
    )
    for ours, theirs in zip(builtin, official, strict=True):
        assert theirs[:-2] == ours[:-2]
        assert theirs[-2:] == pytest.approx(ours[-2:], abs=1e-12)


@pytest.mark.skipif(not HAS_OFFICIAL, reason="davis2017-evaluation is absent: `make evaluator`")
def test_figures_are_those_of_a_whole_run_of_the_official_evaluator(
    videos: Videos, root: Path, masks: Path
) -> None:
    from davis2017.evaluation import DAVISEvaluation

    evaluation = DAVISEvaluation(str(root), "semi-supervised", "val")
    theirs = evaluation.evaluate(str(masks))
    rows = score(videos, masks, variant="full", seed=0)
    ours = summarise(per_object(table_of(rows))).iloc[0]
    figures = [np.mean(theirs[name][figure]) for name in "JF" for figure in "MRD"]
    assert [ours[measure] for measure in MEASURES[1:]] == pytest.approx(figures, abs=1e-12)


@pytest.mark.skipif(HAS_OFFICIAL, reason="davis2017-evaluation is here")
def test_official_engine_where_it_is_not_installed(videos: Videos, masks: Path) -> None:
    with pytest.raises(UserError, match="make evaluator"):
        score(videos, masks, variant="full", seed=0, engine="official")
