import json
import re
import shutil
import zipfile
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from support.fake_study import build

from rgmp.errors import UserError
from rgmp.evaluation.score_table import read_scores, write_scores
from rgmp.evaluation.verdicts import Kind, kind_of
from rgmp.provenance import code
from rgmp.reporting import tables
from rgmp.reporting.catalog import FIGURE_ENTRIES, FIGURE_NAMES
from rgmp.reporting.figures import accuracy, job_graph, style
from rgmp.reporting.figures import write as writing
from rgmp.reporting.figures.intervals import VERDICTS, mark_of
from rgmp.reporting.figures.shots import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    _labels,
    colour_of_object,
    divergent_strips,
    hardest_strips,
    mask_of,
    most_divergent,
    paint,
)
from rgmp.reporting.figures.style import COLOURS, LINES, MARKERS, PAGE_HEIGHT, WIDTH, in_style
from rgmp.reporting.figures.write import builder_of, write
from rgmp.reporting.heat_map import heat_maps
from rgmp.reporting.labels import MARKS
from rgmp.runtime.quantities import points
from rgmp.runtime.tidy import write_table
from rgmp.study import table_files
from rgmp.study.plan import load_plan, save
from rgmp.study.results import Results, load, scores_of

DRAWINGS = {entry.name: builder_of(entry) for entry in FIGURE_ENTRIES}
FILES = {f"{name}.{kind}" for name in FIGURE_NAMES for kind in ("png", "pdf")}


def built(folder: Path, **how: Any) -> Path:
    """A fake study with its tables."""
    write_tables(build(folder, **how))
    return folder


def write_tables(folder: Path) -> None:
    """The tables as figures read them; printed ones they do not."""
    for name, table in tables.build(load(folder)).items():
        table_files.write(folder, name, table)


@cache
def loaded(folder: Path) -> Results:
    """A study that no test changes; tables that one has read the next need not."""
    return load(folder)


@cache
def drawn(folder: Path, name: str) -> Any:
    """A figure of a study that no test changes."""
    with in_style():
        return DRAWINGS[name](loaded(folder))


@cache
def written(folder: Path, name: str) -> dict[Text, Bbox]:
    """Where the texts are that such a figure shows, once it is laid out."""
    places: dict[Text, Bbox] = {}
    undisturbed = Text.draw

    def note(text: Text, renderer: Any) -> None:  # labels of ticks beyond an axis are not drawn
        undisturbed(text, renderer)
        if text.get_text().strip() and text.get_visible():
            places[text] = text.get_window_extent(renderer)

    figure = drawn(folder, name)
    with pytest.MonkeyPatch.context() as patch, in_style():
        patch.setattr(Text, "draw", note)
        figure.draw_without_rendering()
    return places


