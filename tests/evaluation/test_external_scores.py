"""Someone else's score table is taken as it is, or everything that is wrong with it is listed."""

from collections import defaultdict
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from support.known_scores import table, tree_of
from support.two_boxes import FRAMES

from rgmp.data.videos import Videos
from rgmp.errors import ProblemsError, UserError
from rgmp.evaluation.external_scores import _read_given, adopt
from rgmp.evaluation.measures import Score
from rgmp.evaluation.score_table import SCORE_DTYPES, read_scores
from rgmp.evaluation.scoring import score


def given(path: Path, rows: list[Score], *more: str) -> Path:
    """A table as others write it: their own columns, rows in any order."""
    lines = [f"{r.F},{r.J},{r.sequence},{r.frame},{r.object},{r.benchmark},x" for r in rows]
    path.write_text("\n".join(["F,J,sequence,frame,object,benchmark,by", *lines[::-1], *more]))
    return path


def test_a_table_of_someone_elses_scores_is_taken_as_it_is(
    videos: Videos, root: Path, masks: Path, tmp_path: Path
) -> None:
    """But for other benchmarks, other sequences, and the first and the last frame."""
    rows = score(videos, masks, variant="theirs", seed=None)
    table = given(
        tmp_path / "theirs.csv",
        rows,
        "0.1,0.1,ant,00001,1,davis2016,x",
        "0.1,0.1,cow,00001,1,davis2017,x",
        "0.1,0.1,ant,00000,1,davis2017,x",
        f"0.1,0.1,bee,{FRAMES - 1:05d},2,davis2017,x",
    )
    assert adopt(videos, table, variant="theirs") == rows
    of_ant = adopt(
        Videos(davis=root, benchmark="davis2017", sequences=("ant",)), table, variant="theirs"
    )
    assert of_ant == [row for row in rows if row.sequence == "ant"]


def test_a_table_without_a_benchmark_is_of_the_one_that_is_asked_for(
    root: Path, masks: Path, tmp_path: Path
) -> None:
    rows = score(Videos(davis=root, benchmark="davis2016"), masks, variant="theirs", seed=None)
    table = given(tmp_path / "theirs.csv", rows)
    table.write_text(table.read_text().replace("benchmark", "data"))
    assert adopt(Videos(davis=root, benchmark="davis2016"), table, variant="theirs") == rows


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_table_may_come_from_any_editor(
    videos: Videos, masks: Path, tmp_path: Path, end: str, mark: str
) -> None:
    rows = score(videos, masks, variant="theirs", seed=None)
    table = given(tmp_path / "theirs.csv", rows, '0.1,0.1,cow,00001,1,davis2017,"two\nlines"')
    lines = table.read_text().split("\n")
    ends = [end if number % 2 else "\n" for number in range(len(lines))]
    text = mark + "".join(a + b for a, b in zip(lines, ends, strict=True))
    table.write_bytes(text.encode())
    assert adopt(videos, table, variant="theirs") == rows


