"""`rgmp evaluate`: everything that has the same weights, nothing twice."""

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from support import tiny_study

from rgmp.cli import main as cli
from rgmp.config.base import BENCHMARKS, Benchmark
from rgmp.config.dataset import DAVIS
from rgmp.config.method import Network
from rgmp.data import davis
from rgmp.data.images import Labels, read_labels
from rgmp.data.sequence import Sequence
from rgmp.evaluation import sequence_scores
from rgmp.evaluation.measures import Score
from rgmp.evaluation.scoring import score_sequence
from rgmp.inference import segment
from rgmp.inference.propagator import Propagator
from rgmp.model import weights
from rgmp.model.network import RGMP
from rgmp.provenance.record import Record, read
from rgmp.runtime import device
from rgmp.study.plan import load_plan
from rgmp.study.preregistration import changed_claims
from rgmp.study.results import load

RESULTS = Path("results/tiny")
STUDY = tiny_study.STUDY | {"seeds": [0]}
RUNS = [f"{b}/{v}" for v in ("full", "winner_take_all") for b in BENCHMARKS]


def write_weights(path: Path, seed: int) -> None:
    torch.manual_seed(seed)
    network = RGMP(Network(backbone="resnet10", width=4, decoder_width=4))
    weights.save(path, network.eval(), {})


def write_variant(name: str) -> None:
    """A variant that uses given weights, and differs in its aggregation alone."""
    overrides = {"weights": "given.safetensors", "stages": []}
    settings = {} if name == "full" else {"inference": {"aggregation": name}}
    text = yaml.safe_dump({"label": name, "claim": name, "overrides": overrides | settings})
    Path(f"ablations/{name}.yaml").write_text(text)


