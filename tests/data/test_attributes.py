from pathlib import Path

import pytest

from rgmp.data.attributes import Attribute, read_attributes
from rgmp.errors import UserError


def written(folder: Path, text: str) -> Path:
    path = folder / "attributes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_sequence_has_as_many_attributes_as_it_has_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "sequence,attribute,figure\nant,fast,fox\nbee,OCC,owl\nant,OCC,fox\n")
    assert read_attributes(path, {"ant", "bee", "cow"}) == (
        Attribute(sequence="ant", attribute="fast", figure="fox"),
        Attribute(sequence="bee", attribute="OCC", figure="owl"),
        Attribute(sequence="ant", attribute="OCC", figure="fox"),
    )


def test_without_figures_every_sequence_shows_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffsequence,attribute\r\nant,fast\r\n")
    assert read_attributes(path) == (Attribute(sequence="ant", attribute="fast", figure="ant"),)
    assert read_attributes(written(tmp_path, "sequence,attribute\n")) == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the header is 'nothing'; expected a header sequence,attribute,figure"),
        ("sequence,figure\nant,fox\n", "the header is 'sequence,figure'; expected a header"),
        ("sequence,attribute\nant\n", "line 2: 1 cells under 2 columns"),
        ("sequence,attribute\nant,fast\nelk,fast\n", "line 3: elk is not a sequence of the tree"),
        ("sequence,attribute\nant,fast\nant,fast\n", "line 3: duplicate fast of ant"),
        ("sequence,attribute\nant,overall\n", "line 2: overall is a reserved name"),
        ("sequence,attribute\nant,\n", "line 2: attribute: "),
        ("sequence,attribute,figure\nant,fast,\n", "line 2: figure: "),
        ('sequence,attribute\nant,"fa"st\n', "line 2: "),
        (
            "sequence,attribute,figure\nant,fast,fox\nant,OCC,owl\n",
            "line 3: ant shows owl here and fox above",
        ),
    ],
)
def test_a_csv_with_a_mistake_is_refused_in_one_line(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(UserError, match=fault) as raised:
        read_attributes(written(tmp_path, text), {"ant", "bee"})
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_csv_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.csv: .*put the CSV there"):
        read_attributes(tmp_path / "nowhere.csv")
