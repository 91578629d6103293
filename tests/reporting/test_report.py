import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image
from support.fake_study import build
from support.html import Strict
from support.workflow import PROJECT

from rgmp.errors import UserError
from rgmp.provenance.record import read_all
from rgmp.reporting import catalog, report, tables
from rgmp.reporting.page import whole
from rgmp.runtime.files import digest_of, write_json
from rgmp.study import table_files
from rgmp.study.costs import costs_of, recorded_sizes
from rgmp.study.estimate import Room, estimate
from rgmp.study.jobs import jobs_of
from rgmp.study.plan import load_plan
from rgmp.study.results import load


def write_figures(folder: Path) -> None:
    """The tables, and stand-ins for the figures."""
    tables.write(folder)
    stand_in(folder)


def stand_in(folder: Path) -> None:
    """Stand-ins for the figures: the report embeds what is there."""
    (folder / "figures").mkdir()
    for name in catalog.FIGURE_NAMES:
        Image.new("RGB", (70, 30)).save(folder / "figures" / f"{name}.png")
        (folder / "figures" / f"{name}.pdf").touch()


def render(folder: Path) -> str:
    report.write(folder)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def toy(five: Path, tmp_path: Path) -> Path:
    """A copy of it, with figures."""
    folder = shutil.copytree(five, tmp_path / "toy")
    stand_in(folder)
    return folder


def test_what_was_planned_stands_beside_what_was_taken(toy: Path) -> None:
    """All jobs of a fake study begin at once; the longest evaluation has eight records of 2.5 s."""
    assert "planned with" not in render(toy)
    plan, records = load_plan(toy), toy / "records"
    record = json.loads((records / "speed/davis2017.json").read_text())
    made = {f"data/{name}": "check" for name in plan.checks}
    made |= {name: name for name in ("mini", "tables", "figures", "track", "report")}
    for name, kind in made.items():
        write_json(records / f"{name}.json", {**record, "kind": kind, "name": name})
    jobs = jobs_of(plan, recorded_sizes(plan, []))
    estimated = estimate(jobs, costs_of(toy, "Xeon, 2 cores"), [Room(2)])
    longer = estimated.planned[0].model_copy(update={"seconds": 7.5})
    kept = estimated.model_copy(update={"planned": (longer,), "ran": 3})
    path = toy / f"first/estimate-{estimated.identity}.json"
    write_json(path, kept.model_dump(mode="json"))
    html = unescape(render(toy))
    told = re.search(r"<dt>time</dt><dd>(.*?)</dd>", html)
    assert told
    assert told[1].startswith(f"5 s planned with 2 cores, from {toy}; 20 s taken (+300%). Jobs, ")
    assert "tables 2.5 s / 2.5 s, figures 2.5 s / 2.5 s, " in told[1]
    assert told[1].endswith("; made when 3 jobs had run"), "these records have no CPU time"
    for name in ("figures", "tables"):
        write_json(
            records / f"{name}.json", {**record, "kind": name, "name": name, "cpu_seconds": 90.0}
        )
    assert "; made when 3 jobs had run. CPU time: tables 1.5 min, figures 1.5 min" in unescape(
        render(toy)
    )


def test_it_is_one_file_that_needs_nothing_else(toy: Path) -> None:
    html = render(toy)
    page = Strict(html)
    assert not re.search(r"https?://|//cdn|@import|url\(", html)
    anchors = [target[1:] for target in page.targets if target.startswith("#")]
    assert anchors
    assert set(anchors) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    pictures = sum(target.startswith("data:image/png") for target in page.targets)
    assert pictures == len(catalog.FIGURE_NAMES) - 1  # and differences by difficulty, as tables