def add_sequence(name: str, like: str) -> None:
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(f"davis/{kind}/480p/{like}", f"davis/{kind}/480p/{name}")
    frame = Path(f"davis/JPEGImages/480p/{name}/00001.jpg")
    frame.write_bytes(frame.with_name("00002.jpg").read_bytes())
    for split in Path("davis/ImageSets").glob("*/val.txt"):
        split.write_text(split.read_text() + f"{name}\n")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of given weights: val_a has two objects, val_b one."""
    monkeypatch.chdir(tmp_path)
    write_study()
    return tmp_path


def write_study() -> None:
    tiny_study.write_tree(Path())
    for path in Path("davis/Annotations/480p/val_b").iterdir():
        labels = read_labels(path)
        davis.write_mask(path, np.where(labels == 2, 0, labels))
    write_weights(Path("given.safetensors"), seed=0)
    Path("ablations").mkdir()
    for name in ("full", "winner_take_all"):
        write_variant(name)
    Path("study.yaml").write_text(yaml.safe_dump(STUDY))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_study()
        evaluate()
    return root


@pytest.fixture
def evaluated(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder to work in holds that study, and what `evaluate` has made of it."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def evaluate() -> None:
    assert cli.main(["plan", "study.yaml"]) == 0
    assert cli.main(["evaluate", str(RESULTS), "full/seed0"]) == 0


def record(kind: str, run: str) -> Record:
    return read(RESULTS / f"records/{kind}/{run}/seed0.json")


def folders() -> set[str]:
    """The folders of masks that there are, from the study's folder."""
    return {str(path.relative_to(RESULTS)) for path in RESULTS.glob("masks/*/*") if path.is_dir()}


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Benchmark]]:
    """What is segmented and scored, in order: which of the two, the sequence, the benchmark."""
    done: list[tuple[str, str, Benchmark]] = []
    segmenting, measuring = segment.segment_sequence, score_sequence

    def segmented(p: Propagator, s: Sequence, out: Path) -> None:
        segmenting(p, s, out)
        benchmark = next(name for name, dataset in DAVIS.items() if dataset == s.dataset)
        done.append(("segment", s.name, benchmark))

    def scored(s: Sequence, benchmark: Benchmark, *args: Path, **how: str) -> list[Score]:
        done.append(("score", s.name, benchmark))
        return measuring(s, benchmark, *args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(segment, "segment_sequence", segmented)
    monkeypatch.setattr(sequence_scores, "score_sequence", scored)
    return done


@pytest.mark.usefixtures("here")
def test_masks_that_are_the_same_lie_once_and_every_record_says_where(
    work: list[tuple[str, str, Benchmark]],
) -> None:
    evaluate()
    places = {run: record("masks", run)["masks"] for run in RUNS}
    assert len({p["val_b"] for p in places.values()}) == 1
    of_two = [places[run]["val_a"] for run in RUNS]
    assert of_two[0] == of_two[2], "as davis2016 it has one object, the foreground"
    assert len({*of_two}) == 3
    assert folders() == {place for p in places.values() for place in p.values()}
    assert work == [
        ("segment", "val_a", "davis2016"),
        ("segment", "val_b", "davis2016"),
        ("score", "val_a", "davis2016"),
        ("score", "val_b", "davis2016"),
        *2 * (("segment", "val_a", "davis2017"), ("score", "val_a", "davis2017")),
    ]
    assert [record("masks", run)["results"]["segmented"] for run in RUNS] == [2, 1, 0, 1]


@pytest.mark.usefixtures("evaluated")
@pytest.mark.parametrize("run", RUNS)
def test_masks_and_scores_are_those_by_hand(run: str) -> None:
    benchmark, variant = run.split("/")
    of = ["--davis", "davis", "--benchmark", benchmark]
    how = ["--scales", "1", "--threads", "1", "--device", "cpu"]
    if variant != "full":
        how += ["--aggregation", variant]
    infer = ["infer", "--weights", "given.safetensors", *of, *how, "--masks", "by_hand"]
    assert cli.main([*infer, "--record", "infer.json"]) == 0
    names = ["--variant", variant, "--seed", "0"]
    scoring = ["score", *of, "--masks", "by_hand", *names, "--out", "scores.csv"]
    assert cli.main([*scoring, "--record", "score.json"]) == 0
    for sequence, place in record("masks", run)["masks"].items():
        masks = sorted((RESULTS / place).glob("*.png"))
        assert len(masks) == tiny_study.FRAMES
        for path in masks:
            assert path.read_bytes() == Path("by_hand", sequence, path.name).read_bytes()
    table = RESULTS / f"scores/{run}/seed0.csv"
    assert table.read_bytes() == Path("scores.csv").read_bytes()
    for kind, by_hand in (("masks", "infer.json"), ("scores", "score.json")):
        ours, other = record(kind, run), read(Path(by_hand))
        part = load_plan(RESULTS).data.digests[f"{benchmark}/val"]
        assert ours["inputs"] == {**other["inputs"], "manifest": part}
        for key in ("kind", "config", "outputs"):
            assert ours[key] == other[key]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("aggregation", ["softmax", "winner_take_all", "independent"])
def test_one_object_has_the_same_masks_with_every_aggregation(aggregation: str) -> None:
    """As the identity of masks takes it; with two objects they differ."""
    of = ["--davis", "davis", "--benchmark", "davis2017", "--scales", "1", "--device", "cpu"]
    infer = ["infer", "--weights", "given.safetensors", *of]
    assert cli.main([*infer, "--masks", "wanted"]) == 0
    assert cli.main([*infer, "--aggregation", aggregation, "--masks", "found"]) == 0
    for sequence, same in (("val_a", aggregation == "softmax"), ("val_b", True)):
        wanted, found = (
            [path.read_bytes() for path in sorted(Path(out, sequence).iterdir())]
            for out in ("wanted", "found")
        )
        assert (found == wanted) == same


@pytest.mark.usefixtures("evaluated")
def test_again_nothing_is_computed_and_the_same_is_written(
    work: list[tuple[str, str, Benchmark]],
) -> None:
    tables = {path: path.read_bytes() for path in RESULTS.rglob("*.csv")}
    for path in tables:
        path.unlink()
    evaluate()
    assert work == []
    assert {path: path.read_bytes() for path in RESULTS.rglob("*.csv")} == tables


@pytest.mark.usefixtures("evaluated")
def test_what_a_variant_expected_is_kept_when_it_is_first_scored() -> None:
    assert changed_claims(load_plan(RESULTS), RESULTS) == {}
    path = Path("ablations/winner_take_all.yaml")
    expects = {"overall": {"difference": "worse", "because": "it was"}}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"expects": expects}))
    shutil.rmtree(RESULTS / "scores")  # the job is due again, for whatever reason
    shutil.rmtree(RESULTS / "records")
    evaluate()
    claims = changed_claims(load_plan(RESULTS), RESULTS)
    assert claims == {("winner_take_all", "overall"): "newer"}


