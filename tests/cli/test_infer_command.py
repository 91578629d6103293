"""`rgmp infer`: masks, and the record of what made them."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from support.commands import (
    INFER,
    VAL,
    the_record,
)
from support.tiny_study import FRAMES, HEIGHT, WIDTH

from rgmp.cli import main as cli
from rgmp.data.images import read_labels
from rgmp.provenance.record import read_all
from rgmp.runtime import files

pytestmark = pytest.mark.torch


@pytest.mark.usefixtures("here")
def test_infer_then_score() -> None:
    records = "results/tiny/records"
    name = "davis2017/full/seed3"
    who = ["--variant", "full", "--seed", "3"]
    masks, scores = f"results/tiny/masks/{name}", f"results/tiny/scores/{name}.csv"
    made = f"{records}/masks/{name}.json"
    assert cli.main([*INFER, "--masks", masks, *who, "--record", made]) == 0
    for sequence in ("val_a", "val_b"):
        written = sorted(Path(masks, sequence).iterdir())
        assert [path.name for path in written] == [f"{t:05d}.png" for t in range(FRAMES)]
        first = read_labels(Path("davis/Annotations/480p", sequence, "00000.png"))
        assert (read_labels(written[0]) == first).all()
        assert all(read_labels(path).shape == (HEIGHT, WIDTH) for path in written)
    found = the_record(made)
    assert (found["kind"], found["name"]) == ("infer", f"masks/{name}")
    assert (found["study"], found["variant"], found["seed"]) == ("tiny", "full", 3)
    assert (found["benchmark"], found["identity"]) == ("davis2017", "1a2b3c4d5e6f")
    weights = files.digest_of_file(Path("tiny.safetensors"))
    assert found["inputs"]["weights"] == weights
    assert found["config"]["scales"] == [1.0]
    assert found["results"] == {"frames": 2 * FRAMES}

    made = f"{records}/scores/{name}.json"
    assert cli.main(["score", *VAL, "--masks", masks, "--out", scores, *who, "--record", made]) == 0
    with Path(scores).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * (FRAMES - 2)  # sequences, objects, frames
    assert {(r["benchmark"], r["variant"], r["seed"]) for r in rows} == {("davis2017", "full", "3")}
    found = the_record(made)
    assert (found["kind"], found["name"]) == ("score", f"scores/{name}")
    assert (found["study"], found["variant"], found["seed"]) == ("tiny", "full", 3)
    assert found["results"]["J_mean"] == pytest.approx(np.mean([float(r["J"]) for r in rows]))
    assert found["outputs"] == {"scores": files.digest_of_file(Path(scores))}
    assert [r["name"] for r in read_all(Path("results/tiny"))] == [
        f"masks/{name}",
        f"scores/{name}",
    ]


@pytest.mark.usefixtures("here")
def test_infer_some_sequences_of_the_foreground() -> None:
    arguments = [*INFER, "--benchmark", "davis2016", "--sequences", "val_b", "--masks", "out"]
    assert cli.main(arguments) == 0
    assert [p.name for p in Path("out").iterdir() if p.is_dir()] == ["val_b"]
    assert set(np.unique(read_labels(Path("out/val_b/00000.png")))) == {0, 1}


@pytest.mark.usefixtures("here")
def test_a_record_says_which_precision_auto_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    command = [*INFER, "--precision", "auto", "--masks", "auto", "--record", "auto.json"]
    assert cli.main(command) == 0
    assert the_record("auto.json")["config"]["precision"] == "fp32"


@pytest.mark.usefixtures("here")
def test_inference_has_its_folder_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """From before it takes a GPU until its record is written."""
    import torch

    from rgmp.runtime import device

    events: list[object] = []

    def choose(*_: object) -> torch.device:
        events.append("GPU")
        return torch.device("cpu")

    @contextmanager
    def alone_in(folder: Path) -> Iterator[None]:
        events.append(folder)
        yield
        events.append(Path("record.json").is_file())

    monkeypatch.setattr("rgmp.runtime.locks.alone_in", alone_in)
    monkeypatch.setattr(device, "choose", choose)
    assert cli.main([*INFER, "--masks", "out", "--record", "record.json"]) == 0
    assert events == [Path("out"), "GPU", True]
