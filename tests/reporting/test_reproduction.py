"""The figures that RGMP's authors published are reproduced by their own masks, and by no others."""

import dataclasses
import shutil
from pathlib import Path

import pandas as pd
import pytest
from support.fake_study import build

from rgmp import facts
from rgmp.data.mask_source import open_masks
from rgmp.data.videos import Videos
from rgmp.evaluation.score_table import table_of
from rgmp.evaluation.scoring import judge_all, locate, open_truths
from rgmp.evaluation.summary import per_object
from rgmp.reporting import first_screen, reproduction, table_layouts, tables
from rgmp.runtime.tidy import rows_of
from rgmp.study import plan, table_files
from rgmp.study.planned import PlannedExternal
from rgmp.study.results import Results, load


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build(tmp_path_factory.mktemp("real"), variants=1, complete=True, seeds=(0,), frames=5)
    tables.write(folder)
    return folder


def published(benchmark: str | None = None) -> pd.DataFrame:
    """The statistics of objects of masks that score as the authors' do."""
    rows = pd.DataFrame(facts.read("official_rgmp_scores.csv"))
    measures = [column for column in map(str, rows) if column[:2] in {"J_", "F_"}]
    rows = rows.astype({"object": int, **dict.fromkeys(measures, float)})
    rows["J&F"] = (rows["J_mean"] + rows["F_mean"]) / 2
    rows = rows.assign(variant="full", seed=pd.array([0] * len(rows), dtype="Int64"))
    return rows_of(rows, benchmark=benchmark) if benchmark else rows


def written(results: Results, objects: pd.DataFrame) -> Results:
    """The study with the table of these objects."""
    columns = table_files.TABLE_DTYPES["reproduction"]
    table = reproduction.rows(results, objects)
    table_files.write(results.folder, "reproduction", table.reindex(columns=[*columns]))
    return load(results.folder)


def test_the_authors_figures_are_reproduced_on_every_sequence(real: Path) -> None:
    results = written(load(real), published())
    assert reproduction.sentences(results) == [
        (
            "DAVIS-2016: RGMP, compared with RGMP as published: reproduced within 0.1, J and F of "
            "all and of each of 20 sequences; J 81.5 (81.5), F 82.0 (82.0), J&F 81.8 (81.8)."
        ),
        (
            "DAVIS-2017: RGMP, compared with RGMP as published: reproduced within 0.1, J and F of "
            "all and of each of 30 sequences; J 64.8 (64.8), F 68.6 (68.6), J&F 66.7 (66.7)."
        ),
    ]


def test_a_difference_of_nothing_is_not_negative(real: Path) -> None:
    objects = published("davis2016")
    objects["J_mean"] -= 1e-7
    printed = table_layouts.print_reproduction(
        load(real), written(load(real), objects).table("reproduction")
    )
    assert {*printed.columns["J, difference"]} == {"+0.00", "+0.03"}


