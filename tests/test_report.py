import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from synthetic_study import build

from rgmp import figures, report
from rgmp.errors import UserError

VOID = {"meta", "link", "img", "br", "hr"}


class Strict(HTMLParser):
    """Refuses a tag that is not closed in its turn; gathers ids, links and sources."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href"}:
                self.targets.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def write_figures(folder: Path) -> None:
    """Stand-ins: the report embeds what is there."""
    (folder / "figures").mkdir()
    for name in figures.NAMES:
        Image.new("RGB", (8, 8)).save(folder / "figures" / f"{name}.png")


def render(folder: Path) -> str:
    report.write(folder)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    build(tmp_path, variants=5, frames=6)
    write_figures(tmp_path)
    return tmp_path


def test_it_is_one_file_that_needs_nothing_else(toy: Path) -> None:
    html = render(toy)
    page = Strict(html)
    assert not re.search(r"https?://|//cdn|@import|url\(", html)
    anchors = [target[1:] for target in page.targets if target.startswith("#")]
    assert anchors
    assert set(anchors) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert all(target.startswith(("#", "data:")) for target in page.targets)
    assert sum(target.startswith("data:image/png") for target in page.targets) == len(figures.NAMES)


def test_it_says_which_study_commit_machine_and_what_it_is(toy: Path) -> None:
    html = render(toy)
    for fact in ("c0ffee1234", "Xeon, 2 cores", "2026-05-04", "torch 2.6.0", "builtin engine"):
        assert fact in html
    assert html.index("Rendered toy data, not DAVIS") < html.index("<table>")
    assert "OSVOS" not in html
    assert "Mixed provenance" not in html


def test_the_first_screen_has_verdict_table_and_two_figures_in_this_order(toy: Path) -> None:
    html = render(toy)
    places = [
        html.index(text)
        for text in (
            "DAVIS-2016: RGMP reaches",
            "What each part of the method is worth",
            'id="accuracy_speed"',
            'id="differences"',
            'id="facts"',
        )
    ]
    assert places == sorted(places)


def test_every_record_that_a_figure_rests_on_is_listed(toy: Path) -> None:
    html = render(toy)
    records = [json.loads(p.read_text()) for p in (toy / "records").rglob("*.json")]
    assert records
    assert all(f"<td>{record['name']}</td>" in html for record in records)


def test_mixed_provenance_is_flagged_at_the_top_and_where_it_is(toy: Path) -> None:
    path = toy / "records/masks/davis2016/no_bptt/seed1.json"
    record = json.loads(path.read_text())
    record["code"] |= {"sources": "7" * 64, "dirty": True}
    path.write_text(json.dumps(record))
    html = render(toy)
    assert html.index("Mixed provenance") < html.index("<table>")
    assert "masks/davis2016/no_bptt/seed1†" in html
    assert "c0ffee1234 and c0ffee1234 (dirty)" in html


def test_the_same_rows_give_the_same_report_whatever_was_rendered_or_tracked_before(
    toy: Path,
) -> None:
    first = render(toy)
    record = json.loads((toy / "records/speed/davis2016/full.json").read_text())
    for kind in ("plan", "tables", "figures", "report", "track"):
        about = {"kind": kind, "name": kind, "variant": None, "benchmark": None}
        text = json.dumps(record | about)
        (toy / "records" / f"{kind}.json").write_text(text)
    assert render(toy) == first


def test_trainings_are_told_with_all_their_attempts(tmp_path: Path) -> None:
    build(tmp_path, variants=1, seeds=(0,), frames=6)
    write_figures(tmp_path)
    html = render(tmp_path)
    assert "<dd>2, 4.1 min in all</dd>" in html
    assert html.count('<td class="n">2.1 min</td>') >= 2


def test_what_a_variant_tests_is_not_said_to_be_the_papers(toy: Path) -> None:
    html = render(toy)
    assert "What each variant tests" in html
    assert "Claims" not in html


def test_a_label_cannot_break_the_page(tmp_path: Path) -> None:
    build(tmp_path, variants=2, frames=6)
    write_figures(tmp_path)
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["variants"][1]["label"] = "<script>x</script>"
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    html = render(tmp_path)
    assert "<script>" not in html
    Strict(html)


@pytest.mark.parametrize("variants", [1, 10])
def test_any_number_of_variants(tmp_path: Path, variants: int) -> None:
    build(tmp_path, variants=variants, benchmarks=("davis2016",), seeds=(0,), frames=6)
    write_figures(tmp_path)
    Strict(render(tmp_path))


def test_a_missing_figure_is_named(toy: Path) -> None:
    (toy / "figures/course.png").unlink()
    with pytest.raises(UserError, match=r"course\.png: no such figure; run `rgmp figures`"):
        report.write(toy)
