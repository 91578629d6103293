"""Seeds and margins that come after the first tables, claims after the run, are marked."""

from pathlib import Path

import pytest
from support.fake_study import build
from support.written_tables import rows_of, text_of

from rgmp.config.study import Expectation
from rgmp.errors import UserError
from rgmp.evaluation.job import BOUNDS
from rgmp.reporting import first_screen, report, tables
from rgmp.study.plan import Plan, load_plan, save
from rgmp.study.planned import Training
from rgmp.study.preregistration import changed_claims, margin_before, remember_claims, seeds_added
from rgmp.study.results import load


def replanned(folder: Path, **changes: object) -> Plan:
    plan = load_plan(folder).model_copy(update=changes)
    save(plan, folder)
    return plan


def expecting(folder: Path, variant: str, **differences: str) -> Plan:
    """Change what a variant of a planned study expects."""
    expects = {
        difficulty: Expectation.model_validate({"difference": difference, "because": "we think so"})
        for difficulty, difference in differences.items()
    }
    variants = load_plan(folder).variants
    changed = [
        v.model_copy(update={"expects": expects}) if v.name == variant else v for v in variants
    ]
    return replanned(folder, variants=tuple(changed))


def grown(folder: Path, *seeds: int, variants: int = 2, external: bool = False) -> Plan:
    """The study in a folder with other seeds, and their scores."""
    build(
        folder,
        variants=variants,
        benchmarks=("davis2017",),
        frames=6,
        seeds=seeds,
        external=external,
    )
    return load_plan(folder)


def added(folder: Path) -> dict[str, str]:
    """The mark of each method."""
    return {row["variant"]: row["seeds_added"] for row in rows_of(folder, "ablation")}


# ---- seeds ----


def test_seeds_after_the_first_tables_are_marked(tmp_path: Path) -> None:
    grown(tmp_path, 0, 1, variants=3, external=True)
    tables.write(tmp_path)
    tables.write(tmp_path)
    assert {*added(tmp_path).values()} == {""}
    assert "§" not in text_of(tmp_path, "ablation.md")
    grown(tmp_path, 0, 1, 5, 12, variants=3, external=True)
    tables.write(tmp_path)
    marked = added(tmp_path)
    others = {"painter", "reporter"}  # without seeds, but compared with every seed of full
    of_seeds = dict.fromkeys({"full", "no_bptt", "no_reference"} | others, "5 12")
    assert marked == of_seeds | dict.fromkeys(BOUNDS, "")
    assert {row["seeds_added"] for row in rows_of(tmp_path, "difficulty")} == {"5 12"}
    for name in ("ablation", "difficulty"):
        assert "without BPTT§" in text_of(tmp_path, f"{name}.md")
        assert "after the first tables were made (5, 12)" in text_of(tmp_path, f"{name}.md")
        assert r"without BPTT\S{}" in text_of(tmp_path, f"{name}.tex")
    assert "Added after the first tables: 2 seeds (5, 12)." in first_screen.what(load(tmp_path))
    tables.write(tmp_path)
    assert added(tmp_path)["full"] == "5 12", "the first look stays the first"


def test_planned_seeds_that_are_scored_later_are_not_added(tmp_path: Path) -> None:
    """Tables may be made of a run that was interrupted, or goes on."""
    grown(tmp_path, 0, 1, 2)
    late = [
        path.rename(path.with_suffix(".late")) for path in tmp_path.rglob("scores/*/*/seed2.csv")
    ]
    assert late
    tables.write(tmp_path)
    for path in late:
        path.rename(path.with_suffix(".csv"))
    tables.write(tmp_path)
    assert {*added(tmp_path).values()} == {""}


def test_tables_without_a_score_are_no_look(tmp_path: Path) -> None:
    plan = grown(tmp_path, 0, 1)
    for path in tmp_path.rglob("scores/*/*/*.csv"):
        path.unlink()
    tables.write(tmp_path)
    grown(tmp_path, 0, 1, 2)
    tables.write(tmp_path)
    assert {*added(tmp_path).values()} == {""}
    assert plan.seeds == (0, 1)