def test_every_figure_of_the_catalog_has_a_builder_and_every_builder_a_figure() -> None:
    folder = Path(style.__file__).parent
    defined = {
        (path.stem, name)
        for path in folder.glob("*.py")
        for name in re.findall(r"^def draw_(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {(entry.family, entry.name) for entry in FIGURE_ENTRIES} == defined
    assert len(set(FIGURE_NAMES)) == len(FIGURE_ENTRIES) == len(defined)


def test_the_figures_rest_on_every_file_of_their_room() -> None:
    rule = code.source_files(
        "rgmp.reporting.figures.write", *(entry.module for entry in FIGURE_ENTRIES)
    )
    assert {p for p in Path(style.__file__).parent.glob("*.py") if p.name != "__init__.py"} <= set(
        rule
    )


@pytest.mark.slow
@pytest.mark.parametrize(("variants", "complete"), [(1, False), (10, True)])
def test_every_size_of_study_is_drawn(tmp_path: Path, variants: int, complete: bool) -> None:
    built(tmp_path, variants=variants, complete=complete, benchmarks=("davis2016",), frames=8)
    study = load(tmp_path)
    with in_style():
        for draw in DRAWINGS.values():
            shown = draw(study)
            if isinstance(shown, Figure):  # else it says why there is none
                shown.draw_without_rendering()


@pytest.mark.slow
def test_a_study_without_data_has_every_figure(tmp_path: Path) -> None:
    build(tmp_path, variants=2, frames=6)
    for name in ("scores", "speed", "weights", "masks"):
        shutil.rmtree(tmp_path / name)
    write_tables(tmp_path)
    write(tmp_path)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == FILES


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("four"), variants=4)


@pytest.mark.parametrize("name", ["differences", "difficulty"])  # the second with a colour bar
def test_a_users_settings_of_matplotlib_change_no_figure(
    four: Path, tmp_path: Path, name: str
) -> None:
    figures = []
    given: Any
    for given in ({}, {"figure.autolayout": True, "savefig.facecolor": "red", "font.size": 20}):
        with rc_context(given), in_style():
            figure: Any = DRAWINGS[name](loaded(four))
            writing.save(figure, tmp_path / "figure", {"Title": "", "Subject": ""})
        figures.append([(tmp_path / f"figure.{kind}").read_bytes() for kind in ("png", "pdf")])
    assert figures[0] == figures[1]


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Studies of two variants, of ten beside two methods that are not trained here, and of more."""
    how: dict[int, dict[str, Any]] = {2: {}, 10: {"external": True}, 14: {"seeds": (0,)}}
    return {
        n: built(tmp_path_factory.mktemp(f"n{n}"), variants=n, frames=8, **more)
        for n, more in how.items()
    }


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels and a title that matplotlib would take for broken mathematics."""
    folder = built(tmp_path_factory.mktemp("hostile"), variants=3, external=True, frames=6)
    plan = load_plan(folder)
    labels = (r"$\frac$ & $5", r"_{a}^b \$ $\nothing$", "costs $5")
    variants = zip(plan.variants, labels, strict=True)
    changed = {
        "title": r"$\sqrt$ of $x$, 5$ \%",
        "variants": tuple(v.model_copy(update={"label": label}) for v, label in variants),
        "external": tuple(e.model_copy(update={"label": "$_$"}) for e in plan.external),
    }
    save(plan.model_copy(update=changed), folder)
    return folder


@pytest.mark.parametrize("name", FIGURE_NAMES)
def test_dollars_of_labels_are_dollars_and_our_mathematics_is_set(hostile: Path, name: str) -> None:
    figure = drawn(hostile, name)
    with in_style():
        figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if "$" in text.get_text()]
    assert figure.get_supxlabel().startswith(r"$\sqrt$ of $x$, 5$ \%: rendered")
    for text in texts:
        assert text.get_parse_math() == (r"\mathcal" in text.get_text()), text.get_text()


@pytest.mark.parametrize("name", FIGURE_NAMES)
def test_no_panel_is_empty_and_every_figure_says_its_study(hostile: Path, name: str) -> None:
    figure = drawn(hostile, name)
    assert all(ax.has_data() for ax in figure.axes if ax.axison)
    footer = figure.get_supxlabel()
    assert f"{load_plan(hostile).title}: rendered toy data, not DAVIS" in footer
    assert "commit c0ffee1234" in footer


def said(figure: Figure) -> set[str]:
    """Every word in a figure: titles, ticks, legends."""
    return {text.get_text().replace("\n", " ") for text in figure.findobj(Text)}


def test_what_is_not_trained_here_stands_in_every_figure(sizes: dict[int, Path]) -> None:
    for name in ("accuracy_speed", "differences", "course", "sequences"):
        for label in ("Painter (masks)", "Reporter"):
            assert any(label in text for text in said(drawn(sizes[10], name))), (name, label)
    texts = drawn(sizes[10], "strips").findobj(Text)
    painted = [text.get_text().replace("\n", " ") for text in texts]
    assert painted.count("Painter (masks)") == 1  # in the strip of the one benchmark alone
    assert "Reporter" not in painted  # of scores alone there is no picture
    known, unknown = drawn(sizes[10], "accuracy_speed").axes
    assert [line.get_linestyle() for line in known.lines].count(":") == 1
    assert 0.5 in {line.get_xdata()[0] for line in known.lines if line.get_marker() != "None"}
    assert [line.get_linestyle() for line in unknown.lines].count(":") == 1


