"""The sources that a job rests on are found from what it imports, wherever the package lies."""

import json
import re
import shutil
from pathlib import Path

import pytest
from support import forked

import rgmp
from rgmp.provenance import code

PACKAGE = Path(rgmp.__file__).parent
RULES = PACKAGE.parent / "workflow" / "rules"
NAMED = sorted(
    {
        module
        for rules in RULES.glob("*.smk")
        for call in re.findall(r"sources_of\(([^)]*)\)", rules.read_text())
        for module in re.findall(r'"([\w.]+)"', call)
    }
)
"""The modules that the workflow's rules name."""


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[Path]]:
    """The files of ours that each of those modules loads."""
    done = forked.run("rgmp", "support.loaded_files", NAMED)
    assert done.returncode == 0, done.stderr
    return {module: {*map(Path, files)} for module, files in json.loads(done.stdout).items()}


@pytest.mark.parametrize("module", NAMED)
def test_every_file_of_ours_that_a_rule_loads_counts(
    module: str, loaded: dict[str, set[Path]]
) -> None:
    files = loaded[module] - set(PACKAGE.glob("*/__init__.py"))
    assert files - {PACKAGE / "facts/__init__.py"} <= set(code.source_files(module))
    assert PACKAGE / f"{module.removeprefix('rgmp.').replace('.', '/')}.py" in files


def test_what_lies_beside_counts_too() -> None:
    names = {path.name for path in code.source_files("rgmp.reporting.report")}
    assert {"report.html.j2", "published.csv", "table_files.py"} <= names
    assert "train.py" not in names


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package in another place."""
    shutil.copytree(PACKAGE, tmp_path / "rgmp")
    monkeypatch.setattr(rgmp, "__file__", str(tmp_path / "rgmp/__init__.py"))
    return tmp_path / "rgmp"


def test_a_copy_elsewhere_has_the_same_sources(request: pytest.FixtureRequest) -> None:
    scoring, whole = code.sources_of("rgmp.evaluation.scoring"), code.package_sources()
    request.getfixturevalue("copied")
    assert code.sources_of("rgmp.evaluation.scoring") == scoring
    assert code.package_sources() == whole


@pytest.mark.parametrize(
    ("file", "counts"), [("evaluation/boundary.py", True), ("training/train.py", False)]
)
def test_an_edit_counts_where_it_is_rested_on(copied: Path, file: str, counts: bool) -> None:
    scoring, whole = code.sources_of("rgmp.evaluation.scoring"), code.package_sources()
    with (copied / file).open("a") as text:
        text.write("\n# edited\n")
    assert (code.sources_of("rgmp.evaluation.scoring") != scoring) is counts
    assert code.package_sources() != whole, "files of every subpackage count"
