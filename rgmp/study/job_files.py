"""Speed files and training curves, as jobs write them, read back. Needs no pandas."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from rgmp.config.load import require_shape
from rgmp.errors import UserError
from rgmp.inference.quiet import is_quiet
from rgmp.runtime import cores
from rgmp.runtime.files import read_json, read_text


class _Clip(TypedDict):
    """What tables read of a timed clip."""

    objects: int
    network: list[list[float]]


class _Timing(TypedDict):
    """What tables read of a timed computation."""

    name: str
    identity: str | None
    again: bool
    precision: str
    aggregation: str
    scales: list[float]
    summary: dict[str, float | None]
    clips: list[_Clip]


class _SpeedFile(TypedDict):
    """What tables read of a speed file."""

    device: str
    threads: int | None
    others_share: float
    rounds: int
    computations: list[_Timing]


_SPEED = TypeAdapter(_SpeedFile)
_CURVE = TypeAdapter(list[dict[str, float]])
_REQUIRED = {"step", "seconds", "loss", "J"}


def read_speed(path: Path) -> dict[str, Any]:
    """Read a speed file.

    Raises:
        UserError: it is not one.
    """
    value: dict[str, Any] = read_json(path)
    require_shape(_SPEED, value, path, "a speed file", "remove it and measure again")
    return value


def noted(measured: Mapping[str, Any]) -> dict[str, Any]:
    """What the record says of a measurement."""
    timed = [computation for computation in measured["computations"] if not computation["again"]]
    fps = {f"fps_{computation['name']}": computation["summary"]["fps"] for computation in timed}
    return {key: measured[key] for key in ("rounds", "others_share")} | fps


def unreliable(measured: Mapping[str, Any]) -> Iterator[str]:
    """Why a measurement should not be relied on, a sentence each."""
    again = "remove the file and measure again on an idle machine"
    others = measured["others_share"]
    if others > cores.BUSY:
        yield (
            f"other processes used {others:.0%} of the machine's cores during the measurement, so "
            f"it is unreliable; {again}"
        )
    for computation in measured["computations"]:
        if not computation["again"]:
            continue
        summary = computation["summary"]
        if not is_quiet(summary["ratio_low"], summary["ratio_high"]):
            yield (
                f"two timings of the same computation ({computation['name']}) differ, so the "
                f"measurement is unreliable; {again}"
            )


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read a training curve: one JSON object per line; empty if there is no file.

    Raises:
        UserError: it is not a curve, or a point lacks its step, seconds, loss or J.
    """
    if not path.is_file():
        return []
    try:
        text = read_text(path, "remove it: only the figure of the training curves needs it")
        curve = _CURVE.validate_python(
            [json.loads(line) for line in text.splitlines()], strict=True
        )
        for number, point in enumerate(curve, 1):
            if lacking := sorted(_REQUIRED - point.keys()):
                raise ValueError(f"line {number} has no {lacking[0]}")
            if not point["step"].is_integer():
                raise ValueError(f"the step of line {number} is {point['step']}")
    except (ValueError, RecursionError) as error:  # ValidationError is a ValueError
        why = f" ({error})" if type(error) is ValueError else ""
        raise UserError(f"{path}: not a training curve{why}; remove the file") from error
    return curve
