"""A study's results in an archive: what it has, how it is verified, what unpacking takes of it."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import fake_study
from support.damaged_zips import damaged_zips
from support.fake_files import write

from rgmp.cli import main as cli
from rgmp.minidavis import generate
from rgmp.runtime.files import digest_of_all, digest_of_bytes, files_below, read_json
from rgmp.study import layout
from rgmp.study.packing.manifest import CRATE, MANIFEST, MEMORY
from rgmp.study.packing.memory import Memory, Remembered, recall, remember
from rgmp.study.packing.pack import pack
from rgmp.study.packing.unpack import unpack
from rgmp.study.plan import load_plan, save

SCORES = "scores/davis2017/full/seed0.csv"
RECORD = "records/scores/davis2017/full/seed0.json"
TRAINED = "records/weights/finetune/full-seed0-{}.json"
KNOWN = Remembered(
    record_format_version=6,
    rule="evaluate_full",
    input=("results/mini/records/a.json",),
    params=("'1a2b'",),
    code="rgmp evaluate",
    input_checksums={"results/mini/records/a.json": "sha256:00"},
)


def set_output(record: Path, name: str, digest: str) -> None:
    """Let a record have the digest of an output."""
    edit(record, lambda value: value["outputs"].update({name: digest}))


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON file in place."""
    value = read_json(path)
    change(value)
    path.write_text(json.dumps(value))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a study ran: with masks and weights, tables, and what Snakemake remembers."""
    project = tmp_path_factory.mktemp("ran")
    folder = fake_study.build(
        project / "results/mini", variants=2, benchmarks=("davis2017",), frames=5
    )
    write(folder / "tables/ablation.csv", "label\n")
    write(folder / layout.EVALUATOR, "evaluator\n")
    checked = folder / layout.record(layout.CROSS_CHECK)
    set_output(checked, "evaluator", digest_of_bytes(b"evaluator\n"))
    write(folder / "report.html", "<html>")
    write(folder / "first/seeds-1a2b.json", "{}")
    write(folder / "logs/tables.log", "not packed")
    for training in load_plan(folder).trainings:
        weights = f"{training.folder}/weights.safetensors"
        write(folder / weights, training.identity)
        digest = digest_of_bytes(training.identity.encode())
        set_output(folder / f"records/{training.folder}.json", weights, digest)
    for of_weights in (folder / "masks").iterdir():
        write(of_weights / ".made-by.json", "{}")
    remember(folder, dict.fromkeys((SCORES, RECORD), KNOWN))
    return project


@pytest.fixture(scope="module")
def archive(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its results, with weights."""
    path = tmp_path_factory.mktemp("packed") / "mini.zip"
    pack(ran / "results/mini", path, weights=True)
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a study's folder, hidden ones as well."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refusal(archive: Path, project: Path, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Unpack what is refused in a line with a text, leaving everything as it was."""
    before = contents(project)
    assert cli.main(["unpack", str(archive), "--to", str(project)]) == 2
    said = capsys.readouterr().err.splitlines()
    lines = [line for line in said if line.startswith("rgmp: ")]
    assert lines
    assert len(lines) == len([line for line in said if not line.startswith("unpacking ")])
    assert any(says in line for line in lines), lines
    assert contents(project) == before


