"""A study, and a training over both nodes, on a real Slurm of two nodes, one of which dies.

Each is compared with a run on this machine alone.

Not among the tests of `make test`: `make test-cluster` runs them, in minutes.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import forked
from support.slurm import NODES, Slurm, missing, running, wait_until
from support.slurm_study import SECONDS, SlurmStudy, longer
from support.workflow import make_workspace, snakemake

from rgmp.provenance.record import read_all
from rgmp.study import layout
from rgmp.study.resolve import resolve

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
SEVERAL = longer(200)
SPREAD = SEVERAL["machine"] | {"processes": len(NODES)}
BOTH = "n[1-2]"
MEASURED = {
    *("started", "wall_seconds", "cpu_seconds", "peak_memory_bytes", "peak_gpu_memory_bytes"),
    "command",  # a job that runs alone has all threads of this machine, of another those it needs
}
"""What differs from run to run, or with the place, in any record."""
MEASURED_RESULTS = {
    *("seconds", "samples_per_second", "waiting"),  # of a training, all of its attempts
    "segmented",  # in the last attempt; those before have left it the others
}
FROM_TIMINGS = {"tables", "figures", "track", "report"}
BYTES = ("weights/*/*/weights.safetensors", "masks/**/*.png", "scores/**/*.csv")


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    why = missing()
    if why is not None:
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="slurm") as folder, running(Path(folder)) as started:
        yield started


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders with the same study: one for here, and one for the cluster."""
    here = make_workspace(tmp_path_factory.mktemp("here"))
    (here / "seconds.yaml").write_text(yaml.safe_dump(SEVERAL))
    there = tmp_path_factory.mktemp("cluster") / "there"
    return here, shutil.copytree(here, there)


def test_a_study_on_two_nodes_is_that_of_one_machine(
    slurm: Slurm, workspaces: tuple[Path, Path]
) -> None:
    """Though one training is out of time there, and the node of another dies under it."""
    here, there = workspaces
    done = snakemake(here, "all")
    assert done.returncode == 0, done.stdout + done.stderr
    with SlurmStudy(slurm, there, "all") as study:
        number, timed_out = study.training_on(NODES[0])
        slurm.ask("scancel", "--signal=USR1", number)
        _, lost = study.training_on(NODES[1])
        slurm.kill_node(NODES[1])
        slurm.restart_node(NODES[1])
        status = study.process.wait(timeout=SECONDS)
    assert status == 0, study.said.read_text(encoding="utf-8")
    assert {node for _, node, _ in slurm.jobs().values()} == {*NODES}
    for training in (timed_out, lost):
        log = there / f"results/tiny/logs/train/{training}.log"
        assert log.read_text(encoding="utf-8").startswith("resuming after step ")
    made = {name: file.read_bytes() for name, file in files_of(here).items()}
    assert {name: file.read_bytes() for name, file in files_of(there).items()} == made
    assert records_of(there) == records_of(here)
    for measured in ("records", layout.SPEED):  # what a run takes differs from run to run
        own = Path("results/tiny", measured)
        shutil.copytree(here / own, there / own, dirs_exist_ok=True)
    assert tables_of(there) == tables_of(here)


def files_of(workspace: Path) -> dict[str, Path]:
    """What a study has made that must not depend on where it ran, by its path."""
    results = workspace / "results/tiny"
    return {str(file.relative_to(results)): file for glob in BYTES for file in results.glob(glob)}


def records_of(workspace: Path) -> dict[str, dict[str, Any]]:
    """What the records of a study say that must not depend on where it ran, by their names.

    Without the host; the commit, which may change meanwhile (its sources may not); what a timing
    has measured; the digests of what is made from that.
    """
    found: dict[str, dict[str, Any]] = {}
    for record in read_all(workspace / "results/tiny"):
        said = without(record, MEASURED)
        said["machine"] = without(record["machine"], {"host"})
        said["code"] = without(record["code"], {"commit", "dirty"})
        said["results"] = without(record["results"], MEASURED_RESULTS)
        if record["kind"] == "speed":
            said = without(said, {"results", "outputs"})
        if record["kind"] in FROM_TIMINGS:
            said = without(said, {"inputs", "outputs"})
        found[record["name"]] = said
    return found


def without(said: Mapping[str, Any], left_out: set[str]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if key not in left_out}


def tables_of(workspace: Path) -> dict[str, bytes]:
    """The tables of a study, made once more."""
    words = ["tables", "results/tiny"]
    done = forked.run("rgmp", "rgmp.cli.main", words, workspace, timeout=120)
    assert done.returncode == 0, done.stderr
    tables = workspace / "results/tiny" / layout.TABLES
    return {file.name: file.read_bytes() for file in tables.iterdir()}


def test_a_mistake_is_not_tried_again(slurm: Slurm, workspaces: tuple[Path, Path]) -> None:
    _, there = workspaces
    before = {*slurm.jobs()}
    (there / "davis/Annotations/480p/train_a/00001.png").write_bytes(b"no picture")
    with SlurmStudy(slurm, there, "all") as study:
        assert study.process.wait(timeout=SECONDS) != 0
    new = [state for number, (state, _, _) in slurm.jobs().items() if number not in before]
    assert new.count("FAILED") == 1
    assert "PENDING" not in new


def test_a_training_over_two_nodes_is_that_of_two_processes_of_one(
    slurm: Slurm, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Though it is out of time, and one of its nodes dies when it has begun again."""
    here = make_workspace(tmp_path_factory.mktemp("two_processes"))
    (here / "seconds.yaml").write_text(yaml.safe_dump(SEVERAL | {"machine": SPREAD}))
    with chdir(here):
        name = next(t.folder for t in resolve(Path("seconds.yaml")).trainings if t.parent is None)
    record, weights = (
        f"results/tiny/{layout.record(name)}",
        f"results/tiny/{name}/weights.safetensors",
    )
    done = snakemake(here, record)
    assert done.returncode == 0, done.stdout + done.stderr
    there = shutil.copytree(here, tmp_path_factory.mktemp("two_nodes") / "there")
    shutil.rmtree(there / "results/tiny/weights")
    (there / record).unlink()
    nodes = {"nodes": len(NODES)}
    (there / "seconds.yaml").write_text(yaml.safe_dump(SEVERAL | {"machine": SPREAD | nodes}))
    log = there / f"results/tiny/logs/train/{name.removeprefix('weights/')}.log"
    with SlurmStudy(slurm, there, record) as study:
        number, _ = study.training_on(BOTH)
        slurm.ask("scancel", "--signal=USR1", number)
        wait_until(lambda: "checkpoint saved" in log.read_text(encoding="utf-8"))
        assert log.read_text(encoding="utf-8").count("checkpoint saved") == 1
        wait_until(lambda: log.read_text(encoding="utf-8").startswith("resuming after step "), 120)
        slurm.kill_node(NODES[1])
        slurm.restart_node(NODES[1])
        assert study.process.wait(timeout=SECONDS) == 0, study.said.read_text(encoding="utf-8")
    assert slurm.restarts(number) == 2
    assert log.read_text(encoding="utf-8").startswith("resuming after step ")
    assert (there / weights).read_bytes() == (here / weights).read_bytes()