def test_the_first_look_moves_with_the_study(tmp_path: Path) -> None:
    grown(tmp_path / "old", 0, 1)
    tables.write(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    grown(tmp_path / "new", 0, 1, 2)
    tables.write(tmp_path / "new")
    assert added(tmp_path / "new")["full"] == "2"


def test_other_training_is_looked_at_anew_and_other_threads_are_not(tmp_path: Path) -> None:
    plan = grown(tmp_path, 0, 1)
    tables.write(tmp_path)

    def added_with(part: str, **changes: object) -> frozenset[int]:
        def changed(training: Training) -> Training:
            other = getattr(training, part).model_copy(update=changes)
            return training.model_copy(update={part: other})

        trainings = tuple(map(changed, plan.trainings))
        others = plan.model_copy(update={"seeds": (0, 1, 2), "trainings": trainings})
        return seeds_added(others, tmp_path)

    assert added_with("compute", threads=7) == {2}
    assert added_with("settings", steps=7) == set()
    assert added_with("network", width=7) == set()
    assert added_with("network", initial_weights=Path("elsewhere.pth")) == {2}


def test_a_broken_first_look_is_named(tmp_path: Path) -> None:
    grown(tmp_path, 0, 1)
    tables.write(tmp_path)
    (path,) = (tmp_path / "first").glob("seeds-*.json")
    for text, said in (("{", "not valid JSON"), ("[]", "not what was known .*; restore it; if")):
        path.write_text(text)
        with pytest.raises(UserError, match=rf"{path}: {said}"):
            tables.write(tmp_path)


# ---- the margin ----


def test_a_margin_that_changed_after_the_first_tables_is_said(tmp_path: Path) -> None:
    grown(tmp_path, 0, 1)
    tables.write(tmp_path)
    for margin in (3.0, 5.0, 3.0):
        replanned(tmp_path, margin=margin)
        tables.write(tmp_path)
        said = "The margin was 3 points when the first tables were made and is 5 now."
        told = first_screen.what(load(tmp_path))
        assert (said in told) is (margin == 5)
        for name in ("ablation", "difficulty"):
            for kind in ("md", "tex"):
                text = " ".join(text_of(tmp_path, f"{name}.{kind}").split())
                assert (said in text) is (margin == 5)
        assert said not in text_of(tmp_path, "cost.md")


def test_a_margin_that_was_not_kept_is_unknown(tmp_path: Path) -> None:
    """Where seeds are known these are not the first tables, as in studies older than that file."""
    plan = grown(tmp_path, 0, 1)
    tables.write(tmp_path)
    (path,) = (tmp_path / "first").glob("margin-*.json")
    path.unlink()
    changed = replanned(tmp_path, margin=5.0)
    tables.write(tmp_path)
    assert not path.exists()
    assert margin_before(changed, tmp_path) is None
    assert margin_before(plan, tmp_path) is None


def test_a_broken_margin_is_named(tmp_path: Path) -> None:
    grown(tmp_path, 0, 1)
    tables.write(tmp_path)
    (path,) = (tmp_path / "first").glob("margin-*.json")
    path.write_text('{"since": "today"}')
    with pytest.raises(UserError, match=rf"{path}: .*not what was known .*; restore it; if"):
        tables.write(tmp_path)


# ---- claims ----


@pytest.fixture
def claimed(tmp_path: Path) -> Path:
    """A study whose variants were scored with the claims that they have."""
    build(tmp_path, variants=5, frames=6)
    plan = load_plan(tmp_path)
    for variant in plan.variants:
        remember_claims(plan, variant.name, tmp_path)
    return tmp_path


def since(folder: Path, name: str, variant: str) -> dict[tuple[str, str], str]:
    """The marks of a variant's rows, by benchmark and difficulty."""
    return {
        (r["benchmark"], r.get("difficulty", "")): r["claim_since_run"]
        for r in rows_of(folder, name)
        if r["variant"] == variant
    }


def test_a_claim_that_was_there_is_not_marked(claimed: Path) -> None:
    tables.write(claimed)
    for name in ("ablation", "difficulty"):
        assert all(row["claim_since_run"] == "" for row in rows_of(claimed, name))
    plan = load_plan(claimed)
    reworded = expecting(claimed, "no_bptt", overall="worse", occlusion="worse")
    assert reworded != plan
    assert changed_claims(reworded, claimed) == {}


def test_claims_that_are_newer_than_the_run_or_withdrawn_are_marked(claimed: Path) -> None:
    expecting(claimed, "no_bptt", overall="worse", occlusion="better", fast="worse")
    expecting(claimed, "no_reference", overall="worse")
    plan = expecting(claimed, "winner_take_all", overall="none", crossing="worse")
    remember_claims(plan, "no_bptt", claimed)
    assert changed_claims(plan, claimed) == {
        ("no_bptt", "occlusion"): "newer",
        ("no_bptt", "fast"): "newer",
        ("no_reference", "fast"): "withdrawn",
        ("winner_take_all", "overall"): "newer",
    }
    tables.write(claimed)
    assert {*since(claimed, "ablation", "no_bptt").values()} == {""}
    assert since(claimed, "ablation", "winner_take_all") == {
        ("davis2016", ""): "",
        ("davis2017", ""): "newer",
    }
    found = since(claimed, "difficulty", "winner_take_all")
    assert found.pop(("davis2017", "several objects")) == "newer"
    assert {*found.values()} == {""}
    found = since(claimed, "difficulty", "no_bptt")
    assert [found["davis2016", key] for key in ("occlusion", "fast", "crossing")] == [
        "newer",
        "newer",
        "",
    ]
    assert since(claimed, "difficulty", "no_reference")["davis2016", "fast"] == "withdrawn"
    text = text_of(claimed, "difficulty.md")
    assert ", newer |" in text
    assert "| withdrawn |" in text
    assert "Newer: not expected yet when the variant was first scored." in text
    results = load(claimed)
    assert "newer than the run. 1 expectation withdrawn" in report._verdict(results, "davis2016")
    assert "2 expectations newer" in report._verdict(results, "davis2016")
    assert "(expected since the run)" in " ".join(report._found(results, "no_bptt"))
    assert "withdrawn since the run" in " ".join(report._found(results, "no_reference"))


def test_a_study_scored_before_claims_were_kept_marks_none(claimed: Path) -> None:
    for path in (claimed / "first").glob("claims-*"):
        path.unlink()
    plan = expecting(claimed, "no_bptt", overall="none")
    assert changed_claims(plan, claimed) == {}


def test_other_inference_is_another_run(claimed: Path) -> None:
    plan = expecting(claimed, "no_bptt", overall="none")
    first, second, *rest = plan.variants
    inference = second.inference.model_copy(update={"scales": (0.5,)})
    again = second.model_copy(update={"inference": inference})
    other = plan.model_copy(update={"variants": (first, again, *rest)})
    assert changed_claims(other, claimed) == {}
    assert changed_claims(plan, claimed) == {
        ("no_bptt", "overall"): "newer",
        ("no_bptt", "occlusion"): "withdrawn",
    }
