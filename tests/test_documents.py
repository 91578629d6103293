"""What the documents say is so: their links, their YAML, the errors that they explain."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from support.documents import (
    DOCUMENTS,
    PROJECT,
    blocks,
    headings,
    inline,
    links,
    prose,
)

from rgmp.config.dataset import Dataset
from rgmp.config.study import Variant
from rgmp.runtime.files import read_json

README = PROJECT / "README.md"
TROUBLES = PROJECT / "docs/troubleshooting.md"
of_documents = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT))
)


@of_documents
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for file, heading in links(document):
        assert file.exists(), f"{document.name} links to {file}"
        assert not heading or heading in headings(file), f"{document.name}: {file.name}#{heading}"


def test_every_document_is_reached_from_the_readme() -> None:
    reached, new = {README}, [README]
    while new:
        targets = {file for file, _ in links(new.pop()) if file.suffix == ".md"}
        new += targets - reached
        reached |= targets
    assert reached >= {*DOCUMENTS}


def test_the_readme_is_read_on_a_screen_and_a_half() -> None:
    text = re.sub("<details>.*?</details>", "", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(text.splitlines()) <= 100


@of_documents
def test_targets_of_make_named_in_a_sentence_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for said in inline(document):
        program, *words = said.split()
        if program == "make" and words and re.fullmatch("[a-z][a-z-]*", words[-1]):
            assert words[-1] in targets, said


@of_documents
def test_paths_named_in_a_sentence_exist(document: Path) -> None:
    of_ours = re.compile(
        r"(workflow|tests|rgmp|ablations|docs|profiles|results/reference)/[\w/.-]*"
    )
    named = [word for said in inline(document) for word in said.split() if of_ours.fullmatch(word)]
    assert [word for word in named if not (PROJECT / word).exists()] == []


@of_documents
def test_yaml_is_of_a_variant_a_data_set_or_a_study(document: Path) -> None:
    keys = read_json(PROJECT / "workflow/schemas/study.json")["properties"].keys()
    for block in blocks(document, "yaml"):
        content = yaml.safe_load(block)
        if "frames" in content:
            Dataset.model_validate(content)
        elif {"overrides", "expects"} & content.keys():
            Variant.model_validate({"label": "a", "claim": "b"} | content)
        else:
            assert content.keys() <= keys, block


def texts_of(path: Path) -> list[str]:
    """The pieces of text in a module, f-strings among them."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    constants = (node.value for node in nodes if isinstance(node, ast.Constant))
    return [value for value in constants if isinstance(value, str)]


def test_every_error_that_is_explained_is_in_the_code() -> None:
    texts = "\n".join(
        text for path in sorted((PROJECT / "rgmp").rglob("*.py")) for text in texts_of(path)
    )
    quoted = re.findall(r"^> (.*)$", TROUBLES.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(quoted) > 20
    pieces = [piece.strip(" ") for error in quoted for piece in error.split("...")]
    assert [piece for piece in pieces if piece not in texts] == []


def test_every_formula_and_source_of_the_statistics_is_beside_the_code() -> None:
    modules = sorted((PROJECT / "rgmp/evaluation").glob("*.py"))
    beside = " ".join(" ".join(text for path in modules for text in texts_of(path)).split())
    text = (PROJECT / "docs/statistics.md").read_text(encoding="utf-8")
    formulas = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    sources = re.findall(r"[A-Z][^.,]*(?: -[^,]*)? \d+, (?:19|20)\d\d", text)
    assert min(len(formulas), len(sources)) > 10
    assert [said for said in (*formulas, *sources) if " ".join(said.split()) not in beside] == []


def test_the_five_files_to_read_first_are_named_in_one_place() -> None:
    five = re.findall(r"^\d\. \[`([^`]+)`\]", prose(PROJECT / "CONTRIBUTING.md"), re.MULTILINE)
    assert len(five) == 5
    assert all((PROJECT / name).is_file() for name in five)
