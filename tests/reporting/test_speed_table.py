"""The table of timings: computations and who shares them, noise, memory, precision."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fake_study import build
from support.written_tables import rows_of, text_of

from rgmp.reporting import tables
from rgmp.study.results import load


def speed_file(folder: Path, benchmark: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a speed file."""
    path = folder / f"speed/{benchmark}.json"
    timed = json.loads(path.read_text())
    change(timed)
    path.write_text(json.dumps(timed))


def test_speed_has_a_row_for_each_distinct_computation(five: Path) -> None:
    found = [(r["benchmark"], r["variant"], r["shared_by"]) for r in rows_of(five, "speed")]
    assert found == [
        ("davis2016", "full", "no_bptt no_synthetic winner_take_all"),
        ("davis2016", "no_reference", ""),
        ("davis2017", "full", "no_bptt no_synthetic"),
        ("davis2017", "no_reference", ""),
        ("davis2017", "winner_take_all", ""),
    ]


def test_the_variants_that_share_a_timing_say_so_in_the_fps_column(five: Path) -> None:
    lines = text_of(five, "speed.md").splitlines()
    said = [[cell.strip() for cell in x.split("|")[1:4:2]] for x in lines if "| as RGMP" in x]
    study = load(five)
    assert study.variants != sorted(study.variants), "the order of the paper"
    sharing = [  # of each benchmark
        *(study.label(name) for name in study.others if name != "no_reference"),
        *(study.label(name) for name in study.others if name in {"no_bptt", "no_synthetic"}),
    ]
    assert said == [[label, "as RGMP"] for label in sharing]
    for benchmark in ("davis2016", "davis2017"):
        rows = {row["variant"]: row["seconds_per_frame"] for row in rows_of(five, benchmark)}
        assert rows["full"] == rows["no_bptt"] == rows["no_synthetic"]
        assert rows["full"] != rows["no_reference"]


def test_speed_by_objects_is_the_median_over_frames_and_rounds(five: Path) -> None:
    timed = json.loads((five / "speed/davis2017.json").read_text())["computations"][1]
    (two,) = (clip for clip in timed["clips"] if clip["objects"] == 2)
    row = next(
        row
        for row in rows_of(five, "speed")
        if (row["benchmark"], row["variant"]) == ("davis2017", timed["name"])
    )
    assert float(row["fps_2_objects"]) == pytest.approx(1 / np.median(np.ravel(two["network"])))
    assert float(row["authors_fps"]) == timed["summary"]["authors_fps"]


@pytest.mark.parametrize(
    ("low", "high", "quiet"),
    [(0.97, 1.03, True), (0.9699, 1.0, False), (1.0, 1.0301, False), (1.05, 1.06, False)],
)
def test_a_computation_that_differs_from_itself_says_that_the_machine_was_not_quiet(
    low: float, high: float, quiet: bool, tmp_path: Path
) -> None:
    build(tmp_path, variants=1, seeds=(0,), frames=6)

    def change(timed: dict[str, Any]) -> None:
        timed["computations"][-1]["summary"] |= {"ratio_low": low, "ratio_high": high}

    speed_file(tmp_path, "davis2017", change)
    tables.write(tmp_path)
    found = {(row["benchmark"], row["quiet"]) for row in rows_of(tmp_path, "speed")}
    assert found == {("davis2016", "True"), ("davis2017", str(quiet))}
    text = text_of(tmp_path, "speed.md")
    assert "embedded, foreground, 5 rounds: RGMP timed twice: a ratio of 1.000" in text
    assert (
        "embedded, objects, 5 rounds: the machine was not quiet. RGMP timed twice" in text
    ) != quiet
    assert text.count("whose interval leaves 0.97 to 1.03") == (not quiet)


def test_reduced_precision_says_how_its_labels_agree_with_fp32(tmp_path: Path) -> None:
    build(tmp_path, variants=3, benchmarks=("davis2016",), seeds=(0,), frames=6)
    tables.write(tmp_path)
    assert "as fp32" not in text_of(tmp_path, "speed.md")
    summary = {"labels_as_fp32": 0.99876}
    speed_file(tmp_path, "davis2016", lambda x: x["computations"][1]["summary"].update(summary))
    tables.write(tmp_path)
    lines = text_of(tmp_path, "speed.md").splitlines()
    assert "as fp32, % |" in lines[4]
    assert "| 99.88 |" in " ".join(next(x for x in lines if "| without reference" in x).split())
    assert any(line.startswith("As fp32: ") for line in lines)


