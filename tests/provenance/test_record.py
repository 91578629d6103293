"""What a job says of itself, and that saying it never costs the job."""

import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

import rgmp
from rgmp.errors import UserError
from rgmp.provenance import code
from rgmp.provenance.record import Record, read_all, recording
from rgmp.study import layout


def test_record_holds_what_the_job_was_told_and_what_it_found(tmp_path: Path) -> None:
    path = tmp_path / layout.record("scores/davis2016/full/seed1")
    about: dict[str, Any] = {
        "kind": "score",
        "name": "scores/davis2016/full/seed1",
        "study": "tiny",
        "variant": "full",
        "seed": 1,
        "stage": None,
        "benchmark": "davis2016",
        "identity": "1a2b3c4d5e6f",
        "config": {"split": "val"},
    }
    with recording(path, **about, inputs={"masks": "aa"}) as record:
        record.inputs["data"] = "bb"
        record.results["J"] = 0.5
        record.outputs["scores/davis2016/full/seed1.csv"] = "cc"
    (read,) = read_all(tmp_path)
    assert {key: read[key] for key in about} == about  # type: ignore[literal-required]
    assert read["inputs"] == {"masks": "aa", "data": "bb"}
    assert read["results"] == {"J": 0.5}
    assert read["outputs"] == {"scores/davis2016/full/seed1.csv": "cc"}


def test_record_holds_where_and_with_what_the_job_ran(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with recording(path, kind="mini", name="data"):
        pass
    read: Record = json.loads(path.read_text())
    assert set(read) == Record.__annotations__.keys() - {"manifest"}  # which checks have
    assert read["versions"]["rgmp"] == rgmp.__version__
    assert read["versions"]["python"].startswith(f"3.{sys.version_info.minor}.")
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    needed = {re.split("[><=]", requirement)[0] for requirement in project["dependencies"]}
    evaluator = {"davis2017", "opencv-python", "opencv-python-headless", "scikit-image"}
    assert set(read["versions"]) - evaluator == needed | {"rgmp", "python"}
    assert read["machine"]["cores"] >= 1
    assert read["machine"]["memory_bytes"] > read["peak_memory_bytes"] > 2**20
    assert read["started"].endswith("Z")
    assert len(read["code"]["sources"]) == 64
    assert 0 <= read["wall_seconds"] < 60


def test_cpu_time_is_that_of_the_job_and_of_what_it_started(tmp_path: Path) -> None:
    path, second = tmp_path / "record.json", "while time.process_time() < 0.2: pass"
    with recording(path, kind="mini", name="data"):
        begun = time.process_time()
        while time.process_time() - begun < 0.1:
            pass
        subprocess.run([sys.executable, "-c", f"import time\n{second}"], check=True)
    assert 0.3 <= json.loads(path.read_text())["cpu_seconds"] < 60
    with recording(path, kind="mini", name="data"):
        pass
    cpu_seconds = json.loads(path.read_text())["cpu_seconds"]
    assert cpu_seconds < time.process_time(), "what was before it does not count"


def test_failed_job_leaves_no_record(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with pytest.raises(RuntimeError), recording(path, kind="mini", name="data"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_job_without_a_path_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with recording(None, kind="mini", name="data") as record:
        record.results["samples"] = 1
    assert not list(tmp_path.iterdir())


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with recording(path, kind="train", name="weights") as record:
        record.results.update(final_loss=float("nan"), J=float("inf"), steps=3)
    assert json.loads(path.read_text())["results"] == {"final_loss": None, "J": None, "steps": 3}


def test_all_records_are_read_by_name_but_none_being_written(tmp_path: Path) -> None:
    for name in ("weights/finetune/b", "data", "weights/finetune/a"):
        with recording((tmp_path / layout.record(name)), kind="check", name=name):
            pass
    hidden = tmp_path / "records" / "weights" / ".c.json.x1y2" / "c.json"
    hidden.parent.mkdir()
    hidden.write_text("{")
    names = [record["name"] for record in read_all(tmp_path)]
    assert names == ["data", "weights/finetune/a", "weights/finetune/b"]


def test_no_records_are_none(tmp_path: Path) -> None:
    assert read_all(tmp_path) == []


def test_record_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / layout.record("data")
    path.parent.mkdir()
    path.write_text("{")
    with pytest.raises(UserError, match=r"records/data\.json: not valid JSON"):
        read_all(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, 1) for key in ("code", "inputs", "machine", "results")),
        *(("seed", "1"), ("wall_seconds", "1"), ("wall_seconds", True)),
    ],
)
def test_a_record_of_the_wrong_types_is_named(tmp_path: Path, key: str, value: object) -> None:
    with recording(path := (tmp_path / layout.record("data")), kind="check", name="data"):
        pass
    assert len(read_all(tmp_path)) == 1
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(UserError, match=rf"data\.json: not a record of a job \({key}: "):
        read_all(tmp_path)


