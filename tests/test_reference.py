"""What the README says of the reference is what its tables say."""

import pytest
from reference import README, REFERENCE, block_of, readme_table

from rgmp.study import layout, table_files

STUDIES = sorted(path.name for path in REFERENCE.iterdir())


@pytest.mark.parametrize("study", STUDIES)
def test_numbers_of_the_readme_are_those_of_the_reference(study: str) -> None:
    printed = block_of(README.read_text(encoding="utf-8"), study).group()
    assert printed == readme_table(REFERENCE / study)


@pytest.mark.parametrize("study", STUDIES)
def test_the_reference_is_whole(study: str) -> None:
    folder = REFERENCE / study
    tables = {path.stem for path in (folder / layout.TABLES).glob("*.csv")}
    assert tables >= {*table_files.TIDY_DTYPES, "ablation", "difficulty"}
    assert any((folder / "records").rglob("*.json"))
    assert any((folder / layout.FIGURES).glob("*.png"))
