"""Score tables are read as they were written; anything else is named."""

from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.evaluation.score_table import (
    SCORE_DTYPES,
    read_scores,
    require_scores,
    table_of,
    write_scores,
)
from rgmp.evaluation.scoring import score

HEADER = "benchmark,variant,seed,sequence,object,frame,J,F\n"


def test_a_table_is_read_as_it_was_written(videos: Videos, masks: Path, tmp_path: Path) -> None:
    rows = score(videos, masks, variant="full", seed=0)
    assert any(len(repr(row.F)) > 10 for row in rows)
    path = tmp_path / "scores" / "seed0.csv"
    for seed, shown in ((0, "0"), (None, "")):
        scores = table_of(row._replace(seed=seed) for row in rows)
        write_scores(path, scores)
        require_scores(path)
        lines = [
            f"davis2017,full,{shown},{r.sequence},{r.object},{r.frame},{r.J!r},{r.F!r}\n"
            for r in rows
        ]
        assert path.read_text() == "".join([HEADER, *lines])
        assert_frame_equal(read_scores(path, "snakemake"), scores)
        assert read_scores(path, "snakemake").dtypes.astype("str").to_dict() == SCORE_DTYPES


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER,
        "sequence,object\nant,1\n",
        HEADER[:-1] + ",J\ndavis2016,full,0,ant,1,00001,0.5,0.5,0.5\n",
        "\ufeff" + HEADER + "davis2016,full,0,ant,1,00001,0.5,0.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5,0.5\0\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5,most\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5,81.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,nan,0.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,,0.5\n",
        HEADER + "davis2016,full,0,ant,,00001,0.5,0.5\n",
        HEADER + "davis2016,full,0.5,ant,1,00001,0.5,0.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5,0.5,0.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5,0.5\n\ndavis2016,full,0,ant,1,00002,0.5,0.5\n",
        HEADER + 'davis2016,full,0,"ant,1,00001,0.5,0.5\n',
        HEADER + "davis2016,full,zero,ant,1,00001,0.5,0.5\n",
        "\x00",
    ],
)
def test_no_table_of_scores(tmp_path: Path, text: str) -> None:
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(
        UserError, match=r"scores.csv: not a score table \(.*\); remove it and run `snakemake`"
    ):
        read_scores(tmp_path / "scores.csv", "snakemake")


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "scores.csv", tmp_path):
        with pytest.raises(UserError, match=r"cannot be read .* run `snakemake` to write it"):
            read_scores(path, "snakemake")