def test_links_to_files_are_alive_in_a_copied_folder(toy: Path, tmp_path: Path) -> None:
    """Those of every table and figure come first; none leads out of the folder."""
    render(toy)
    copied = shutil.copytree(toy, tmp_path / "elsewhere" / "copied folder")
    page = Strict((copied / "report.html").read_text(encoding="utf-8"))
    linked = [unquote(t) for t in page.targets if not t.startswith(("#", "data:"))]
    assert all((copied / target).resolve().is_relative_to(copied) for target in linked)
    assert all((copied / target).is_file() for target in linked)
    plan = load_plan(toy)
    wanted = {f"figures/{name}.{kind}" for name in catalog.FIGURE_NAMES for kind in ("png", "pdf")}
    wanted |= {
        f"tables/{name}.{kind}" for name in catalog.table_names(plan) for kind in ("csv", "tex")
    }
    assert wanted <= {*linked}
    assert {f"records/{record['name']}.json" for record in read_all(toy)} <= {*linked}


def test_the_numbers_of_a_figure_are_linked(toy: Path) -> None:
    of_accuracy = render(toy).partition('id="accuracy_speed"')[2].partition("</figure>")[0]
    assert re.findall(r"numbers: (\w+\.csv)", of_accuracy) == ["davis2016.csv", "davis2017.csv"]


def test_what_computes_the_same_has_no_difference(toy: Path) -> None:
    html = render(toy)
    assert "<li>embedded, foreground: same computation.</li>" in html
    assert "+0.0 [+0.0" not in html


def test_a_figure_without_a_pdf_has_no_dead_link(toy: Path) -> None:
    """The committed reference keeps pictures alone."""
    (toy / "figures/course.pdf").unlink()
    targets = Strict(render(toy)).targets
    assert "figures/course.pdf" not in targets
    assert "figures/course.png" in targets


def test_every_picture_says_in_words_what_is_to_be_seen(toy: Path) -> None:
    html = unescape(render(toy))
    for entry in catalog.FIGURE_ENTRIES:
        assert len(entry.alternative) > 40
        assert len(entry.alternative) < 400
        if entry.name != "difficulty":  # whose numbers are there as text
            assert f'alt="{entry.title}. {entry.alternative}"' in html


def test_it_says_which_study_commit_machine_and_what_it_is(toy: Path) -> None:
    html = render(toy)
    for fact in ("c0ffee1234", "Xeon, 2 cores", "2026-05-04", "torch 2.6.0", "builtin engine"):
        assert fact in html
    assert html.index("Rendered toy data, not DAVIS") < html.index("<table")
    assert "OSVOS" not in html
    assert "Mixed provenance" not in html


def test_the_first_screen_has_verdict_table_and_two_figures_in_this_order(toy: Path) -> None:
    html = render(toy)
    places = [
        html.index(text)
        for text in (
            "What does each part of RGMP contribute",
            "embedded, foreground: RGMP reaches",
            'id="claims"',
            "What each part of the method contributes",
            'id="differences"',
            'id="accuracy_speed"',
            'id="facts"',
        )
    ]
    assert places == sorted(places)


def test_every_record_that_a_figure_rests_on_is_listed(toy: Path) -> None:
    html = render(toy)
    records = [json.loads(p.read_text()) for p in (toy / "records").rglob("*.json")]
    assert records
    assert all(f">{record['name']}</a>" in html for record in records)


def test_mixed_provenance_is_flagged_at_the_top_and_where_it_is(toy: Path) -> None:
    path = toy / "records/masks/davis2016/no_bptt/seed1.json"
    record = json.loads(path.read_text())
    record["code"] |= {"sources": "7" * 64, "dirty": True}
    path.write_text(json.dumps(record))
    html = render(toy)
    assert html.index("Mixed provenance") < html.index("<table")
    assert "masks/davis2016/no_bptt/seed1</a>†" in html
    dagger = '<a class="mixed" href="#provenance" title="mixed provenance">†</a>'
    assert f'<th scope="row">without BPTT{dagger}</th>' in html
    claims = html.partition('id="claims"')[2].partition("</ul>")[0].split("<li>")
    of_claims = {re.findall(r"variant-(\w+)", claim)[0]: claim for claim in claims[1:]}
    assert [name for name, claim in of_claims.items() if dagger in claim] == ["no_bptt"]
    captions = re.findall(r'<figcaption id="caption-of-(\w+)">(.*?)</figcaption>', html)
    assert [name for name, caption in captions if dagger in caption] == ["strips", "worst"]
    assert "c0ffee1234 and c0ffee1234 (dirty)" in html
    mixed = [name for name, made in made_of(html).items() if "provenance: mixed" in made]
    assert mixed == ["protocols", "strips", "worst"], "what is made from records of inference"


