"""The official evaluator's own class, with its faults; and a stand-in where it is not installed."""

import importlib.util
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.evaluator import FAULTS, put_evaluator, take_evaluator_away
from support.two_boxes import FRAMES, SHAPE, labels, save

from rgmp.config.base import BENCHMARKS, Benchmark
from rgmp.data.images import Labels
from rgmp.data.mask_source import MaskFile
from rgmp.data.videos import Videos
from rgmp.evaluation import official, official_run
from rgmp.evaluation.engines import cross_check, require
from rgmp.evaluation.measures import MEASURES, Score
from rgmp.evaluation.official import EvaluatorError, Official, masked_in, stale_tables
from rgmp.evaluation.score_table import table_of
from rgmp.evaluation.scoring import score
from rgmp.evaluation.summary import per_object, summarise


def both(videos: Videos, masks: Path, processes: int = 1) -> tuple[list[Score], list[Score]]:
    """The rows of the built-in engine, and those of the official evaluator."""
    rows = score(videos, masks, variant="full", seed=0)
    with Official(processes) as evaluator:
        theirs = evaluator.measure(masked_in(videos, masks, rows))
        return rows, [row for each in theirs for row in each]


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, file.relative_to(folder))
    return path


class TestWithAStandIn:
    """What it is given, and what becomes of its faults."""

    def test_it_sees_what_the_files_mean(
        self, root: Path, masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """0/255 annotations and masks, other names, a zip, and one run a frame: the same rows."""
        put_evaluator(monkeypatch, tmp_path / "packages")
        monkeypatch.setattr(official, "MEMORY", 1)
        for number in range(FRAMES):
            shown = np.where(labels(number) > 0, 255, 0).astype(np.uint8)
            save(root / f"Annotations/480p/ant/{number:05d}.png", shown, "L")
            save(masks / f"ant/frame_{number}.png", np.roll(shown, number, axis=1), "L")
            (masks / f"ant/{number:05d}.png").unlink()
        videos = Videos(davis=root, benchmark="davis2016")
        ours, theirs = both(videos, zipped(masks), processes=2)
        assert theirs == ours
        assert len({row.J for row in ours}) == 4

    def test_what_it_left_beside_masks_is_not_read(
        self, videos: Videos, masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor is a folder of the package's name where it is started."""
        put_evaluator(monkeypatch, tmp_path / "packages")
        older = masks / "global_results-val.csv"
        older.write_text("J&F-Mean\n1.000\n")
        ours, theirs = both(videos, masks)
        assert theirs == ours
        assert stale_tables(masks) == [older]

    @pytest.mark.parametrize(
        ("fault", "line"),
        [
            ("a missing mask", r"bee, frames 00001 to 00003: .* status 0 before .* not found!"),
            ("an error", r"bee, frames 00001 to 00003: .* \(ValueError: shapes differ\)"),
            ("killed", "crashed or was killed evaluating bee, frames 00001 to 00003; free some"),
            ("a frame too few", "did not measure 2 objects in 3 frames"),
            ("other means", "reports other means of J than it measured"),
        ],
    )
    def test_its_faults_are_a_line(
        self,
        fault: str,
        line: str,
        videos: Videos,
        masks: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        put_evaluator(monkeypatch, tmp_path / "packages", fault)
        with pytest.raises(EvaluatorError, match=line) as caught:
            both(videos, masks)
        assert str(caught.value).startswith("engine official: ")
        assert fault in FAULTS

    def test_one_that_lacks_a_dependency(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put_evaluator(monkeypatch, tmp_path / "packages")
        (tmp_path / "packages/davis2017/evaluation.py").write_text("import no_such_cv2")
        with pytest.raises(EvaluatorError, match=r"incomplete \(No module named 'no_such_cv2'\)"):
            require("official", "off")


def test_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    take_evaluator_away(monkeypatch)
    for engine, check in (("official", "off"), ("builtin", "require")):
        with pytest.raises(EvaluatorError, match="make evaluator"):
            require(engine, check)  # type: ignore[arg-type]
    require("builtin", "auto")


needs_evaluator = pytest.mark.skipif(
    importlib.util.find_spec("davis2017") is None,
    reason="davis2017-evaluation is not installed: `make evaluator`",
)


@needs_evaluator
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_it_gives_the_same_rows(root: Path, masks: Path, benchmark: Benchmark) -> None:
    save(masks / "ant" / "00002.png", np.zeros(SHAPE, dtype=np.uint8))
    assert cross_check(*both(Videos(davis=root, benchmark=benchmark), masks)) < 1e-12


@needs_evaluator
def test_figures_are_those_of_a_whole_run_of_it(videos: Videos, root: Path, masks: Path) -> None:
    from davis2017.evaluation import DAVISEvaluation

    evaluation = DAVISEvaluation(str(root), "semi-supervised", "val")
    theirs = evaluation.evaluate(str(masks))
    rows = score(videos, masks, variant="full", seed=0)
    ours = summarise(per_object(table_of(rows))).iloc[0]
    figures = [np.mean(theirs[name][figure]) for name in "JF" for figure in "MRD"]
    assert [ours[measure] for measure in MEASURES[1:]] == pytest.approx(figures, abs=1e-12)


@needs_evaluator
def test_a_missing_mask_ends_it_with_status_0_and_is_a_line(
    videos: Videos, masks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = official_run._put

    def all_but_one(file: MaskFile, labels: Labels, path: Path) -> None:
        if path.relative_to(tmp_path).parts[1:] != ("masks", "ant", "00002.png"):
            put(file, labels, path)

    monkeypatch.setattr(official_run, "_put", all_but_one)
    sequence = videos.open()[1]
    files = tuple(MaskFile(masks / f"ant/{path.name}") for path in sequence.scored)
    run = official_run.Run(tmp_path / "run", "ant", "davis2017", 2, sequence.annotations, files)
    fault = official_run.evaluate(run).fault
    assert fault.startswith("ended with status 0 before it had scores, saying: ")
    assert "ant frame 00002 not found!" in fault
    assert not run.place.exists()
