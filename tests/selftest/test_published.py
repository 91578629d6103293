"""From made-up results of a selftest to what readers see; and documents say what is kept."""

import json
from pathlib import Path
from typing import Any

import pytest
import reference
from PIL import Image

from rgmp.errors import UserError
from rgmp.selftest import cases, inference, published, training, waiting
from rgmp.selftest.finding import Finding
from rgmp.selftest.published import NOTHING_YET, block, found, publish, sentence


def finding(quantity: str, value: float | str, **conditions: Any) -> dict[str, Any]:
    low, high = (0.9 * value, 1.1 * value) if isinstance(value, float) else (None, None)
    return Finding(quantity, conditions, value, low=low, high=high).as_json()


def results(gpu: str | None = "Invented X1") -> dict[str, Any]:
    """Of a card that does not exist."""
    speeds = [
        finding(quantity, 1000.0 / objects / scales / slowness, **case)
        for precision, slowness in (("bf16", 1), ("fp32", 10))
        for scales in (3, 1)
        for objects in (1, 2)
        for case in [{"precision": precision, "scales": scales, "objects": objects}]
        for quantity in (published.NETWORK, published.END_TO_END, published.CLIP)
    ]
    main = {"precision": "bf16", "scales": 3, "objects": 1}
    sections = {
        "limits": [finding(published.CONVOLUTIONS, 2000.0, **main)],
        "inference": [
            *speeds,
            finding("frames a second of a way, network only", 1.0, **main, way="eager"),
            finding("inference", "RuntimeError: no engine", precision="tf32", scales=1),
        ],
        "training": [
            finding(published.TRAINED, 50.0, stage="finetune", precision="bf16", frames=9),
            finding(published.WAITING, 0.5, stage="finetune", precision="bf16"),
            finding(published.WAITING, 0.0125, stage="both", precision="bf16"),
            finding(published.HOURS, 123.4, precision="bf16"),
        ],
    }
    machine = {"gpu": gpu, "driver": "1.2.3", "cuda": "13.0", "cudnn": 91000, "torch": "2.11.0"}
    return {
        "format": 1,
        "started": "2018-06-18T09:30:00Z",
        "machine": {**machine, "cpu": "Made-up CPU", "cores": 16},
        "code": {"commit": "0123456789abcdef", "dirty": False},
        "sections": [
            {"name": name, "findings": own, "status": "done", "traceback": "File /home/me/x.py"}
            for name, own in sections.items()
        ],
    }


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    source = tmp_path / "selftest"
    source.mkdir()
    (source / "selftest.json").write_text(json.dumps(results()))
    publish(source, tmp_path / "gpu")
    return tmp_path / "gpu"


def test_results_table_and_plot_are_kept(kept: Path) -> None:
    names = {path.name for path in kept.iterdir()}
    assert names == {"selftest.json", "findings.csv", "findings.md", "speed.png"}
    assert "/home" not in (kept / "selftest.json").read_text(), "a path of the machine"
    rows = (kept / "findings.csv").read_text().splitlines()
    assert len(rows) == 1 + 24 + 7
    assert "RuntimeError: no engine" in (kept / "findings.md").read_text()
    with Image.open(kept / "speed.png") as plot:
        assert "precision" in plot.info["Description"]


def test_documents_say_figures_with_their_card_and_versions(kept: Path) -> None:
    said = sentence(kept)
    for word in ("Invented X1", "driver 1.2.3", "torch 2.11.0", "commit 0123456789"):
        assert word in said
    assert "333 in the network alone, 333 end to end, 333 from JPEGs to PNGs." in said
    assert "trains for 123 h in bf16." in said
    assert "Training waits for data for 1.2% of its time." in said
    page = block(kept)
    assert page.startswith(said)
    (row,) = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in page.splitlines()
        if line.startswith("| bf16") and "2,000" in line
    ]
    same = "333 [300, 367]"
    assert row == ["bf16", "3", "1", same, same, same, "2,000 [1,800, 2,200]"]
    assert any("finetune" in line and "50 [45, 55]" in line for line in page.splitlines())


def test_a_failure_is_no_figure() -> None:
    assert found(results(), "inference") == []


def test_results_of_a_cpu_are_none_of_a_gpu(tmp_path: Path) -> None:
    (tmp_path / "selftest.json").write_text(json.dumps(results(gpu=None)))
    with pytest.raises(UserError, match="was not run on a GPU"):
        publish(tmp_path, tmp_path / "gpu")


def test_without_results_documents_say_so(tmp_path: Path) -> None:
    assert sentence(tmp_path) == block(tmp_path) == NOTHING_YET


@pytest.mark.parametrize("document", reference.of_gpu(), ids=lambda path: path.name)
def test_documents_say_what_is_kept(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert reference.block_of(text, "gpu").group() == reference.of_gpu()[document]


@pytest.mark.usefixtures("kept")
def test_a_selftest_fills_the_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("README.md", "docs/speed.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        text = (reference.PROJECT / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(reference, "PROJECT", tmp_path)
    monkeypatch.setattr(reference, "GPU", tmp_path / "results/gpu")
    for _ in range(2):  # what an earlier call wrote is replaced
        reference.renew_gpu(tmp_path / "selftest")
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert readme.count("Invented X1") == 1
    assert NOTHING_YET not in readme
    assert "## Where to go on" in readme
    speed = (tmp_path / "docs/speed.md").read_text(encoding="utf-8")
    assert "2,000 [1,800, 2,200]" in speed


def test_quantities_are_those_that_sections_find() -> None:
    sources = "".join(
        Path(str(module.__file__)).read_text(encoding="utf-8")
        for module in (inference, training, waiting)
    )
    timings = [f"frames a second, {timing}" for timing in cases.TIMINGS]
    assert timings == [published.NETWORK, published.END_TO_END, published.CLIP]
    for quantity in (
        published.CONVOLUTIONS,
        published.TRAINED,
        published.WAITING,
        published.HOURS,
    ):
        assert f'"{quantity}"' in sources