def test_a_study_that_trains_nothing_waits_for_no_training(real: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(real, tmp_path / "released")
    for trained in (folder / "records/weights").rglob("*.json"):
        trained.unlink()
    tables.write(folder)
    assert "This study: no training of its own yet, 1 seed" in first_screen.what(load(folder))
    results = load(folder)
    given = [run.model_copy(update={"trainings": ()}) for run in results.plan.variants[0].runs]
    variant = results.plan.variants[0].model_copy(update={"runs": tuple(given)})
    update = {"variants": (variant,), "trainings": ()}
    untrained = dataclasses.replace(results, plan=results.plan.model_copy(update=update))
    said = first_screen.what(untrained)
    assert "This study: no training of its own, 1 seed" in said


def test_sequences_that_differ_by_more_are_listed_the_worst_first(real: Path) -> None:
    objects = published("davis2017")
    for name, measure, by in (("judo", "J_mean", 0.0011), ("pigs", "F_mean", -0.02)):
        objects.loc[(objects["sequence"] == name) & (objects["object"] == 2), measure] += by
    objects.loc[objects["sequence"] == "camel", "J_mean"] += 0.001  # just within
    results = written(load(real), objects)
    (said,) = reproduction.sentences(results)
    assert (
        "not reproduced within 0.1 on 2 of 30 sequences: pigs (J +0.0, F −2.0), judo (J +0.1, "  # noqa: RUF001
        in said
    )
    rows = rows_of(results.table("reproduction"), sequence="judo")
    assert rows["reproduced"].tolist() == [True, False]


def test_a_part_of_davis_is_compared_on_its_own_sequences(real: Path) -> None:
    results = load(real)
    part = Results(results.folder, results.plan.model_copy(update={"complete": False}), [])
    objects = published("davis2016")
    table = reproduction.rows(part, objects[objects["sequence"].isin(["camel", "dog"])])
    assert table["sequence"].tolist() == ["", "camel", "dog"]
    assert table["reproduced"].all()
    assert table["source"][0] == "the authors' masks, the same objects"
    assert table["published_J_mean"][0] == pytest.approx((0.747082 + 0.955193) / 2, abs=1e-6)
    unknown = objects.assign(sequence="mine")
    assert reproduction.rows(part, unknown).empty


def test_other_methods_are_compared_as_a_whole_and_those_of_other_frames_not(real: Path) -> None:
    results = load(real)
    other = PlannedExternal(
        name="osvos_s", label="OSVOS-S", masks={"davis2016": Path("m")}, digests={"davis2016": "0"}
    )
    changes = {"external": (other,)}
    objects = published("davis2016").assign(variant="osvos_s", seed=None)
    study = Results(results.folder, results.plan.model_copy(update=changes), [])
    table = reproduction.rows(study, objects)
    assert table[["variant", "published", "sequence"]].values.tolist() == [
        ["osvos_s", "OSVOS-S", ""]
    ]
    assert not table["reproduced"].any()
    data = results.plan.data.model_copy(update={"resolution": "240p"})
    for change in ({"data": data}, {"embedded": True}):
        elsewhere = Results(results.folder, results.plan.model_copy(update=change), [])
        assert reproduction.rows(elsewhere, published()).empty


def test_the_table_says_what_the_published_figures_are_scored_on(real: Path) -> None:
    results = written(load(real), published())
    (table,) = (t for t in table_layouts.printed_tables(results) if t.name == "reproduction")
    assert table.cells["Sequence"].tolist()[:2] == ["all", "blackswan"]
    assert {*table.cells["reproduced"]} == {"yes"}
    assert any("as DAVIS-2016's own, those here on" in n for n in table.notes)


def test_the_masks_that_the_authors_published_reproduce_their_figures(
    shared: Path, real: Path, tmp_path: Path
) -> None:
    """Scored here, on the two shortest sequences; those of OSVOS in their place do not."""
    names = ["car-shadow", "motocross-jump"]
    tree = tmp_path / "davis2016"
    tree.mkdir()
    for kind in ("JPEGImages", "Annotations"):
        (tree / kind).symlink_to(shared / "davis2016" / kind)
    (tree / "ImageSets/2016").mkdir(parents=True)
    (tree / "ImageSets/2016/val.txt").write_text("\n".join(names))
    videos = Videos(davis=tree, benchmark="davis2016")
    truths = open_truths(videos)
    located = [
        locate(
            videos,
            open_masks(shared / "golden/published_masks" / method, names),
            truths,
            variant=method,
            seed=None,
        )
        for method in ("rgmp", "osvos")
    ]
    judge_all(located)
    results = load(real)
    external = tuple(
        PlannedExternal(
            name=name, label=name, masks={"davis2016": tree}, digests={"davis2016": "0"}
        )
        for name in ("rgmp", "osvos")
    )
    changes = {"complete": False, "external": external, "benchmarks": ("davis2016",)}
    part = results.plan.model_copy(update=changes)
    plan.save(part, tmp_path / "study")
    study = Results(tmp_path / "study", part, [])
    scores = table_of(row for one in located for row in one.judged.rows)
    done = written(study, per_object(scores))
    (said,) = reproduction.sentences(done)
    assert said.startswith(
        "DAVIS-2016: rgmp, compared with RGMP as published: reproduced within 0.1, J and F of all "
        "and of each of 2 sequences;"
    )
    as_ours = per_object(scores[scores["variant"] == "osvos"].assign(variant="full"))
    done = written(study, as_ours)
    assert "not reproduced within 0.1 on 2 of 2 sequences" in reproduction.sentences(done)[0]
