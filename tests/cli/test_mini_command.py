"""`rgmp mini`: a tree that the other commands can use."""

from functools import partial
from pathlib import Path

import pytest
from support.commands import (
    the_record,
)

from rgmp.cli import main as cli
from rgmp.runtime import files


@pytest.mark.usefixtures("here")
def test_mini_renders_a_tree_that_check_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    from rgmp.minidavis import generate
    from rgmp.minidavis.cast import TRAIN, VAL

    few = generate.Contents(TRAIN[:1], VAL[:1], stills=2)
    monkeypatch.setattr(generate, "render", partial(generate.render, contents=few))
    Path("new").mkdir()  # an empty folder may be there: a workflow makes it
    record = "results/mini/records/mini.json"
    assert cli.main(["mini", "new", "--seed", "5", "--record", record]) == 0
    found = the_record(record)
    assert (found["kind"], found["study"], found["name"]) == ("mini", "mini", "mini")
    assert found["seed"] == 5
    assert found["outputs"] == {"data": files.digest_of_all(files.files_below(Path("new")))}
    stills = ["--stills", "new/stills/images", "new/stills/masks"]
    splits = ["--split", "davis2016/train", "davis2016/val", "davis2017/train", "davis2017/val"]
    assert cli.main(["check", "new/davis", *splits, *stills]) == 0