@pytest.mark.usefixtures("evaluated")
def test_of_more_sequences_the_new_ones_alone_are_segmented_and_scored(
    work: list[tuple[str, str, Benchmark]],
) -> None:
    before = folders()
    add_sequence("val_c", like="val_b")
    evaluate()
    assert work == [("segment", "val_c", "davis2016"), ("score", "val_c", "davis2016")]
    (new,) = folders() - before
    assert {record("masks", run)["masks"]["val_c"] for run in RUNS} == {new}
    for run in RUNS:
        rows = csv.DictReader((RESULTS / f"scores/{run}/seed0.csv").read_text().splitlines())
        assert {row["sequence"] for row in rows} == {"val_a", "val_b", "val_c"}


@pytest.mark.usefixtures("evaluated")
def test_of_another_variant_with_these_weights_the_new_masks_alone_are_made(
    work: list[tuple[str, str, Benchmark]],
) -> None:
    write_variant("independent")
    evaluate()
    assert work == [("segment", "val_a", "davis2017"), ("score", "val_a", "davis2017")]


@pytest.mark.usefixtures("here")
def test_a_killed_evaluation_goes_on_with_the_sequences_that_are_whole(
    work: list[tuple[str, str, Benchmark]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = davis.write_mask, 0

    def killed(path: Path, labels: Labels) -> None:
        nonlocal calls
        calls += 1
        if calls > tiny_study.FRAMES + 1:  # within the second sequence
            raise KeyboardInterrupt
        real(path, labels)

    assert cli.main(["plan", "study.yaml"]) == 0
    monkeypatch.setattr(davis, "write_mask", killed)
    assert cli.main(["evaluate", str(RESULTS), "full/seed0"]) == 130
    monkeypatch.setattr(davis, "write_mask", real)
    assert [sequence for _, sequence, _ in work] == ["val_a"]
    assert len(folders()) == 1
    assert not [*RESULTS.glob("records/masks/**/*.json")]
    evaluate()
    assert [item for item in work if item[0] == "segment"].count(work[0]) == 1
    assert not [*RESULTS.glob("masks/*/.val_*")]


@pytest.mark.usefixtures("here")
def test_masks_of_other_weights_are_replaced(work: list[tuple[str, str, Benchmark]]) -> None:
    """Of a training run that was repeated, on another machine say: its folder keeps its name."""
    evaluate()
    (folder,) = RESULTS.glob("masks/given-*")
    first = list(work)
    work.clear()
    write_weights(Path("given.safetensors"), seed=1)
    assert cli.main(["evaluate", str(RESULTS), "full/seed0"]) == 0
    assert work == first
    assert [*RESULTS.glob("masks/*")] == [folder]
    assert len(folders()) == 4


@pytest.mark.usefixtures("here")
def test_masks_that_another_type_of_processor_began_are_made_anew(
    work: list[tuple[str, str, Benchmark]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bits are others, and the record names one type."""
    evaluate()
    first = list(work)
    work.clear()
    monkeypatch.setattr("rgmp.inference.evaluation.processor_here", lambda _: "Abacus")
    evaluate()
    segmented = [item for item in first if item[0] == "segment"]
    assert [item for item in work if item[0] == "segment"] == segmented


@pytest.mark.usefixtures("evaluated")
def test_places_are_found_after_a_move() -> None:
    shutil.copytree("results", "moved")
    shutil.rmtree("results")
    results = load(Path("moved/tiny"))
    for run in RUNS:
        benchmark, variant = run.split("/")
        for sequence in ("val_a", "val_b"):
            mask = results.mask_of(benchmark, variant, sequence, "00000")
            assert mask is not None
            assert len([*mask.place.parent.glob("*.png")]) == tiny_study.FRAMES


@pytest.mark.usefixtures("here")
def test_an_evaluation_has_the_masks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """From before it takes a GPU until its last record is written."""
    events: list[object] = []
    real = device.choose

    def choose(*_: object) -> torch.device:
        events.append("GPU")
        return real("cpu", 1)

    @contextmanager
    def alone_in(folder: Path) -> Iterator[None]:
        events.append(folder.parent)
        yield
        events.append(len([*RESULTS.glob("records/scores/*/*/seed0.json")]))

    monkeypatch.setattr("rgmp.runtime.locks.alone_in", alone_in)
    monkeypatch.setattr(device, "choose", choose)
    evaluate()
    assert events == [RESULTS / "masks", "GPU", len(RUNS)]
