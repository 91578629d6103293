"""Variants are laid over the study, and what they may not override is named."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.tiny_study import STUDY

from rgmp.config.comparison import only_compares
from rgmp.config.load import load_study, load_variants, read_yaml
from rgmp.config.method import Method
from rgmp.errors import UserError

PROJECT = Path(__file__).parents[2]
STUDIES = [
    path
    for path in sorted((PROJECT / "workflow/config").glob("*.yaml"))
    if not only_compares(read_yaml(path))
]
ABLATIONS = PROJECT / "ablations"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_study_of_the_project_loads_with_every_variant(path: Path) -> None:
    study = load_study(path)
    assert study.study == path.stem
    variants = load_variants(study, path, ABLATIONS)
    assert next(iter(variants)) == "full"
    files = {p.stem: read_yaml(p) for p in ABLATIONS.glob("*.yaml") if study.has(p.stem)}
    beside = {name for name, file in files.items() if file.get("listed_only")}
    assert set(variants) == files.keys() - (beside if study.variants is None else set())
    labels = [variant.label for variant, _ in variants.values()]
    assert len(set(labels)) == len(labels)


def test_the_file_of_the_documents_is_a_row_of_the_default_study(tmp_path: Path) -> None:
    """A new file and nothing else: no list of variants has to know it."""
    ablations = shutil.copytree(ABLATIONS, tmp_path / "ablations")
    (example,) = re.findall(
        r"```yaml\n# ablations/(shorter_clips\.yaml)\n(.*?)```",
        (PROJECT / "docs/variants.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
    path = PROJECT / "workflow/config/mini.yaml"
    before = load_variants(load_study(path), path, ablations)
    (ablations / example[0]).write_text(example[1], encoding="utf-8")
    after = load_variants(load_study(path), path, ablations)
    assert {*after} - {*before} == {"shorter_clips"}
    assert after["shorter_clips"][1].finetune.frames == (2, 2)


def test_a_variant_is_named_or_left_out(ablations: Path) -> None:
    for name in ("one", "two"):
        write_variant(ablations, name, network={"width": 8})
    assert [*methods(ablations, without=["one"])] == ["full", "two"]
    assert [*methods(ablations, variants=["one"])] == ["full", "one"]
    for wrong, said in (
        ({"without": ["one"], "variants": ["two"]}, "variants and without are given"),
        ({"without": ["full"]}, "without: full is what the others are compared with"),
        ({"without": ["three"]}, "no variant three in"),
    ):
        with pytest.raises(UserError, match=said):
            methods(ablations, **wrong)


def test_what_is_listed_only_joins_no_study_that_does_not_name_it(ablations: Path) -> None:
    write_variant(ablations, "one")
    path = write_variant(ablations, "beside", no_such_part={})
    path.write_text(f"{path.read_text()}listed_only: true\n")
    assert [*methods(ablations)] == ["full", "one"], "nor can it be wrong there"
    assert [*methods(ablations, without=["one"])] == ["full"]
    write_variant(ablations, "beside", network={"width": 8})
    path.write_text(f"{path.read_text()}listed_only: true\n")
    assert [*methods(ablations, variants=["beside"])] == ["full", "beside"]


def test_every_variant_changes_the_method_and_full_is_the_study() -> None:
    path = PROJECT / "workflow/config/mini.yaml"
    variants = load_variants(load_study(path), path, ABLATIONS)
    methods = {name: method for name, (_, method) in variants.items()}
    assert methods.pop("full").model_dump() == load_study(path).model_dump(
        include=set(Method.model_fields)
    )
    dumps = [method.model_dump_json() for method in methods.values()]
    assert len({variants["full"][1].model_dump_json(), *dumps}) == len(variants)


@pytest.fixture
def ablations(tmp_path: Path) -> Path:
    (tmp_path / "ablations").mkdir()
    write_variant(tmp_path / "ablations", "full")
    return tmp_path / "ablations"


def write_variant(ablations: Path, name: str, **overrides: Any) -> Path:
    path = ablations / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"label": name, "claim": "none", "overrides": overrides}))
    return path


def methods(ablations: Path, **study: Any) -> dict[str, Method]:
    path = ablations.with_name("study.yaml")
    path.write_text(yaml.safe_dump({**STUDY, **study}))
    variants = load_variants(load_study(path), path, ablations)
    return {name: method for name, (_, method) in variants.items()}


def test_overrides_are_laid_over_the_study_key_by_key(ablations: Path) -> None:
    write_variant(ablations, "other", network={"width": 8}, stages=["finetune"])
    full, other = methods(ablations).values()
    assert other.network.model_dump() == {**full.network.model_dump(), "width": 8}
    assert (full.stages, other.stages) == (("pretrain", "finetune"), ("finetune",))
    assert other.finetune == full.finetune


def test_override_may_set_what_the_study_leaves_out(ablations: Path) -> None:
    write_variant(ablations, "other", compute={"threads": 3})
    assert [m.compute.threads for m in methods(ablations).values()] == [1, 3]


def test_full_stands_first_and_the_rest_by_name(ablations: Path) -> None:
    for name in ("zeta", "alpha"):
        write_variant(ablations, name)
    assert list(methods(ablations)) == ["full", "alpha", "zeta"]
    assert list(methods(ablations, variants=["zeta"])) == ["full", "zeta"]
    assert list(methods(ablations, variants=["zeta", "full"])) == ["full", "zeta"]


def test_files_that_an_editor_left_are_no_variants(ablations: Path) -> None:
    (ablations / ".#full.yaml").write_text("{")
    (ablations / "README.md").touch()
    assert list(methods(ablations)) == ["full"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            {"netwrok": {}},
            "unknown key overrides.netwrok; allowed there: network, stages, weights, pretrain",
        ),
        ({"seeds": [1]}, "unknown key overrides.seeds; allowed there: network"),
        ({"machine": {}}, "unknown key overrides.machine; allowed there: network"),
        ({"network": {"widht": 1}}, "unknown key overrides.network.widht; allowed there: backbone"),
        ({"network": {"width": "x"}}, "overrides.network.width (='x'): "),
        ({"network": 3}, "overrides.network (=3): "),
        ({"finetune": {"bptt": False}}, "overrides.finetune.bptt (=False): Input should be 'full'"),
        (
            {"stages": ["finetune", "pretrain"]},
            "overrides.stages (=['finetune', 'pretrain']): list each",
        ),
    ],
)
def test_override_that_is_not_allowed_is_named(
    ablations: Path, overrides: dict[str, Any], said: str
) -> None:
    path = write_variant(ablations, "other", **overrides)
    with pytest.raises(UserError) as error:
        methods(ablations)
    assert str(error.value).startswith(f"{path}: {said}")


def test_unknown_key_of_a_variant_is_named(ablations: Path) -> None:
    path = ablations / "other.yaml"
    path.write_text("label: a\nclaim: b\noverride: {}\n")
    with pytest.raises(UserError, match=r"other.yaml: unknown key override; .* label, claim, exp"):
        methods(ablations)
    path.write_text("label: a\n")
    with pytest.raises(UserError, match=r"other.yaml: key claim is missing"):
        methods(ablations)


@pytest.mark.parametrize(
    ("expects", "said"),
    [
        ({"overall": "worse"}, "expects.overall (='worse'): Input should be a valid dictionary"),
        ({"fast": {"difference": "worse"}}, "key expects.fast.because is missing"),
        ({"fast": {"becuase": "x"}}, "unknown key expects.fast.becuase; allowed there: diff"),
        (
            {"fast": {"difference": "smaller", "because": "x"}},
            "expects.fast.difference (='smaller'): Input should be 'worse', 'better' or 'none'",
        ),
        ({"a/b": {"difference": "worse", "because": "x"}}, "expects.a/b."),
    ],
)
def test_expectation_that_is_not_allowed_is_named(
    ablations: Path, expects: dict[str, Any], said: str
) -> None:
    path = ablations / "other.yaml"
    path.write_text(yaml.safe_dump({"label": "a", "claim": "b", "expects": expects}))
    with pytest.raises(UserError) as error:
        methods(ablations)
    assert str(error.value).startswith(f"{path}: {said}")


def test_variant_that_is_not_there_is_named_with_those_that_are(ablations: Path) -> None:
    write_variant(ablations, "other")
    with pytest.raises(UserError, match=r"no variant othr in .*; available: full, other"):
        methods(ablations, variants=["othr"])
    (ablations / "full.yaml").unlink()
    with pytest.raises(UserError, match=r"no variant full in .*; available: other"):
        methods(ablations)


def test_variant_with_a_name_that_is_no_folder_is_refused(ablations: Path) -> None:
    write_variant(ablations, "No BPTT")
    with pytest.raises(UserError, match=r"No BPTT.yaml: invalid variant name"):
        methods(ablations)
