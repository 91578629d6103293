"""Methods to compare: what of them is refused at once, and how they are scored together."""

import shutil
import zipfile
from pathlib import Path

import pytest

from rgmp.data import sequence
from rgmp.data.videos import Videos
from rgmp.errors import ProblemsError, UserError
from rgmp.evaluation import scoring
from rgmp.evaluation.methods import Method, methods_of, score_methods
from rgmp.evaluation.score_table import table_of, write_scores
from rgmp.evaluation.scoring import score


def refused(*given: str) -> list[str]:
    with pytest.raises(UserError) as error:
        methods_of(given)
    return [*getattr(error.value, "problems", (str(error.value),))]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x", "y", "z", "x,y"):
        Path(name).mkdir()


@pytest.mark.usefixtures("here")
def test_names_and_trainings() -> None:
    assert methods_of(["a=x,z", "b.1=y", "c d=x,y"]) == (
        Method(name="a", trainings=(Path("x"), Path("z"))),
        Method(name="b.1", trainings=(Path("y"),)),
        Method(name="c d", trainings=(Path("x,y"),)),
    )


@pytest.mark.usefixtures("here")
def test_everything_that_is_wrong_with_what_is_given_is_said_at_once() -> None:
    found = refused("x", "=y", "../a=y", "b=", "c=x,none", "d=z,z", "E=x", "e=y")
    for line, part in zip(
        found,
        (
            "x: no name; give NAME=FOLDER",
            "=y: not a name",
            "../a=y: not a name",
            "b: no path",
            "c: none: no such file",
            "d: z: is given 2 times",
            "E, e: a name is given twice",
        ),
        strict=True,
    ):
        assert part in line
    assert refused("a=x") == ["a=x: one method; name two or more to compare"]
    assert "no such file" in refused(f"a={'n' * 5000}", "b=x")[0]
    long, device = refused(f"{'研' * 100}=x", "b=/dev/null")
    assert long.endswith("name too long; name it shorter")
    assert device.startswith("b: /dev/null: neither a file nor a folder")


def packed(masks: Path) -> Path:
    path = masks.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(masks.rglob("*.png")):
            archive.write(file, Path("top") / file.relative_to(masks))
    return path


@pytest.mark.parametrize("processes", [1, 2])
def test_methods_together_have_the_scores_that_each_has_alone(
    videos: Videos, masks: Path, tmp_path: Path, processes: int
) -> None:
    truth = videos.davis / "Annotations/480p"
    early = shutil.copytree(masks, tmp_path / "early")
    (early / "bee/00000.png").unlink()  # not scored: nothing lacks
    given = tmp_path / "given.csv"
    write_scores(given, table_of(score(videos, masks, variant="x", seed=None)))
    methods = (
        Method(name="early", trainings=(early,)),
        Method(name="zip", trainings=(packed(masks), truth)),
        Method(name="table", trainings=(given,)),
    )
    found = score_methods(videos, methods, processes=processes)
    assert [(one.name, one.seed, one.is_table) for one in found] == [
        ("early", None, False),
        ("zip (training 1)", 0, False),
        ("zip (training 2)", 1, False),
        ("table", None, True),
    ]
    for one, folder in zip(found, (early, masks, truth, masks), strict=True):
        assert one.judged.rows == score(videos, folder, variant=one.method, seed=one.seed)
        assert len(one.judged.evidence) == (0 if one.is_table else 9 if folder is early else 10)
    assert [len(one.judged.notes) for one in found] == [1, 1, 0, 0]


def test_an_annotation_is_read_once_for_all_methods(
    videos: Videos, masks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    original = sequence.read_annotation

    def counted(path: Path, *how: object) -> object:
        read.append(path)
        return original(path, *how)  # type: ignore[arg-type]

    for module in (sequence, scoring):
        monkeypatch.setattr(module, "read_annotation", counted)
    methods = tuple(Method(name=name, trainings=(masks,)) for name in "abcdefg")
    score_methods(videos, methods, processes=1)
    first = [path for path in read if path.stem == "00000"]
    others = [path for path in read if path.stem != "00000"]
    assert len(others) == len({*others}) == 8
    assert len(first) == 2 * len({*first}), "those say which objects there are, too"


def test_problems_of_all_methods_are_said_together_and_forms_before_content(
    videos: Videos, masks: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(masks, tmp_path / "broken")
    (broken / "ant/00001.png").write_bytes(b"")
    lacking = shutil.copytree(masks, tmp_path / "lacking")
    (lacking / "ant/00002.png").unlink()
    other = tmp_path / "other.csv"
    other.write_text("sequence,object,frame,J,F\ncamel,1,00001,0.5,0.5\n")
    empty = tmp_path / "empty"
    empty.mkdir()

    def problems(**given: Path) -> tuple[str, ...]:
        methods = tuple(Method(name=n, trainings=(path,)) for n, path in given.items())
        with pytest.raises(ProblemsError) as error:
            score_methods(videos, methods, processes=1)
        return error.value.problems

    first, second, third = problems(a=lacking, b=other, c=empty, d=broken)
    assert first == f"a: {lacking}/ant: missing 00002.png"
    assert second.startswith(f"b: {other}: has no row of any of the 2 sequences of davis2017")
    assert third.startswith(f"c: {empty}: has no folder of any of the 2 sequences (bee, ...)")
    (broken / "bee/00003.png").write_bytes(b"")
    first, second = problems(d=broken, e=masks)
    assert first.startswith(f"d: {broken}/bee/00003.png: not a")
    assert second.startswith(f"d: {broken}/ant/00001.png: not a")