class TestPack:
    def test_has_results_digests_and_what_snakemake_remembers(
        self, ran: Path, archive: Path
    ) -> None:
        found, folder = members(archive), ran / "results/mini"
        top = "results/mini/"
        listed = json.loads(found[MANIFEST])["files"]
        assert {*listed} == found.keys() - {MANIFEST}
        assert all(digest_of_bytes(found[name]) == one["sha256"] for name, one in listed.items())
        study = {name.removeprefix(top) for name in found if name.startswith(top)}
        kept = {"plan.json", "report.html", SCORES, RECORD, "speed/davis2017.json"}
        assert kept < study
        assert any(name.endswith("metrics.jsonl") for name in study)
        assert sum(name.endswith("weights.safetensors") for name in study) == len(
            load_plan(folder).trainings
        )
        assert not any(name.startswith(("logs", "masks", "data")) for name in study)
        assert json.loads(found[MEMORY])["outputs"].keys() == {SCORES, RECORD}

    def test_the_same_results_are_the_same_archive(self, ran: Path, archive: Path) -> None:
        for path in files_below(ran):
            os.utime(path, (1, 1))
        again = archive.with_name("again.zip")
        pack(ran / "results/mini", again, weights=True)
        assert again.read_bytes() == archive.read_bytes()

    def test_describes_a_workflow_run(self, archive: Path, tmp_path: Path) -> None:
        """What the profiles ask for (w3id.org/ro/wfrun/workflow/0.5), read by their own reader."""
        from rocrate.rocrate import ROCrate

        with zipfile.ZipFile(archive) as opened:
            opened.extractall(tmp_path)
        crate = ROCrate(tmp_path)
        profiles = {one.id for one in crate.root_dataset["conformsTo"]}
        assert {
            f"https://w3id.org/ro/wfrun/{kind}/0.5" for kind in ("process", "workflow")
        } < profiles
        assert crate.mainEntity.id == "Snakefile"
        assert "ComputationalWorkflow" in crate.mainEntity.type
        assert all((crate.root_dataset["license"], crate.name, crate.description))
        (action,) = crate.root_dataset["mentions"]
        assert action.type == "CreateAction"
        assert action["instrument"] == crate.mainEntity
        assert [one.id for one in action["object"]] == ["results/mini/plan.json"]
        assert action["startTime"] <= action["endTime"] == crate.root_dataset["datePublished"]
        results = {one.id for one in action["result"]}
        assert f"results/mini/{SCORES}" in results
        described = {one.id for one in crate.data_entities if one.type != "Dataset"}
        assert described == members(archive).keys() - {MANIFEST, CRATE}
        for one in crate.data_entities:
            if one.type == "File":
                assert one["sha256"] == digest_of_bytes((tmp_path / one.id).read_bytes())

    def test_masks_are_described_by_their_folders(self, ran: Path, tmp_path: Path) -> None:
        shutil.copytree(ran, tmp_path, dirs_exist_ok=True)
        for path in (tmp_path / "results/mini/records").rglob("masks/*/*/seed1.json"):
            path.unlink()
        pack(tmp_path / "results/mini", tmp_path / "with.zip", masks=True)
        found = members(tmp_path / "with.zip")
        graph = json.loads(found[CRATE])["@graph"]
        folders = {one["@id"] for one in graph if one["@type"] == "Dataset"} - {"./"}
        assert folders == {f"results/mini/masks/{name}-seed0/" for name in ("full", "no_bptt")}
        assert not any(one["@id"].endswith(".png") for one in graph)
        assert sum(name.endswith(".png") for name in found) > 10
        assert sum(name.endswith(".made-by.json") for name in found) == 2

    def test_of_an_unfinished_study_the_finished_jobs(self, ran: Path, tmp_path: Path) -> None:
        shutil.copytree(ran, tmp_path, dirs_exist_ok=True)
        folder = tmp_path / "results/mini"
        whole = pack(folder, tmp_path / "whole.zip")
        (folder / RECORD).unlink()
        (folder / "speed/davis2017.json").unlink()
        part = pack(folder, tmp_path / "part.zip")
        assert part.finished == whole.finished - 2
        assert f"results/mini/{SCORES}" not in members(tmp_path / "part.zip")

    @pytest.mark.parametrize(
        ("spoil", "flags", "says"),
        [
            (
                lambda f: (f / SCORES).write_text("J,F\n"),
                [],
                f"{SCORES}: is not what its record {RECORD} has the digest of",
            ),
            (
                lambda f: next(f.rglob("finetune/full*/weights.safetensors")).write_text("x"),
                ["--weights"],
                "weights.safetensors: is not what its record",
            ),
            (
                lambda f: next(f.rglob("finetune/full*/weights.safetensors")).unlink(),
                ["--weights"],
                "weights.safetensors: missing; train again, or pack no weights",
            ),
            (lambda f: shutil.rmtree(f / "masks"), ["--masks"], "pack no masks"),
            (lambda f: shutil.rmtree(f / "records"), [], "nothing of the study is finished"),
            (lambda f: (f / "plan.json").unlink(), [], "not a study folder"),
        ],
    )
    def test_what_is_not_as_recorded_is_not_packed(
        self,
        ran: Path,
        tmp_path: Path,
        spoil: Callable[[Path], object],
        flags: list[str],
        says: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        folder = shutil.copytree(ran, tmp_path / "there") / "results/mini"
        spoil(folder)
        out = tmp_path / "out.zip"
        assert cli.main(["pack", str(folder), "--out", str(out), *flags]) == 2
        assert says in capsys.readouterr().err
        assert not out.exists()

    def test_only_an_archive_of_a_study_is_replaced(
        self, ran: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "mini.zip"
        command = ["pack", str(ran / "results/mini"), "--out", str(out)]
        shutil.copy(archive, out)
        assert cli.main(command) == 0
        assert out.stat().st_size < archive.stat().st_size
        assert "results of 17 of 21 jobs" in capsys.readouterr().out
        with zipfile.ZipFile(out, "w") as other:
            other.writestr("notes.txt", "mine")
        assert cli.main(command) == 2
        assert "is not a packed study" in capsys.readouterr().err


class TestUnpack:
    def test_gives_back_what_was_packed(self, ran: Path, archive: Path, tmp_path: Path) -> None:
        found = unpack(archive, tmp_path)
        assert found.remembered
        assert len(found.taken) == len({*found.taken}) == 17
        theirs, ours = contents(ran / "results/mini"), contents(tmp_path / "results/mini")
        assert ours == {
            name: content
            for name, content in theirs.items()
            if name == layout.EVALUATOR
            or not name.startswith(("tables", "report", "logs", "masks", "data"))
        }
        times = {path.stat().st_mtime for path in (tmp_path / "results/mini").rglob("*.*")}
        assert len(times) == 1
        assert recall(found.folder, [SCORES, RECORD]) == Memory(
            outputs={SCORES: KNOWN, RECORD: KNOWN}
        )
        assert sorted(p.name for p in (tmp_path / "results").iterdir()) == ["mini"]

    def test_again_there_is_nothing_to_take(self, archive: Path, tmp_path: Path) -> None:
        first = unpack(archive, tmp_path)
        before = contents(tmp_path)
        again = unpack(archive, tmp_path)
        assert (again.taken, again.kept) == ((), first.taken)
        assert contents(tmp_path) == before

    def test_what_is_there_is_kept_and_what_is_missing_added(
        self, ran: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A study that has run in part, at other times; weights that it no longer has come back."""
        folder = shutil.copytree(ran / "results/mini", tmp_path / "results/mini")
        edit(folder / RECORD, lambda record: record.update(wall_seconds=99.0))
        edit(folder / "records/speed/davis2017.json", lambda r: r["outputs"].update(speed="other"))
        for path in [*folder.rglob("weights.safetensors"), *folder.rglob("no_bptt/seed1.*")]:
            path.unlink()
        before = contents(folder)
        assert cli.main(["unpack", str(archive), "--to", str(tmp_path)]) == 0
        assert "results of 2 jobs unpacked" in capsys.readouterr().out
        after = contents(folder)
        assert before.items() <= after.items()
        new = {name.rpartition("/")[2] for name in after.keys() - before.keys()}
        assert new == {"weights.safetensors", "seed1.csv", "seed1.json"}

    @pytest.mark.parametrize(
        ("spoil", "says"),
        [
            (
                lambda f: ((f / RECORD).unlink(), (f / SCORES).write_text("J,F\n")),
                f"{SCORES}: differs from that in the archive",
            ),
            (
                lambda f: edit(f / RECORD, lambda r: r["outputs"].update(scores="other")),
                f"{RECORD}: its results are others than in the archive",
            ),
            (
                lambda f: ((f / RECORD).unlink(), (f / SCORES).unlink(), (f / SCORES).mkdir()),
                f"{SCORES}: differs",
            ),
        ],
    )
    def test_nothing_is_overwritten_that_differs(
        self,
        ran: Path,
        archive: Path,
        tmp_path: Path,
        spoil: Callable[[Path], object],
        says: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        folder = shutil.copytree(ran / "results/mini", tmp_path / "results/mini")
        spoil(folder)
        refusal(archive, tmp_path, says, capsys)

    def test_results_of_other_settings_are_left_out(
        self, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The study there has another split: what is trained is the same, what is scored is not."""
        folder = tmp_path / "results/mini"
        unpack(archive, tmp_path)
        plan = load_plan(folder)
        digests = {**plan.data.digests, "davis2017/val": "0" * 64}
        data = plan.data.model_copy(update={"digests": digests})
        shutil.rmtree(folder)
        save(plan.model_copy(update={"data": data}), folder)
        assert cli.main(["unpack", str(archive), "--to", str(tmp_path)]) == 0
        assert "the plan there has no such job: records/masks" in capsys.readouterr().out
        assert not (folder / "scores").exists()
        assert len([*folder.rglob("weights.safetensors")]) == len(plan.trainings)

    def test_what_a_killed_process_moved_is_completed(
        self, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whole jobs, their record last; a file without its record is no conflict."""
        moves = iter(range(1000))
        replace = Path.replace

        def dying(self: Path, target: Path) -> Path:
            if ".mini." in str(self) and next(moves) == 12:
                raise KeyboardInterrupt
            return replace(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", dying)
            with pytest.raises(KeyboardInterrupt):
                unpack(archive, tmp_path)
        half = contents(tmp_path / "results/mini")
        assert len(half) == 12
        assert [p.name for p in (tmp_path / "results").iterdir()] == ["mini"]
        found = unpack(archive, tmp_path)
        assert found.taken
        assert found.kept
        assert contents(tmp_path / "results/mini").items() > half.items()

    def test_renders_the_embedded_benchmark_and_refuses_other_pictures(
        self,
        ran: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        def render(out: Path, seed: int, processes: int) -> None:
            write(out / "davis/frame.jpg", f"{seed}")
            assert processes == 2

        folder = shutil.copytree(ran, tmp_path / "ran") / "results/mini"
        plan = load_plan(folder)
        data = plan.data.model_copy(update={"mini_seed": 7})
        save(plan.model_copy(update={"data": data}), folder)
        shutil.copy(folder / RECORD, folder / "records/mini.json")
        write(tmp_path / "mini/data/davis/frame.jpg", "7")
        digest = digest_of_all(files_below(tmp_path / "mini/data"))
        edit(folder / "records/mini.json", lambda record: record.update(outputs={"data": digest}))
        monkeypatch.setattr(generate, "render", render)
        pack(folder, tmp_path / "a.zip")
        command = ["unpack", str(tmp_path / "a.zip"), "--processes", "2", "--to"]
        assert cli.main([*command, str(tmp_path / "there")]) == 0
        made = tmp_path / "there/results/mini/data/davis/frame.jpg"
        assert made.read_text() == "7"
        save(plan.model_copy(update={"data": data.model_copy(update={"mini_seed": 8})}), folder)
        pack(folder, tmp_path / "a.zip")
        assert cli.main([*command, str(tmp_path / "other")]) == 2
        assert "is rendered otherwise here" in capsys.readouterr().err
        assert not contents(tmp_path / "other")


def rewritten(archive: Path, path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A copy of an archive whose members are changed."""
    found = members(archive)
    change(found)
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in found.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename = name  # as it is: the constructor would change some
            opened.writestr(info, content)
    return path


def listed(change: Callable[[dict[str, bytes]], object]) -> Callable[[dict[str, bytes]], object]:
    """The same change by one who also changes the manifest."""

    def changing(found: dict[str, bytes]) -> None:
        change(found)
        manifest = json.loads(found[MANIFEST])
        manifest["files"] = {
            name: {"size": len(content), "sha256": digest_of_bytes(content)}
            for name, content in found.items()
            if name != MANIFEST
        }
        found[MANIFEST] = json.dumps(manifest).encode()

    return changing


def without(name: str) -> Callable[[dict[str, bytes]], object]:
    return lambda found: found.pop(name)


def put(name: str, content: bytes) -> Callable[[dict[str, bytes]], object]:
    return lambda found: found.update({name: content})


def put_json(name: str, change: Callable[[Any], object]) -> Callable[[dict[str, bytes]], object]:
    def changing(found: dict[str, bytes]) -> None:
        value = json.loads(found[name])
        change(value)
        found[name] = json.dumps(value).encode()

    return changing


TOP = "results/mini/"
MASKS = f"{TOP}records/masks/davis2017/full/seed0.json"
EVIL: dict[str, tuple[Callable[[dict[str, bytes]], object], str]] = {
    "out": (listed(put("../evil", b"")), "'../evil' leads out of its folder"),
    "absolute": (listed(put("/evil", b"")), "'/evil' has an absolute path"),
    "drive": (listed(put("C:/evil", b"")), "'C:/evil' has an absolute path"),
    "surplus": (put("evil", b""), "has 'evil', which its manifest.json does not list"),
    "code": (listed(put(f"{TOP}evil.py", b"")), "evil.py: is of no finished job of its plan"),
    "pickle": (listed(put(f"{TOP}weights/a.pth", b"")), "a.pth: is of no finished job"),
    "a mask of nobody": (
        listed(put(f"{TOP}masks/full-seed0/val-0/1.png", b"")),
        "1.png: is of no finished job",
    ),
    "scores": (listed(put(TOP + SCORES, b"J,F\n")), f"{SCORES}: is not what its record"),
    "no record": (listed(without(TOP + RECORD)), "is of no finished job"),
    "no plan": (listed(without(f"{TOP}plan.json")), "not a study folder"),
    "no manifest": (without(MANIFEST), "has no manifest.json"),
    "no memory": (listed(without(MEMORY)), "lacks snakemake.json"),
    "a broken manifest": (put(MANIFEST, b"{"), "manifest.json is not valid JSON"),
    "another format": (
        put_json(MANIFEST, lambda manifest: manifest.update(format=2)),
        "manifest.json: format",
    ),
    "another study": (
        put_json(MANIFEST, lambda manifest: manifest.update(study="../../mini")),
        "manifest.json: study",
    ),
    "a broken record": (listed(put(TOP + RECORD, b"{}")), "not a record of a job"),
    "a plan that leads out": (
        listed(
            put_json(
                f"{TOP}plan.json",
                lambda plan: plan["trainings"][0].update(folder="weights/../../../evil"),
            )
        ),
        "leads out of the study's folder",
    ),
    "masks that lead out": (
        listed(put_json(MASKS, lambda record: record["masks"].update(a="../../../etc"))),
        "'../../../etc' leads out of the study's folder",
    ),
    "a memory of anything": (
        listed(put(MEMORY, b'{"outputs": {"a": {"rule": "x"}}}')),
        "snakemake.json: key outputs.a.record_format_version is missing",
    ),
    "a bomb": (put("evil", bytes(3 * 10**7)), "evil"),
}


class TestTampered:
    @pytest.mark.parametrize(("change", "says"), EVIL.values(), ids=EVIL)
    def test_is_refused_and_leaves_nothing(
        self,
        archive: Path,
        tmp_path: Path,
        change: Callable[[dict[str, bytes]], object],
        says: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        bad = rewritten(archive, tmp_path / "bad.zip", change)
        (tmp_path / "in/there").mkdir(parents=True)
        refusal(bad, tmp_path / "in/there", says, capsys)
        assert not (tmp_path / "in/evil").exists()

    def test_every_member_counts(
        self, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each missing, in turn, and a byte of some flipped."""
        for number, (name, content) in enumerate(members(archive).items()):
            bad = rewritten(archive, tmp_path / "bad.zip", without(name))
            refusal(bad, tmp_path / "there", name, capsys)
            if number % 4 == 0:
                flipped = bytes([content[0] ^ 1]) + content[1:]
                bad = rewritten(archive, tmp_path / "bad.zip", put(name, flipped))
                refusal(bad, tmp_path / "there", name, capsys)

    def test_a_link_and_a_member_that_is_there_twice(
        self, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name, mode, says in (
            (TOP + SCORES, 0o120777, "is neither a file nor a folder"),
            (TOP + SCORES, 0o100644, f"has '{TOP}{SCORES}' 2 times"),
        ):
            bad = shutil.copy(archive, tmp_path / "bad.zip")
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            expected = pytest.warns(UserWarning, match="Duplicate")
            with zipfile.ZipFile(bad, "a") as opened, expected:  # of zipfile itself
                opened.writestr(info, "/etc/passwd")
            refusal(Path(bad), tmp_path / "there", says, capsys)

    def test_half_an_archive(
        self, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        half = tmp_path / "half.zip"
        half.write_bytes(archive.read_bytes()[:-2000])
        refusal(half, tmp_path / "there", "half.zip: is damaged", capsys)

    @pytest.mark.parametrize("damage", damaged_zips({"manifest.json": b"{}"}))
    def test_a_damaged_archive(
        self, damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bad = tmp_path / "bad.zip"
        bad.write_bytes(damaged_zips({"manifest.json": b"{}"})[damage])
        refusal(bad, tmp_path / "there", "bad.zip: is damaged", capsys)


class TestMemory:
    def test_is_where_snakemake_looks(self, tmp_path: Path) -> None:
        from snakemake.persistence.file import FilePersistence

        long = f"scores/{'deep/' * 60}seed0.csv"
        remember(tmp_path / "results/mini", {SCORES: KNOWN, long: KNOWN})
        snakemake = FilePersistence(path=tmp_path / ".snakemake")
        for output in (SCORES, long):
            found = snakemake._read_record(f"results/mini/{output}")
            assert found is not None
            assert tuple(found.params) == KNOWN.params
            assert found.input_checksums == KNOWN.input_checksums
        assert recall(tmp_path / "results/mini", [SCORES, long, RECORD]).outputs == {
            SCORES: KNOWN,
            long: KNOWN,
        }

    def test_what_cannot_be_read_is_not_remembered(self, tmp_path: Path) -> None:
        remember(tmp_path / "results/mini", {SCORES: KNOWN, RECORD: KNOWN})
        first, second = sorted((tmp_path / ".snakemake/metadata").iterdir())
        first.write_text("[]")
        second.write_text("{")
        assert not recall(tmp_path / "results/mini", [SCORES, RECORD]).outputs