def test_the_same_rows_give_the_same_report_whatever_was_rendered_or_tracked_before(
    toy: Path,
) -> None:
    first = render(toy)
    record = json.loads((toy / "records/speed/davis2016.json").read_text())
    for kind in ("tables", "figures", "report", "track"):
        about = {"kind": kind, "name": kind, "variant": None, "benchmark": None}
        text = json.dumps(record | about)
        (toy / "records" / f"{kind}.json").write_text(text)
    assert render(toy) == first


def test_trainings_are_told_with_all_their_attempts(tmp_path: Path) -> None:
    build(tmp_path, variants=1, seeds=(0,), frames=6)
    write_figures(tmp_path)
    html = render(tmp_path)
    assert "<dd>2, 4.1 min in total</dd>" in html
    assert html.count('<td class="n">2.1 min</td>') >= 2


def made_of(html: str) -> dict[str, str]:
    """What the report says of each table and figure, by its id."""
    parts = re.split(r'<table id="table-|<figure id="', html)[1:]
    found = {part.partition('"')[0]: re.search(r"<p>(rule .*?)</p>", part) for part in parts}
    return {name: match[1] for name, match in found.items() if match}


@pytest.mark.parametrize("text", ["[]", '{"uri": 1}', "no JSON"])
def test_a_broken_list_of_runs_is_named(toy: Path, text: str) -> None:
    (toy / "mlflow.json").write_text(text)
    with pytest.raises(UserError, match=r"mlflow\.json"):
        report.write(toy)


def test_every_table_and_figure_says_what_made_it(toy: Path) -> None:
    html = render(toy)
    plan = load_plan(toy)
    names = [*catalog.table_names(plan), *catalog.FIGURE_NAMES]
    assert set(names) == set(made_of(html))
    told = made_of(html).values()
    config = f"config: workflow/config/mini.yaml, plan {plan.digest[:10]}"
    assert all(config in one and one.startswith("rule make_") for one in told)
    assert all("commit: c0ffee1234" in one for one in told if "records" in one)
    score = "20 score records, 2 speed records"
    assert f"rule make_figures: rgmp figures, from the plan, {score} · " in html
    assert f"davis2017 {digest_of([None, 'davis2017'])[:10]} · machine: Xeon, 2 cores" in html


@pytest.mark.parametrize("uri", ["sqlite:///results/mlflow.db", "https://mlflow.example/lab"])
def test_mlflow_has_a_link_to_every_run_and_one_that_compares_them(toy: Path, uri: str) -> None:
    plan, records = load_plan(toy), (toy / "records").rglob("*.json")
    names = [json.loads(path.read_text())["name"] for path in records]
    variants = [f"variants/{name}" for name in load(toy).variants]
    seeds = [f"{v.name}/seed{run.seed}" for v in plan.variants for run in v.runs]
    ids = {name: digest_of(name)[:32] for name in ["study", *variants, *seeds, *names]}
    (toy / "mlflow.json").write_text(json.dumps({"uri": uri, "experiment": "7", "runs": ids}))
    targets = Strict(html := render(toy)).targets
    server = uri if uri.startswith("http") else "http://127.0.0.1:5000"
    every, compared = (target for target in targets if target.startswith(server))
    assert every.startswith(f"{server}/#/experiments/7/runs?view")
    assert "compare-runs" in compared
    assert [ids[name] for name in variants] == re.findall(r"%22(\w{32})%22", compared)
    assert ("mlflow ui --backend-store-uri sqlite:///results/mlflow.db" in html) == (
        uri.startswith("sqlite")
    )