def test_memory_says_by_how_much_it_grows_with_the_length(tmp_path: Path) -> None:
    build(tmp_path, variants=3, benchmarks=("davis2016",), seeds=(0,), frames=6)
    summary = {"short_bytes": 400_000_000, "long_bytes": 500_000_000}
    speed_file(tmp_path, "davis2016", lambda x: x["computations"][1]["summary"].update(summary))
    tables.write(tmp_path)
    text = text_of(tmp_path, "speed.md")
    assert "of 10 frames, and a long one, of 40;" in text
    assert "The longer takes +25.0% at most." in text


def test_a_speed_of_a_busy_machine_is_marked(tmp_path: Path) -> None:
    build(tmp_path, variants=3, seeds=(0,), frames=6)
    speed_file(tmp_path, "davis2016", lambda timed: timed.update(others_share=0.37))
    tables.write(tmp_path)
    shares = {(row["benchmark"], row["others_share"]) for row in rows_of(tmp_path, "speed")}
    assert shares == {("davis2016", "0.37"), ("davis2017", "0.01")}
    for name in ("speed", "davis2016"):
        text = text_of(tmp_path, f"{name}.md")
        assert "| without BPTT‡" in text
        assert text.count("‡") == 4, "its rows and the note"
        assert "‡ Timed on a busy machine: processes other than the job and its ancestors" in text
        assert r"without BPTT$^\ddagger$" in text_of(tmp_path, f"{name}.tex")
    for name in ("ablation", "davis2017"):
        assert "‡" not in text_of(tmp_path, f"{name}.md")


def test_speed_names_the_threads_of_a_cpu(tmp_path: Path) -> None:
    build(tmp_path, variants=1, seeds=(0,), frames=6)
    speed_file(tmp_path, "davis2016", lambda timed: timed.update(threads=1))
    speed_file(tmp_path, "davis2017", lambda timed: timed.update(device="H200"))
    path = tmp_path / "records/speed/davis2017.json"
    record = json.loads(path.read_text())
    record["machine"]["gpu"] = "H200"
    path.write_text(json.dumps(record))
    tables.write(tmp_path)
    for heading in (
        "embedded, foreground on Xeon, 1 thread, fp32",
        "embedded, objects on H200, fp32",
    ):
        assert f"**{heading}**" in text_of(tmp_path, "speed.md")


def test_speed_has_every_protocol_and_the_share_of_the_limit(tmp_path: Path) -> None:
    build(tmp_path, variants=1, benchmarks=("davis2016",), seeds=(0,), frames=6)
    changed = {"end_to_end_fps": 5.25, "authors_fps": 4.0, "fraction_of_limit": 0.4321}
    speed_file(tmp_path, "davis2016", lambda x: x["computations"][0]["summary"].update(changed))
    tables.write(tmp_path)
    (full,) = rows_of(tmp_path, "speed")
    assert (float(full["end_to_end_fps"]), float(full["fraction_of_limit"])) == (5.25, 0.4321)
    line = next(x for x in text_of(tmp_path, "speed.md").splitlines() if "| RGMP |" in x)
    dash = "\N{EN DASH}"
    assert f"| {dash} | {dash} | {dash} | 5.2 | 4.0 | 0.03 | 510 | 510 | 43.2 |" in line


def test_a_study_that_has_not_been_timed_has_no_speed(tmp_path: Path) -> None:
    build(tmp_path, variants=2, seeds=(0,), frames=6)
    shutil.rmtree(tmp_path / "speed")
    tables.write(tmp_path)
    assert not rows_of(tmp_path, "speed")
    assert {row["seconds_per_frame"] for row in rows_of(tmp_path, "davis2016")} == {""}


def test_timings_of_another_machine_are_marked_and_nothing_else(tmp_path: Path) -> None:
    build(tmp_path, variants=3, frames=6)
    path = tmp_path / "records/speed/davis2017.json"
    record = json.loads(path.read_text())
    record["machine"]["cpu"] = "another"
    path.write_text(json.dumps(record))
    tables.write(tmp_path)
    mixed = {(r["benchmark"], r["mixed"]) for r in rows_of(tmp_path, "speed")}
    assert mixed == {("davis2016", "False"), ("davis2017", "True")}
    assert "a different machine for FPS" in text_of(tmp_path, "speed.md")
    assert text_of(tmp_path, "speed.md").count("†") == 4, "its rows and the note"
    assert "†" not in text_of(tmp_path, "ablation.md")
