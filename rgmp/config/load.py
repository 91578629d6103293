"""Load the YAML files of a study and its variants into validated settings."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails

from rgmp.config import strict_yaml
from rgmp.config.base import NAME
from rgmp.config.comparison import Comparison, only_compares
from rgmp.config.dataset import Dataset
from rgmp.config.method import Method
from rgmp.config.study import Study, Variant
from rgmp.errors import UserError, nearest, shown
from rgmp.runtime.files import read_text, require_regular

M = TypeVar("M", bound=BaseModel)


def load_study(path: Path) -> Study:
    """Read and check a study file.

    Raises:
        UserError: it is missing, not valid YAML, has a key or value that is not allowed, or has
            external methods alone.
    """
    value = read_yaml(path)
    if only_compares(value):
        raise UserError(
            f"{path}: only compares external methods, and trains nothing; `rgmp plan {path}` says "
            "how to make its report"
        )
    return validated(Study, value, path)


def load_comparison(path: Path) -> Comparison | None:
    """Read and check a study file that has external methods alone; None of any other.

    Raises:
        UserError: as `load_study`.
    """
    value = read_yaml(path)
    if not only_compares(value):
        return None
    try:
        return validated(Comparison, value, path)
    except UserError as error:
        raise UserError(
            f"{error} (without network, pretrain and finetune, a study only compares its external "
            "methods)"
        ) from error


def load_dataset(path: Path) -> Dataset:
    """Read and check the description of a data set.

    Raises:
        UserError: it is missing, not valid YAML, or has a key or value that is not allowed.
    """
    return validated(Dataset, read_yaml(path), path)


def load_variants(study: Study, path: Path, ablations: Path) -> dict[str, tuple[Variant, Method]]:
    """Every variant of the study with its resolved method; `full` first, the rest by name.

    Raises:
        UserError: a variant is missing, or has a key, value or name that is not allowed.
    """
    present = sorted(p.stem for p in ablations.glob("*.yaml") if not p.name.startswith("."))
    for name in ["full", *sorted({*(study.variants or ()), *study.without})]:
        if name not in present:
            known = ", ".join(present) or "none"
            meant = nearest(name, present)
            raise UserError(f"{path}: no variant {name} in {ablations}; available: {known}{meant}")
    wanted = [name for name in present if study.has(name)]
    for name in wanted:
        if not NAME.fullmatch(name):
            raise UserError(
                f"{ablations / name}.yaml: invalid variant name; allowed: a-z 0-9 _, at most 80"
            )
    raw = read_yaml(path)
    paths = {name: ablations / f"{name}.yaml" for name in ("full", *wanted)}
    variants = {name: validated(Variant, read_yaml(file), file) for name, file in paths.items()}
    return {
        name: (variant, _lay_over(raw, variant, paths[name]))
        for name, variant in variants.items()
        if name == "full" or study.variants is not None or not variant.listed_only
    }


def _lay_over(study: Mapping[str, Any], variant: Variant, path: Path) -> Method:
    for key in variant.overrides:
        if key not in Method.model_fields:
            allowed = ", ".join(Method.model_fields)
            meant = nearest(key, Method.model_fields)
            raise UserError(f"{path}: unknown key overrides.{key}; allowed there: {allowed}{meant}")
    base = {key: value for key, value in study.items() if key in Method.model_fields}
    method = validated(Method, _merged(base, variant.overrides), path, "overrides.")
    decided = {"network", "pretrain", "finetune"} & set(variant.overrides)
    if method.weights and decided:
        raise UserError(
            f"{path}: overrides.{min(decided)}: already fixed by weights; allowed with "
            "weights: stages, inference, compute"
        )
    return method


def _merged(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overrides.items():
        inner = merged.get(key)
        both = isinstance(inner, dict) and isinstance(value, dict)
        merged[key] = _merged(inner, value) if both else value  # type: ignore[arg-type]
    return merged


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        UserError: it is missing, too large, not plain YAML (`rgmp.config.strict_yaml`) or not a
            mapping.
    """
    what_to_do = "name a YAML file such as workflow/config/mini.yaml"
    if require_regular(path, what_to_do).st_size > strict_yaml.LARGEST:
        raise UserError(f"{path}: is larger than {strict_yaml.LARGEST} bytes; {what_to_do}")
    try:
        value = strict_yaml.load(read_text(path, what_to_do))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UserError(f"{path}: not valid YAML: {where}{error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date with a 13th month
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a mapping of keys to values; see workflow/config/mini.yaml")
    return value


def validated(model: type[M], value: Any, path: Path, prefix: str = "") -> M:
    """Validate a value against a model; `prefix` is its position in the file at `path`.

    Raises:
        UserError: its first error, and how many more there are.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        # unknown keys first: a missing key is often a misspelt one
        faults = sorted(_causes(error.errors()), key=lambda e: e["type"] != "extra_forbidden")
        first, *rest = faults
        more = f" (and {len(rest)} more)" if rest else ""
        raise UserError(f"{path}: {_complaint(model, first, prefix)}{more}") from error


def _causes(errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """The errors but for those of a value whose parts have some.

    pydantic says of a list that it is too short where none of its items is valid.
    """
    inner = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    return [error for error in errors if error["loc"] not in inner]


def require_shape(
    shape: TypeAdapter[Any], value: Any, path: Path, what: str, what_to_do: str
) -> None:
    """Check one of our files, without conversions, against the type that its readers rely on.

    Raises:
        UserError: its first error: the file at `path` is not `what`; ends with `what_to_do`.
    """
    try:
        shape.validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "top level"
        raise UserError(f"{path}: not {what} ({where}: {first['msg']}); {what_to_do}") from error


def _complaint(model: type[BaseModel], error: Mapping[str, Any], prefix: str) -> str:
    """One line for a pydantic error: the key, its value, what is allowed."""
    location = error["loc"]
    key = prefix + ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        keys = _keys_at(model, location[:-1])
        meant = nearest(str(location[-1]), keys)
        return f"unknown key {key}; allowed there: {', '.join(keys)}{meant}"
    if error["type"] == "missing":
        return f"key {key} is missing"
    message = error["msg"].removeprefix("Value error, ")
    held = "" if isinstance(error["input"], dict) else f" (={shown(error['input'])})"
    return f"{key}{held}: {message}" if key else message


def _keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys of the model at `location`, through optional and repeated fields."""
    for part in location:
        if part in model.model_fields:  # neither an index nor a key of the user's own
            model = next(_models_in(model.model_fields[part].annotation))
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type contains, such as `Stills` in `tuple[Stills, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