@pytest.mark.parametrize("text", ["{}", "[]", "1", '{"kind": "train"}'])
def test_json_that_is_no_record_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / layout.record("data")
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(UserError, match=r"records/data\.json: not a record of a job"):
        read_all(tmp_path)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with one commit that has a package and ignores a folder."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (tmp_path / ".gitignore").write_text("/results/\n/.venv/\n")
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def _git(folder: Path, *arguments: str) -> str:
    person = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", *person, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_clean_checkout_gives_its_commit(checkout: Path) -> None:
    assert code._commit(checkout / "package") == (_git(checkout, "rev-parse", "HEAD"), False)


def test_ignored_files_are_no_dirt(checkout: Path) -> None:
    (checkout / "results").mkdir()
    (checkout / "results" / "report.html").touch()
    assert code._commit(checkout / "package")[1] is False


def test_results_are_no_dirt(checkout: Path) -> None:
    """Tables that a job wrote, which are tracked, are not the code that ran."""
    (checkout / "results").mkdir()
    (checkout / "results/ablation.csv").write_text("a number\n")
    assert code._commit(checkout / "package")[1] is False
    _git(checkout, "add", "--force", "results")
    assert code._commit(checkout / "package")[1] is False


@pytest.mark.parametrize("name", ["package/__init__.py", "ablations.yaml"])
def test_changed_and_new_files_are_dirt(checkout: Path, name: str) -> None:
    (checkout / name).write_text("changed = True\n")
    assert code._commit(checkout / "package")[1] is True


def test_package_installed_under_anothers_checkout_has_no_commit(checkout: Path) -> None:
    installed = checkout / ".venv" / "package"
    shutil.copytree(checkout / "package", installed)
    assert code._commit(installed) == (None, None)


def test_checkout_without_a_commit_has_none(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", ".")
    assert code._commit(tmp_path) == (None, None)


def test_job_runs_where_git_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with recording(tmp_path / "record.json", kind="mini", name="data"):
        pass
    code = json.loads((tmp_path / "record.json").read_text())["code"]
    assert (code["commit"], code["dirty"]) == (None, None)


def test_record_does_not_import_torch(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, rgmp.provenance.record as r\n"
        f"with r.recording(pathlib.Path({str(tmp_path / 'record.json')!r}), kind='k', name='n'):\n"
        "    pass\n"
        "sys.exit('torch' in sys.modules or 'mlflow' in sys.modules or 'pandas' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert json.loads((tmp_path / "record.json").read_text())["determinism"] == {}


def test_determinism_flags_are_those_of_torch(tmp_path: Path) -> None:
    with recording(tmp_path / "record.json", kind="train", name="weights"):
        pass
    flags = json.loads((tmp_path / "record.json").read_text())["determinism"]
    assert flags["threads"] == torch.get_num_threads()
    assert flags["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert flags["deterministic_algorithms"] is torch.are_deterministic_algorithms_enabled()
    assert flags["matmul_precision"] == torch.get_float32_matmul_precision()


def test_job_that_used_no_gpu_names_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    with recording(tmp_path / "record.json", kind="train", name="weights"):
        pass
    read = json.loads((tmp_path / "record.json").read_text())
    assert read["machine"]["gpu"] is None
    assert read["peak_gpu_memory_bytes"] is None


def test_job_names_the_gpu_that_it_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda gpu: f"GPU {gpu}")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda gpu: (0, 1000)[gpu])
    with recording(tmp_path / "record.json", kind="train", name="weights"):
        pass
    read = json.loads((tmp_path / "record.json").read_text())
    assert read["machine"]["gpu"] == "GPU 1"
    assert read["peak_gpu_memory_bytes"] == 1000