@hypothesis.given(content=st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_a_table_or_named_in_one_line(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    for start in (b"", b"sequence,object,frame,J,F\n", f"{','.join(SCORE_DTYPES)}\n".encode()):
        path.write_bytes(start + content)
        for read in (
            lambda: _read_given(path, "davis2017"),
            lambda: read_scores(path, "snakemake"),
        ):
            refusals = []
            try:
                read()
            except UserError as error:
                refusals.append(str(error))
            assert all(line.startswith(f"{path}: ") for line in refusals)
            assert all(len(line.splitlines()) == 1 for line in refusals)


def test_lists_everything_that_is_wrong_with_a_table(
    videos: Videos, masks: Path, tmp_path: Path
) -> None:
    rows = score(videos, masks, variant="theirs", seed=None)
    kept = [r for r in rows if (r.sequence, r.object) != ("bee", 2) and r.frame != "00003"]
    table = given(
        tmp_path / "theirs.csv",
        kept,
        "0.5,0.5,ant,00001,1,davis2017,x",
        "0.5,81.5,ant,00003,1,davis2017,x",
        "nan,0.5,ant,00003,2,davis2017,x",
        "0.5,0.5,ant,00001,3,davis2017,x",
        "0.5,0.5,ant,3,2,davis2017,x",
        "0.5,0.5,ant,00001,first,davis2017,x",
        "0.5",
    )
    with pytest.raises(ProblemsError) as raised:
        adopt(videos, table, variant="theirs")
    message = str(raised.value)
    assert len(raised.value.problems) == 11
    assert all(problem.startswith(f"{table}: ") for problem in raised.value.problems)
    for fault in [
        "line 14: number of columns differs from the header",
        "ant, object 1, frame 00001: duplicate row",
        "ant, object 1, frame 00003: 81.5 is not in [0, 1]",
        "ant, object 2, frame 00003: nan is not in [0, 1]",
        "ant, object first, frame 00001: ",
        "ant: unknown object 3; allowed: 1 to 2",
        "ant, object 2: unknown frame 3",
        "ant, object 1: missing frame 00003",
        "ant, object 2: missing frame 00003",
        "bee, object 1: missing frame 00003",
        "bee, object 2: missing frame 00001, 00002, 00003",
    ]:
        assert fault in message


@pytest.mark.parametrize(
    ("share", "number"),
    [("0_0.5", "1"), ("5e-0_1", "1"), ("0.\u0665", "1"), ("0.5", "0_1"), ("0.5", "\u0661")],
)
def test_numbers_that_python_alone_reads_are_refused(
    videos: Videos, tmp_path: Path, share: str, number: str
) -> None:
    table = given(tmp_path / "theirs.csv", [], f"{share},0.5,ant,00001,{number},davis2017,x")
    with pytest.raises(ProblemsError, match=r"00001: \S+ is not a number in decimal or scientific"):
        adopt(videos, table, variant="theirs")


@pytest.mark.parametrize("share", ["0.5", ".5", "5E-1", "+5.0e-01", " 0.5 "])
def test_numbers_in_any_ordinary_notation_are_read(
    videos: Videos, masks: Path, tmp_path: Path, share: str
) -> None:
    rows = score(videos, masks, variant="theirs", seed=None)
    at = f"{rows[0].sequence},{rows[0].frame},{rows[0].object}"
    table = given(tmp_path / "theirs.csv", rows[1:], f"0.25,{share},{at},davis2017,x")
    assert adopt(videos, table, variant="theirs")[0] == rows[0]._replace(J=0.5, F=0.25)


def test_names_every_unknown_sequence(root: Path, tmp_path: Path) -> None:
    videos = Videos(davis=root, benchmark="davis2017", sequences=("cat", "ant", "dog"))
    with pytest.raises(UserError, match=r"^cat: unknown sequence; val has bee, ant; .*; dog: "):
        adopt(videos, tmp_path / "theirs.csv", variant="theirs")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"J,F\n",
        b"sequence,object,frame,J\nant,1,00001,0.5\n",
        b"sequence,object,frame,J,F,J\nant,1,00001,0.5,0.5,0.9\n",
        b"sequence,object,frame,J,F,x,x\nant,1,00001,0.5,0.5,1,1\n",
        b"sequence,object,frame,J,F\nant,1,00001,0.5,0.5\0\n",
        b"sequence,object,frame,J,F\n" + b"a" * 200_000 + b",1,00001,0.5,0.5\n",
        "sequence,object,frame,J,F\n".encode("utf-16"),
        b"\xff\x00",
        b'"',
    ],
)
def test_no_table_of_someone_elses_scores(root: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "theirs.csv").write_bytes(content)
    with pytest.raises(
        UserError, match=r"theirs.csv: not (a score table|UTF-8 text).* required columns"
    ):
        adopt(Videos(davis=root, benchmark="davis2016"), tmp_path / "theirs.csv", variant="theirs")
    with pytest.raises(UserError, match="cannot be read"):
        adopt(Videos(davis=root, benchmark="davis2016"), tmp_path, variant="theirs")


def test_the_authors_table_is_taken_for_a_part_of_davis(shared: Path, tmp_path: Path) -> None:
    path = shared / "golden" / "official_rgmp_per_frame.csv"
    annotations = shared / "davis2016" / "Annotations" / "480p"
    names = ["blackswan", "bmx-trees", "cows"]
    tree = tree_of(tmp_path, annotations, "2016", names)
    rows = adopt(Videos(davis=tree, benchmark="davis2016"), path, variant="x")
    of: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        of[row.sequence].append(row.J)
    means = {
        row["sequence"]: float(row["J_mean"])
        for row in table(shared / "golden" / "published_masks" / "scores.csv")
        if row["method"] == "rgmp" and row["sequence"] in names
    }
    assert list(of) == names
    assert {name: np.mean(values) for name, values in of.items()} == pytest.approx(means, abs=1e-5)