def test_a_benchmark_not_yet_scored_has_no_panel(tmp_path: Path) -> None:
    build(tmp_path, variants=2, frames=6)
    shutil.rmtree(tmp_path / "scores" / "davis2017")
    write_tables(tmp_path)
    with in_style():
        for name in ("accuracy_speed", "differences", "difficulty", "course", "sequences"):
            figure = DRAWINGS[name](load(tmp_path))
            assert not isinstance(figure, str)
            texts = {text.get_text() for text in figure.findobj(Text)}
            assert {"embedded, foreground", "embedded, objects"} & texts == {"embedded, foreground"}


@pytest.mark.parametrize("seed", [0, 2])
def test_a_seed_not_yet_scored_has_no_mark(tmp_path: Path, seed: int) -> None:
    build(tmp_path, variants=3, seeds=(0, 1, 2), benchmarks=("davis2016",), frames=6)
    (tmp_path / f"scores/davis2016/no_bptt/seed{seed}.csv").unlink()
    write_tables(tmp_path)
    study = load(tmp_path)
    with in_style():
        figures: dict[str, Any] = {name: draw(study) for name, draw in DRAWINGS.items()}
    (ax,) = figures["differences"].axes
    offsets = (marks.get_offsets() for marks in ax.collections)
    marks = dict(zip(study.others, offsets, strict=True))
    paired = study.table("differences").query("variant == 'no_bptt'")["difference"]
    assert len(paired) == len(marks["no_bptt"]) == 2
    np.testing.assert_array_equal(marks["no_bptt"][:, 0], 100 * paired)
    assert len(marks["no_reference"]) == 3