def test_a_study_that_was_not_tracked_says_how_to(toy: Path) -> None:
    assert "not tracked yet" in render(toy)
    (toy / "mlflow.json").write_text('{"uri": "http://away", "experiment": null, "runs": {}}')
    html = render(toy)
    assert "not tracked yet" in html
    assert "http://away" not in html


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
    assert "<script>x" not in html
    assert html.count("<script>") == 1
    Strict(html)


def test_the_numbers_of_the_report_are_those_of_the_tables(toy: Path) -> None:
    """Not its own: scores and speed files are empty, and a number changed there is changed here."""
    before = render(toy)
    for path in (*toy.glob("scores/**/*.csv"), *toy.glob("speed/*.json")):
        path.write_text("")
    assert render(toy) == before
    changed = {
        ("ablation", "J&F"): (0.1234, "12.3"),
        ("ablation", "difference_mean"): (-0.4567, "\N{MINUS SIGN}45.7"),
        ("davis2016", "J_recall"): (0.2345, "23.4"),
        ("speed", "fps"): (98765.4, "98765.4"),
        ("sequences", "F_decay"): (0.3456, "34.6"),
        ("cost", "samples"): (7654321, "7,654,321"),
    }
    for (name, column), (value, shown) in changed.items():
        assert shown not in before
        table = table_files.read(toy, name)
        table[column] = table[column].where(table[column].isna(), value)
        table_files.write(toy, name, table)
        assert shown in render(toy), (name, column)
    verdicts = render(toy).partition("<table")[0]
    assert "RGMP reaches 12.3" in verdicts


def test_first_is_what_it_is_then_where_a_longer_study_decides_the_opposite(toy: Path) -> None:
    html = render(toy)
    assert "This study: training of 3,200 synthetic pairs and 3,200 clips, 2 seeds" in html
    assert "longer study" not in html
    table = table_files.read(toy, "ablation")
    table["longer_study_verdict"] = table["difference_verdict"]
    table_files.write(toy, "ablation", table)
    html = render(toy)
    assert "The longer study contradicts none of these verdicts" in html
    assert ">Longer study</button></th>" in html
    lower = table["variant"] == "no_bptt"
    table.loc[lower, ["difference_verdict", "longer_study_verdict"]] = ["worse", "better"]
    table_files.write(toy, "ablation", table)
    html = render(toy)
    Strict(html)
    places = [
        html.index(part)
        for part in (
            '<p id="what">This study: training',
            "without BPTT, embedded, objects: here worse, in the longer study better.",
            "RGMP reaches",
            "<table",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("+4.6 [+2.4, +6.8]", ["+4.6", "[+2.4, +6.8]"]),
        ("55.8 ± 1.4", ["55.8", "± 1.4"]),
        ("1,234.5 [1,230.1, 1,240.9]", ["1,234.5", "[1,230.1, 1,240.9]"]),
        ("2.1 min", ["2.1 min"]),
        ("J&F ↑", ["J&F ↑"]),
        ("as RGMP", ["as", "RGMP"]),
    ],
)
def test_a_line_of_a_cell_ends_before_an_interval_and_not_within(
    text: str, parts: list[str]
) -> None:
    lines = whole(text).split(" ")
    assert [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines] == parts


def test_a_table_of_many_columns_has_the_width_of_the_page(toy: Path) -> None:
    assert '<div class="first">' in render(toy)
    table = table_files.read(toy, "ablation")
    table["published_J&F"] = table["J&F"]
    table_files.write(toy, "ablation", table)
    assert '<div class="first many">' in render(toy)


