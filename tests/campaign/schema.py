"""Values that a model has to refuse or to take, from the JSON Schema that it gives itself."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

Key = str | int
SAMPLES: dict[str, Any] = {
    "string": "no such thing",
    "integer": 7,
    "array": [["no such thing"]],
    "object": {"surplus": 1},
    "null": None,
}
"""A value of each type, to be given where another type is asked for."""
LEFT_OUT = {("integer", "number"), ("string", "boolean")}
"""Pairs of what is asked for and what is given that are no fault, or not surely one."""


@dataclass(frozen=True)
class Probe:
    """A value for the key at `path`; `DELETED` takes the key away."""

    path: tuple[Key, ...]
    what: str
    value: Any


DELETED = object()
MANDATORY = ("is missing", "has an unknown neighbour", "is below", "is above", "is no choice")
"""What is tried of every key; of the rest a few are drawn."""


@cache
def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


class Prober:
    """Walks through a model's schema."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._schema = _schema_of(model)
        self._models: dict[str, Any] = self._schema.get("$defs", {})

    def faults(self, rng: random.Random, each: int) -> Iterator[Probe]:
        """What has to be refused: at most `each` of every key but for what is always tried."""
        for path, schema in self._keys(self._schema, ()):
            probes = list(self._faults_of(path, schema))
            always = [p for p in probes if p.what.startswith(MANDATORY)]
            others = [p for p in probes if p not in always]
            yield from always
            yield from rng.sample(others, min(each, len(others)))

    def edges(self) -> Iterator[Probe]:
        """What has to be taken: the least and the largest value of a key, and every choice."""
        for path, schema in self._keys(self._schema, ()):
            for choice in self._choices(schema):
                for name in ("minimum", "maximum"):
                    if name in choice:
                        yield Probe(path, f"is its {name}", choice[name])
                for value in choice.get("enum", ()):
                    yield Probe(path, f"is {value}", value)
                if choice.get("type") == "boolean":
                    yield Probe(path, "is true", True)

    def _keys(self, schema: Any, path: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], Any]]:
        """Every key below a model, with its schema; of repeated models those of the first."""
        yield path, schema
        for name, value in schema.get("properties", {}).items():
            required = name in schema.get("required", ())
            inner: tuple[Key, ...] = (*path, name)
            described = {**self._resolved(value), "required-here": required}
            for choice in self._choices(described):
                if "properties" in choice:
                    nullable = any(self._type(other) == "null" for other in self._choices(value))
                    marks = {"required-here": required, "null-here": nullable}
                    yield from self._keys({**choice, **marks}, inner)
                    break
                items = self._resolved(choice.get("items", {}))
                if "properties" in items:
                    yield inner, described
                    yield from self._keys(items, (*inner, 0))
                    break
            else:
                yield inner, described

    def _resolved(self, schema: Any) -> Any:
        reference = schema.get("$ref") or (schema.get("allOf") or [{}])[0].get("$ref")
        if not reference:
            return schema
        return {**self._models[reference.rpartition("/")[2]], **schema}

    def _choices(self, schema: Any) -> list[Any]:
        return [self._resolved(choice) for choice in schema.get("anyOf", [schema])]

    def _faults_of(self, path: tuple[Key, ...], schema: Any) -> Iterator[Probe]:
        choices = self._choices(schema)
        if schema.get("required-here"):
            yield Probe(path, "is missing", DELETED)
        if "properties" in schema:
            yield Probe((*path, "surplus"), "has an unknown neighbour", 1)
        if path:
            types = {self._type(choice) for choice in choices}
            types |= {"null"} if schema.get("null-here") else set()
            for name, value in SAMPLES.items():
                if name not in types and not any((name, t) in LEFT_OUT for t in types):
                    yield Probe(path, f"is of type {name}", value)
        for choice in choices:
            yield from (Probe(path, what, value) for what, value in self._out_of_range(choice))

    def _type(self, schema: Any) -> str:
        return str(schema.get("type", "object" if "properties" in schema else "string"))

    def _out_of_range(self, schema: Any) -> Iterator[tuple[str, Any]]:
        """Values of the right type that are none of those that are allowed."""
        match self._type(schema):
            case "integer" | "number" as kind:
                yield from _beyond(schema)
                yield "is no number", float("nan")
                yield "is infinite", float("inf")
                if kind == "integer":
                    yield "is no whole number", 1.5
            case "string" if "enum" in schema or "const" in schema:
                yield "is no choice", "no_such_choice"
            case "string" if "pattern" in schema:
                for value in ("Upper", "1st", "a b", "../a", "a\n", "", "a" * 100_000):
                    yield f"is {value[:9]!r}", value
            case "string" if schema.get("minLength"):
                yield "is empty", ""
            case "array":
                yield from self._faulty_arrays(schema)
            case "object" if "propertyNames" in schema:
                yield "has a key that is no choice", {"no_such_choice": "x"}
                yield "holds a list", {"davis2016": [1]}

    def _faulty_arrays(self, schema: Any) -> Iterator[tuple[str, Any]]:
        fixed = [self._resolved(item) for item in schema.get("prefixItems", ())]
        if fixed:
            good = [_least(item) for item in fixed]
            yield "is too short", good[:-1]
            yield "is too long", [*good, good[-1]]
            for what, value in self._out_of_range(fixed[-1]):
                yield f"ends with what {what}", [*good[:-1], value]
        elif schema.get("minItems"):
            yield "is empty", []
        items = self._resolved(schema.get("items") or {})
        if "properties" not in items:
            for what, value in self._out_of_range(items) if items else ():
                yield f"holds what {what}", [value]
        else:
            yield "holds a text", ["no such thing"]


def _beyond(schema: Any) -> Iterator[tuple[str, Any]]:
    for name, what, step in (("minimum", "is below", -1), ("maximum", "is above", 1)):
        if name in schema:
            yield f"{what} its limit", schema[name] + step
        open_end = "exclusive" + name.capitalize()
        if open_end in schema:
            yield f"{what} what it has to pass", schema[open_end]
    if "multipleOf" in schema:
        yield "is no multiple", schema["multipleOf"] + 1


def _least(schema: Any) -> Any:
    """A number that is allowed."""
    return schema.get("multipleOf", schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1))


def put(document: dict[str, Any], probe: Probe) -> None:
    """Put a probe's value into a document, making the mappings and lists on the way."""
    at: Any = document
    for key, following in zip(probe.path[:-1], probe.path[1:], strict=True):
        if isinstance(key, str) and not at.get(key):
            at[key] = [] if isinstance(following, int) else {}
        if isinstance(key, int) and not at:
            at.append({})
        at = at[key]
    last = probe.path[-1]
    if probe.value is DELETED:
        del at[last]
    elif isinstance(last, int) and last >= len(at):
        at.append(probe.value)
    else:
        at[last] = probe.value
