"""The JSON schemas in workflow/schemas/ say what the models say.

`RGMP_WRITE_SCHEMAS=1 pytest tests/config/test_schemas.py` writes them anew.
"""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tiny_study import STUDY

from rgmp.config.comparison import Comparison, only_compares
from rgmp.config.dataset import Dataset
from rgmp.config.load import read_yaml
from rgmp.config.method import Method
from rgmp.config.study import Study, Variant

PROJECT = Path(__file__).parents[2]
STUDIES = sorted((PROJECT / "workflow/config").glob("*.yaml"))
DATASETS = sorted((PROJECT / "workflow/config/datasets").glob("*.yaml"))
ABLATIONS = PROJECT / "ablations"


def partial(schema: Any) -> Any:
    """A schema of which nothing is required: overrides name only what they change."""
    if isinstance(schema, dict):
        return {key: partial(value) for key, value in schema.items() if key != "required"}
    return [partial(value) for value in schema] if isinstance(schema, list) else schema


def schemas() -> dict[str, dict[str, Any]]:
    """What an editor needs to complete and check a study and a variant, by file name."""
    variant, method = Variant.model_json_schema(), partial(Method.model_json_schema())
    variant["$defs"] |= method.pop("$defs")
    described = {"description": variant["properties"]["overrides"]["description"]}
    variant["properties"]["overrides"] = method | described
    return {
        "study": Study.model_json_schema(),
        "comparison": Comparison.model_json_schema(),
        "variant": variant,
        "dataset": Dataset.model_json_schema(),
    }


@pytest.mark.parametrize("name", ["study", "comparison", "variant", "dataset"])
def test_schema_says_what_the_models_say(name: str) -> None:
    path = PROJECT / "workflow/schemas" / f"{name}.json"
    wanted = json.dumps(schemas()[name], indent=2) + "\n"
    if os.environ.get("RGMP_WRITE_SCHEMAS"):
        path.write_text(wanted)
    assert path.read_text() == wanted, "RGMP_WRITE_SCHEMAS=1 pytest tests/config renews it"


def test_every_key_is_described() -> None:
    for schema in schemas().values():
        for model in (schema, *schema.get("$defs", {}).values()):
            for key, value in model.get("properties", {}).items():
                assert value.get("description"), f"{model['title']}.{key}"


def test_files_of_the_project_fit_their_schemas() -> None:
    validate = pytest.importorskip("jsonschema").validate
    for path in STUDIES:
        study = read_yaml(path)
        validate(study, schemas()["comparison" if only_compares(study) else "study"])
    for path in sorted(ABLATIONS.glob("*.yaml")):
        validate(read_yaml(path), schemas()["variant"])
    for path in DATASETS:
        validate(read_yaml(path), schemas()["dataset"])


@pytest.mark.parametrize(
    ("name", "break_it"),
    [
        ("study", lambda value: value.update(titel="a")),
        ("study", lambda value: value["network"].update(widht=1)),
        ("study", lambda value: value.pop("data")),
        ("variant", lambda value: value["overrides"].update(seeds=[1])),
        ("variant", lambda value: value["overrides"].update(network={"widht": 1})),
    ],
)
def test_schema_refuses_what_is_not_allowed(name: str, break_it: Callable[[Any], Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    value: dict[str, Any] = {
        "study": copy.deepcopy(STUDY),
        "variant": {"label": "a", "claim": "b", "overrides": {"network": {"width": 8}}},
    }[name]
    jsonschema.validate(value, schemas()[name])
    break_it(value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schemas()[name])