def test_what_two_benchmarks_have_in_common_is_told_once_and_marked(
    repeating: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(repeating, tmp_path / "repeating")
    stand_in(folder)
    html = unescape(render(folder))
    Strict(html)
    claims = html.partition('id="claims"')[2].partition("</ul>")[0].split("<li>")
    told = {re.findall(r"variant-(\w+)", one)[0]: one for one in claims[1:]}
    one = r"Predictions by difficulty: 1 [a-z, ]+; 1 more on the same sequences and masks as one"
    assert re.search(one, told["no_bptt"])
    assert "more on the same" not in told["no_reference"]
    same = "same sequences and masks as embedded, foreground"
    assert f"<li>embedded, objects, occlusion ({same}): " in html
    assert f">embedded, objects (‖: {same})</caption>" in html
    assert html.count(f"; {same}</span>") == html.count('<sup aria-hidden="true">‖</sup>') == 3


def test_what_is_over_all_says_so_and_where_its_claim_is_answered(toy: Path) -> None:
    html = unescape(render(toy))
    over_all, on_several = (
        re.search(rf"<li>embedded, objects, {where}: (.*?)</li>", html)
        for where in ("over all sequences", "sequences with several objects")
    )
    assert over_all
    assert on_several
    assert over_all[1].endswith("; the claim is about sequences with several objects.")
    assert "; expected: worse; claim: " in on_several[1]


def test_a_missing_table_is_named(toy: Path) -> None:
    (toy / "tables/speed.csv").unlink()
    with pytest.raises(
        UserError, match=r"speed\.csv: cannot be read .*; run `rgmp tables .*` to write"
    ):
        report.write(toy)


@pytest.mark.parametrize("variants", [1, 10])
def test_any_number_of_variants(tmp_path: Path, variants: int) -> None:
    build(tmp_path, variants=variants, benchmarks=("davis2016",), seeds=(0,), frames=6)
    write_figures(tmp_path)
    Strict(render(tmp_path))


def test_a_missing_figure_is_named(toy: Path) -> None:
    (toy / "figures/course.png").unlink()
    with pytest.raises(
        UserError, match=r"course\.png: no such figure; run `rgmp figures .*` first"
    ):
        report.write(toy)


PROBE = """<!DOCTYPE html><link rel="icon" href="data:,"><body style="margin:0">
<iframe id="page" style="border:0; width:WIDTHpx; height:900px"></iframe><pre id="found"></pre>
<script>
const page = document.getElementById("page");
page.onload = () => {
  const d = page.contentDocument, box = (id) => d.getElementById(id).getBoundingClientRect();
  const headings = [...d.querySelectorAll("#table-ablation th")];
  const heading = headings.find((each) => each.textContent.startsWith("J&F"));
  const read = () => [...d.querySelector("#table-ablation tbody").rows].slice(1)
    .map((row) => parseFloat(row.cells[heading.cellIndex].textContent));
  const orders = [[heading.ariaSort, read()]];
  for (const _ of [1, 2, 3]) {
    heading.querySelector("button").click();
    orders.push([heading.ariaSort, read()]);
  }
  const top = (element) => element.getBoundingClientRect().top;
  const records = d.querySelector("table.records"), scroller = records.closest(".wide");
  scroller.scrollTop = 300;
  const first = d.getElementById("table-ablation").closest(".wide");
  const anchors = [...d.querySelectorAll('a[href^="#"]')].map((a) => a.hash.slice(1));
  document.getElementById("found").textContent = JSON.stringify({
    images: d.images.length,
    drawn: [...d.images].filter((i) => i.complete && i.naturalWidth > 7 && i.width > 200).length,
    anchors: anchors.length,
    dead: anchors.filter((id) => !d.getElementById(id)),
    wider: d.documentElement.scrollWidth - d.documentElement.clientWidth,
    hidden: first.scrollWidth - first.clientWidth,
    orders: orders,
    scrolled: scroller.scrollTop,
    stuck: top(records.tHead.rows[0].cells[0]) - top(scroller),
    cells: d.querySelectorAll("table.grid td .told").length,
    tops: ["question", "claims", "table-ablation", "differences"].map((id) => box(id).top),
  });
};
page.src = "report.html";
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def visit(
    tmp_path: Path, browse: Callable[[str, int], tuple[str, str]]
) -> Iterator[Callable[[Path, int], dict[str, Any]]]:
    """What a browser sees of a report in a window as wide; its scripts say nothing."""
    served = tmp_path / "served"
    served.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    Thread(target=server.serve_forever, daemon=True).start()

    def look(report_html: Path, width: int) -> dict[str, Any]:
        shutil.copy(report_html, served / "report.html")
        (served / "probe.html").write_text(PROBE.replace("WIDTH", str(width)))
        page, console = browse(f"http://127.0.0.1:{server.server_port}/probe.html", width)
        assert console == ""
        found = re.search(r'<pre id="found">(.+)</pre>', page)
        assert found, page
        seen: dict[str, Any] = json.loads(unescape(found[1]))
        return seen

    yield look
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_a_browser_draws_it_whole_on_a_screen_and_on_a_phone(
    toy: Path, visit: Callable[[Path, int], dict[str, Any]], width: int
) -> None:
    """The table on the first screen has a column for the longer study's verdicts, too."""
    table = table_files.read(toy, "ablation")
    table["longer_study_verdict"] = table["difference_verdict"]
    table_files.write(toy, "ablation", table)
    report.write(toy)
    seen = visit(toy / "report.html", width)
    assert seen["images"] == seen["drawn"] == len(catalog.FIGURE_NAMES) - 1
    assert seen["cells"] == len(table_files.read(toy, "difficulty"))
    assert seen["anchors"] > 5
    assert seen["dead"] == []
    assert seen["wider"] <= 0, "the page itself does not scroll sideways"
    assert seen["tops"] == sorted(seen["tops"]) or width > 1000
    if width > 1000:
        assert max(seen["tops"]) < 900, "all four are on the first screen"
        assert seen["hidden"] <= 0, "no column of the table is out of sight"
    assert seen["scrolled"] == 300
    assert seen["stuck"] == pytest.approx(0, abs=1), "headings stay in sight"
    (_, first), *pressed = seen["orders"]
    assert pressed == [
        ["ascending", sorted(first)],
        ["descending", sorted(first, reverse=True)],
        [None, first],
    ]


NODE_MODULES = (
    PROJECT / "node_modules",  # npm install --no-save axe-core
    Path("/usr/local/lib/node_modules"),
    Path("/usr/lib/node_modules"),
    Path("/usr/share/nodejs"),
)
AXE = next(
    (path for folder in NODE_MODULES if (path := folder / "axe-core/axe.min.js").is_file()), None
)
CHECK = """<script>axe.run(document, {resultTypes: ["violations"]}).then((found) => {
  const told = document.createElement("pre");
  told.id = "found";
  told.textContent = JSON.stringify(found.violations.map((v) => [v.impact, v.id, v.nodes[0].html]));
  document.body.append(told);
});</script>"""


@pytest.mark.slow
@pytest.mark.skipif(AXE is None, reason="axe-core is not installed")
@pytest.mark.parametrize("scheme", [0, 1], ids=["dark", "light"])
def test_axe_finds_nothing_serious(
    toy: Path, tmp_path: Path, browse: Callable[..., tuple[str, str]], scheme: int
) -> None:
    assert AXE is not None
    axe = f"<script>{AXE.read_text(encoding='utf-8')}</script>"
    checked = tmp_path / "checked.html"
    checked.write_text(render(toy).replace("</body>", f"{axe}{CHECK}</body>"), encoding="utf-8")
    flag = f"--blink-settings=preferredColorScheme={scheme}"
    page, console = browse(checked.as_uri(), 1280, flag)
    assert console == ""
    found = re.search(r'<pre id="found">(.*)</pre>', page)
    assert found
    violations = json.loads(unescape(found[1]))
    assert [one for one in violations if one[0] in {"serious", "critical"}] == []


def test_beside_its_pictures_a_report_is_small(toy: Path) -> None:
    pictures = sum(path.stat().st_size for path in (toy / "figures").glob("*.png"))
    assert pictures < 1e4, "stand-ins"
    assert len(render(toy)) < 5e5