@pytest.fixture(scope="module")
def unscored(sizes: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of which scores and speed files are gone."""
    folder = tmp_path_factory.mktemp("unscored") / "study"
    shutil.copytree(sizes[2], folder, ignore=shutil.ignore_patterns("scores", "speed"))
    plan = load_plan(folder)
    davis = plan.data.model_copy(update={"davis": folder / "data/davis"})
    save(plan.model_copy(update={"data": davis}), folder)
    return folder


@pytest.mark.parametrize(
    ("name", "table", "column", "change"),
    [
        ("accuracy_speed", "davis2016", "J&F", -0.3),
        ("accuracy_speed", "davis2016", "seconds_per_frame_low", -0.01),
        ("difficulty", "difficulty", "difference_mean", -0.3),
        ("differences", "ablation", "difference_mean", -0.3),
        ("differences", "ablation", "difference_low", -0.3),
        ("differences", "differences", "difference", 0.1),
        ("course", "course", "J", -0.3),
        ("course", "course", "J_low", -0.3),
        ("sequences", "sequence_means", "J_mean", -0.3),
        ("strips", "frames", "J", -0.3),
        ("worst", "frames", "J", -0.3),
    ],
)
def test_a_figure_draws_the_numbers_of_the_tables(
    unscored: Path, tmp_path: Path, name: str, table: str, column: str, change: float
) -> None:
    """Not its own: scores and speed files are gone, and another number gives another picture."""
    folder = tmp_path / "study"
    folder.mkdir()
    for path in unscored.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "tables").unlink()
    shutil.copytree(unscored / "tables", folder / "tables")
    before = picture(unscored, name)
    path = folder / f"tables/{table}.csv"
    numbers = table_files.read(folder, table)
    shown = numbers[column].notna()
    numbers.loc[shown, column] += change
    write_table(path, numbers)
    after = picture(folder, name)
    assert before.shape == after.shape
    assert (before != after).any()


@cache
def picture(folder: Path, name: str) -> Any:
    """A figure as pixels."""
    with in_style():
        figure = DRAWINGS[name](loaded(folder))
        assert not isinstance(figure, str)
        figure.set_dpi(60)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()  # lays it out once, where to save it does so twice
    return np.asarray(canvas.buffer_rgba())


@pytest.mark.parametrize("table", ["davis2016", "frames"])
def test_without_a_table_no_figure_is_written_and_it_is_said_how_to_get_it(
    tmp_path: Path, table: str
) -> None:
    """That of the first figure, or of the last ones."""
    built(tmp_path, variants=2, benchmarks=("davis2016",), seeds=(0,), frames=4)
    (tmp_path / f"tables/{table}.csv").unlink()
    with pytest.raises(
        UserError, match=rf"tables/{table}\.csv: cannot .*; run `rgmp tables .*` to"
    ):
        write(tmp_path)
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("slowness", [1, 1.3, 3, 10, 45, 300])
def test_ticks_of_seconds_can_be_told_apart(slowness: float) -> None:
    for least in (0.0011, 0.0042, 0.013, 0.6, 7):
        with in_style():
            figure = Figure((WIDTH / 2, 2), layout="constrained")
            ax = figure.subplots()
            accuracy._log_seconds(ax, [least, least * slowness])
            figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
        assert len(boxes) >= 2
        assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


@pytest.mark.parametrize("variants", [2, 10])
def test_names_of_published_methods_cover_nothing(tmp_path: Path, variants: int) -> None:
    built(tmp_path, variants=variants, complete=True, seeds=(0,), frames=6, external=True)
    with in_style():
        figure = DRAWINGS["accuracy_speed"](load(tmp_path))
        assert not isinstance(figure, str)
        figure.draw_without_rendering()
    for ax in figure.axes:
        boxes = [text.get_window_extent() for text in ax.texts]
        assert len(boxes) > 8
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:i])
            for line in ax.lines:
                if line.get_linestyle() == ":":  # of a method whose speed is not known
                    assert not box.y0 < line.get_window_extent().y0 < box.y1


def test_legends_fit_the_page(sizes: dict[int, Path]) -> None:
    for name in ("accuracy_speed", "differences", "difficulty", "course", "sequences", "training"):
        figure = drawn(sizes[10], name)
        assert written(sizes[10], name)
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def test_of_more_variants_than_colours_the_furthest_from_full_have_one(
    sizes: dict[int, Path],
) -> None:
    study = loaded(sizes[14])
    coloured, grey = style.distinct(study), {*study.methods} - {*style.distinct(study)}
    assert len(coloured) == len({str(style.colour_of(study, m)) for m in coloured}) == 10
    assert coloured[0] == "full"
    assert {style.colour_of(study, method) for method in grey} == {style.GREY}
    difference = study.table("ablation").groupby("variant")["difference_mean"]
    furthest = difference.agg(lambda values: values.abs().max())
    assert furthest[coloured[1:]].min() >= furthest[[*grey]].max()
    for name in ("accuracy_speed", "difficulty", "course", "training", "dag"):
        words = said(drawn(sizes[14], name))
        assert any("4 variants closer to RGMP" in text for text in words), name
    assert {*map(study.label, grey)} <= said(drawn(sizes[14], "differences"))
    assert not {*map(study.label, grey)} & said(drawn(sizes[14], "strips"))


@pytest.mark.parametrize("variants", [2, 10, 14])
@pytest.mark.parametrize("name", FIGURE_NAMES)
def test_no_two_labels_overlap_and_none_leaves_the_page(
    sizes: dict[int, Path], variants: int, name: str
) -> None:
    figure, places = drawn(sizes[variants], name), written(sizes[variants], name)
    assert len(places) > 5
    assert figure.get_size_inches()[1] <= PAGE_HEIGHT
    boxes = [(text.get_text(), box.padded(-1)) for text, box in places.items()]
    for i, (text, box) in enumerate(boxes):
        assert figure.bbox.x0 - 1 <= box.x0 < box.x1 <= figure.bbox.x1 + 1, text
        assert figure.bbox.y0 - 1 <= box.y0 < box.y1 <= figure.bbox.y1 + 1, text
        for other, beside in boxes[:i]:
            assert not box.overlaps(beside), f"{text!r} is on {other!r}"


def test_lines_of_ten_variants_can_be_told_apart_in_grey() -> None:
    assert len({str(line) for line in LINES}) == len(COLOURS) == 10
    assert len(set(MARKERS)) == 10


def test_who_shares_a_training_stands_together_and_who_trains_nothing_stands_alone(
    tmp_path: Path,
) -> None:
    build(tmp_path, variants=6, frames=6)
    plan = json.loads((tmp_path / "plan.json").read_text())
    for run in plan["variants"][0]["runs"]:
        run |= {"trainings": [], "weights": "released.pth"}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    study = load(tmp_path)
    nodes = job_graph.sharing(study.plan, study.variants)
    variants = [node for node in nodes if node.column == 2]
    assert (variants[-1].label, variants[-1].parent) == ("RGMP", None)
    for index, node in enumerate(nodes):
        below = sorted(other.row for other in nodes if other.parent == index)
        if below:
            assert below[0] <= node.row <= below[-1]
    for column in range(3):
        rows = sorted(node.row for node in nodes if node.column == column)
        assert all(b - a >= 1 for a, b in pairwise(rows))


def test_strips_show_the_frames_where_the_variants_differ_most(four: Path) -> None:
    study = loaded(four)
    shots = most_divergent(study, "davis2017", 3)
    assert len({shot.sequence for shot in shots}) == 3
    assert all(_labels(study, shot, None).max() > 1 for shot in shots), "several objects"
    scores = scores_of(study)
    first = scores[(scores["benchmark"] == "davis2017") & (scores["seed"] == 0)]
    several = first.loc[first["object"] > 1, "sequence"]
    first = first[first["sequence"].isin(several)]
    means = first.groupby(["sequence", "frame", "variant"])["J"].mean()
    ranges = means.groupby(["sequence", "frame"]).agg(np.ptp).to_dict()
    assert (shots[0].sequence, shots[0].frame) == max(ranges, key=lambda frame: ranges[frame])


def test_strips_prefer_objects_in_sight_and_other_sequences(tmp_path: Path) -> None:
    build(tmp_path, variants=2, seeds=(0,), frames=6)
    path = tmp_path / "scores/davis2016/full/seed0.csv"
    scores = read_scores(path, "snakemake")
    scores.loc[1, "J"] = 1.0  # out of sight, and not found
    write_scores(path, scores)
    path = tmp_path / "scores/davis2016/no_bptt/seed0.csv"
    scores = read_scores(path, "snakemake")
    scores.loc[1, "J"] = 0.0
    write_scores(path, scores)
    write_tables(tmp_path)
    study = load(tmp_path)
    shots = most_divergent(study, "davis2016", 6)
    assert (scores["sequence"][1], scores["frame"][1]) not in {(s.sequence, s.frame) for s in shots}
    shown = {shot.sequence for shot in shots[:2]}
    assert [s.sequence for s in most_divergent(study, "davis2016", 6, shown)[-2:]] == [
        shot.sequence for shot in shots[:2]
    ]


def test_the_hardest_sequences_start_from_what_is_given(four: Path) -> None:
    study = loaded(four)
    strips = hardest_strips(study, "davis2016", 2, 4)
    assert [len(strip.shots) for strip in strips] == [4, 4]
    assert [strip.shots[0].frame for strip in strips] == ["00000", "00000"]
    assert strips[0].shots[-1].frame == "00018"
    assert [strip.methods for strip in strips] == [["full"], ["full"]]
    (next_strip,) = hardest_strips(study, "davis2016", 1, 4, [strips[0].shots[0].sequence])
    assert next_strip.shots[0].sequence == strips[1].shots[0].sequence


def test_a_strip_has_the_given_frame_first_then_scored_ones_and_the_most_divergent(
    four: Path,
) -> None:
    study = loaded(four)
    (strip,) = divergent_strips(study, "davis2017", 1, 4, study.methods)
    (shot,) = most_divergent(study, "davis2017", 1)
    frames = [one.frame for one in strip.shots]
    assert frames[0] == "00000"
    assert frames == sorted({*frames})
    assert len(frames) == 4
    assert shot.frame in frames
    assert strip.numbers == list(range(1, 19))
    assert strip.courses["full"][strip.numbers.index(int(shot.frame))] == pytest.approx(
        100 * shot.regions["full"]
    )


def test_strips_number_their_frames_on_an_axis_of_time(four: Path) -> None:
    figure = drawn(four, "strips")
    axes = [ax for ax in figure.axes if ax.get_xlabel() == "frame"]
    assert axes
    for ax in axes:
        ticks = [label.get_text() for label in ax.get_xticklabels()]
        assert ticks[0] == "0"
        assert ax.get_xlim()[0] == 0
        assert {f"frame {tick}" for tick in ticks[1:]} | {"frame 0, given"} <= said(figure)


@pytest.mark.parametrize("name", ["accuracy_speed", "course", "strips", "differences"])
def test_what_is_the_same_computation_has_no_picture(sizes: dict[int, Path], name: str) -> None:
    """With one object nothing is aggregated: only the differences say so, in words."""
    study = loaded(sizes[10])
    label = study.label("winner_take_all")
    assert "winner_take_all" in study.computing("davis2017")
    assert "winner_take_all" not in study.computing("davis2016")
    figure = drawn(sizes[10], name)
    first = figure.axes[0]
    words = [text.get_text().replace("\n", " ") for text in figure.findobj(Text)]
    match name:
        case "accuracy_speed":  # a point for each method, with up to two bars
            points = [line for line in first.lines if line.get_marker() not in ("None", "|", "_")]
            assert len(points) == len(study.computing("davis2016")) - 1  # the painter is not timed
        case "course":
            assert sum(label in word for word in words) == 1
        case "strips":
            assert words.count(label) == 1
        case "differences":
            assert words.count("same computation") == 2  # and independent objects


@pytest.mark.parametrize("variants", [2, 10, 14])
def test_a_column_of_courses_is_of_one_benchmark(sizes: dict[int, Path], variants: int) -> None:
    study = load(sizes[variants])
    titles = [*map(study.plan.title_of, study.plan.benchmarks)]
    (grid,) = {ax.get_subplotspec().get_gridspec() for ax in drawn(sizes[variants], "course").axes}
    courses = study.table("course").set_index(["benchmark", "variant"])["J"].sort_index()
    seen = []
    for ax in drawn(sizes[variants], "course").axes:
        place = ax.get_subplotspec()
        benchmark = study.plan.benchmarks[place.colspan.start % len(titles)]
        if place.rowspan.start == 0:
            assert [text.get_text() for text in ax.texts] == [study.plan.title_of(benchmark)]
        if not ax.axison:
            continue
        label = ax.get_title().replace("\n", " ")
        (variant,) = [v for v in study.methods if study.label(v) == label]
        seen.append((benchmark, variant))
        *_, line = ax.lines
        np.testing.assert_allclose(line.get_ydata(), 100 * courses[benchmark, variant])
    assert grid.ncols % len(titles) == 0
    shown = [v for v in style.distinct(study)[1:] if v in {*study.table("course")["variant"]}]
    scored = {*courses.index}
    assert sorted(seen) == sorted(
        (benchmark, variant)
        for benchmark in study.plan.benchmarks
        for variant in shown
        if variant in study.computing(benchmark) and (benchmark, variant) in scored
    )


def test_verdicts_differ_in_colour_and_in_shape() -> None:
    marks = [*VERDICTS.values()]
    assert len({str(mark["color"]) for mark in marks}) == len(marks)
    assert len({mark["marker"] for mark in marks}) == len(marks)
    assert mark_of("worse, by less than the margin") == VERDICTS["worse"]
    assert mark_of("no difference beyond the margin") == VERDICTS["no difference beyond the margin"]
    assert mark_of("undecided") == VERDICTS["undecided"]
    assert mark_of("one seed: no verdict") == mark_of("exploratory") == VERDICTS["no verdict"]
    assert {*VERDICTS} == {*get_args(Kind)} == {*MARKS}


def test_legends_call_the_verdicts_that_occur_as_the_tables_do(sizes: dict[int, Path]) -> None:
    study = load(sizes[10])
    for name, table in (("differences", "ablation"), ("difficulty", "difficulty")):
        verdicts = study.table(table)["difference_verdict"]
        asked = verdicts[~verdicts.isin(["", "same computation", "exploratory"])]
        (legend,) = drawn(sizes[10], name).legends
        words = {text.get_text() for text in legend.get_texts()}
        assert {*get_args(Kind)} & words == {*map(kind_of, asked)}


def test_the_heat_map_frames_what_was_predicted_and_has_every_comparison(
    sizes: dict[int, Path],
) -> None:
    study = loaded(sizes[10])
    table = study.table("difficulty")
    maps = heat_maps(study, study.variants)
    cells = [cell for one in maps for row in one.rows.values() for cell in row if cell]
    assert len(cells) == len(table)
    assert sum(cell.predicted for cell in cells) == (table["expected"] != "").sum() > 0
    assert all(one.difficulties == maps[0].difficulties for one in maps), "columns of one width"
    assert maps[0].difficulties[-1] == "several objects"
    for row in table.to_dict("records"):
        (one,) = (m for m in maps if m.benchmark == row["benchmark"])
        cell = one.rows[row["variant"]][one.difficulties.index(row["difficulty"])]
        assert cell
        assert (cell.mean, cell.low, cell.high) == (
            row["difference_mean"],
            row["difference_low"],
            row["difference_high"],
        )
    figure = drawn(sizes[10], "difficulty")
    frames = [
        patch for ax in figure.axes[:2] for patch in ax.patches if not patch.get_facecolor()[3]
    ]
    assert len(frames) == sum(cell.predicted for cell in cells)
    written = [text.get_text() for ax in figure.axes[:2] for text in ax.texts]
    assert written == [points(cell.mean, "+") for cell in cells]
    for ax, one in zip(figure.axes, maps, strict=False):
        named = [label.get_text().replace("\n", " ") for label in ax.get_xticklabels()]
        there = [any(row[x] for row in one.rows.values()) for x in range(len(named))]
        assert [bool(name) for name in named] == there, "no name above an empty column"


def test_the_heat_map_marks_what_repeats_another_benchmark(repeating: Path) -> None:
    figure = drawn(repeating, "difficulty")
    foreground, objects = figure.axes[:2]
    assert foreground.get_title("left") == "embedded, foreground"
    same = "same sequences and masks as embedded, foreground"
    assert objects.get_title("left") == f"embedded, objects (‖: {same})"
    first, second = (
        {text.get_text() for text in ax.texts if text.get_text().endswith("‖")}
        for ax in (foreground, objects)
    )
    assert not first
    alone = loaded(repeating).table("difficulty").query("same_data_as == 'davis2016'")
    assert second == {f"{points(mean, '+')}‖" for mean in alone["difference_mean"]}


def test_accuracy_and_speed_have_bars_both_ways(four: Path) -> None:
    study = loaded(four)
    figure = drawn(four, "accuracy_speed")
    ax = figure.axes[0]
    row: Any = study.table("davis2016").set_index("variant").loc["full"]
    across, up = (bars.get_segments()[0] for bars in ax.containers[0][2])
    ends = row[["seconds_per_frame_low", "seconds_per_frame_high"]]
    assert 0 < ends.iloc[0] < row["seconds_per_frame"] < ends.iloc[1]
    np.testing.assert_allclose(across[:, 0], ends.astype(float), rtol=1e-9)
    spread = [row["J&F"] - row["J&F_spread"], row["J&F"] + row["J&F_spread"]]
    np.testing.assert_allclose(up[:, 1], 100 * np.array(spread, float))


def test_masks_that_are_not_there_any_more_are_left_out(four: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(four, tmp_path / four.name)
    study = load(folder)
    shot = most_divergent(study, "davis2016", 1)[0]
    assert mask_of(study, shot, "no_reference") is not None
    shutil.rmtree(folder / "masks/no_reference-seed0")
    assert mask_of(study, shot, "no_reference") is None
    assert mask_of(study, shot, "full") is not None


def test_a_painted_frame_shows_mask_and_outline(four: Path) -> None:
    study = loaded(four)
    shot = most_divergent(study, "davis2016", 1)[0]
    mask = mask_of(study, shot, "no_reference")
    truth, masked = paint(study, shot, None, 300), paint(study, shot, mask, 300)
    assert truth.shape == masked.shape
    assert truth.shape[1] == 300
    white = (truth == 255).all(axis=2)
    assert white.any()
    np.testing.assert_array_equal(white, (masked == 255).all(axis=2))
    assert (truth != masked).any()
    beside = np.pad(white, 1)
    near = beside[:-2, 1:-1] | beside[2:, 1:-1] | beside[1:-1, :-2] | beside[1:-1, 2:]
    assert (truth[near & ~white] == 0).all(), "black beside white shows on every ground"


def test_false_positives_false_negatives_and_objects_are_told_apart(four: Path) -> None:
    study = loaded(four)
    shot = most_divergent(study, "davis2017", 1)[0]
    mask = mask_of(study, shot, "no_reference")
    width = 160  # pixels of a frame
    predicted, truth = _labels(study, shot, mask), _labels(study, shot, None)
    painted = paint(study, shot, mask, width)
    outlined = (painted == 255).all(axis=2) | (painted == 0).all(axis=2)
    for errors, colours in (
        ((predicted > 0) & (predicted != truth), FALSE_POSITIVE),
        ((predicted == 0) & (truth > 0), FALSE_NEGATIVE),
    ):
        striped = np.any([(painted == colour).all(axis=2) for colour in colours], axis=0)
        assert errors.any()
        np.testing.assert_array_equal(striped[~outlined], errors[~outlined])
    assert [colour_of_object(number) for number in (1, 2, 3)] == [
        (128, 0, 0),
        (0, 128, 0),
        (128, 128, 0),
    ]


def test_masks_that_others_packed_are_shown_as_they_are_scored(tmp_path: Path) -> None:
    """A zip of RGB masks, below a folder and named in another way, says what the folder says."""
    built(tmp_path, variants=1, benchmarks=("davis2017",), seeds=(0,), frames=6, external=True)
    study = load(tmp_path)
    shots = most_divergent(study, "davis2017", 6)
    shown = [_labels(study, shot, mask_of(study, shot, "painter")) for shot in shots]
    with zipfile.ZipFile(tmp_path / "painter.zip", "w") as archive:
        for path in (tmp_path / "masks/painter").rglob("*.png"):
            with archive.open(f"480p/{path.parent.name}/frame_{path.name}", "w") as packed:
                Image.open(path).convert("RGB").save(packed, "PNG")
    others = {"masks": {"davis2017": tmp_path / "painter.zip"}}
    painter, reporter = study.plan.external
    changed = {"external": (painter.model_copy(update=others), reporter)}
    save(study.plan.model_copy(update=changed), tmp_path)
    study = load(tmp_path)
    for shot, labels in zip(shots, shown, strict=True):
        mask = mask_of(study, shot, "painter")
        assert labels.max() > 0
        np.testing.assert_array_equal(_labels(study, shot, mask), labels)
    with pytest.raises(UserError, match=r"painter\.zip/480p/scale-change: no mask of frame 00005"):
        study.mask_of("davis2017", "painter", "scale-change", "00005")
    (tmp_path / "painter.zip").unlink()
    assert mask_of(study, shots[0], "painter") is None


def test_a_strip_is_cropped_to_what_is_marked_and_keeps_its_shape(four: Path) -> None:
    study = loaded(four)
    strips = divergent_strips(study, "davis2016", 6, 4, study.methods)
    for strip in strips:
        (view,) = {shot.view for shot in strip.shots}
        left, top, right, bottom = view or (0, 0, 160, 96)
        assert 0 <= left < right <= 160
        assert 0 <= top < bottom <= 96
        assert (right - left) / (bottom - top) == pytest.approx(160 / 96, rel=0.03)
        assert right - left >= 80
        for shot in strip.shots:
            for mask in (None, *(mask_of(study, shot, method) for method in shot.regions)):
                y, x = np.nonzero(_labels(study, shot, mask))
                assert left <= x.min() <= x.max() < right
                assert top <= y.min() <= y.max() < bottom
    one = next(s.shots[1] for s in strips if s.shots[0].sequence == "occlusion")
    assert one.view, "a single object does not fill the frame"
    whole = one._replace(view=None)
    assert paint(study, one, None, 300).shape == paint(study, whole, None, 300).shape


def test_pictures_are_at_most_as_large_as_print_needs(four: Path) -> None:
    figure = drawn(four, "strips")
    assert not isinstance(figure, str)
    assert figure.get_size_inches()[0] == WIDTH
    for ax in figure.axes:
        for image in ax.images:
            inches = ax.get_position().width * WIDTH
            pixels = np.asarray(image.get_array()).shape[1]
            assert pixels == pytest.approx(300 * inches, abs=1)
