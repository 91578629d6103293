"""What a section of the selftest found: one quantity, under given conditions."""

import math
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rgmp.inference.timing_statistics import Interval

Condition = str | int | float
Value = float | int | str | bool


@dataclass(frozen=True)
class Finding:
    """One measured quantity, or one thing that holds or does not.

    Attributes:
        quantity: what was measured, such as `labels equal`.
        conditions: under which: precision, objects, scales, ...
        value: what was found.
        unit: of the value; empty: it has none.
        low, high: the ends of an interval of the value, if there is one.
        limit: what the value has to keep, such as `>= 0.999`; empty: it has no limit.
        holds: whether it does; None: it has no limit.
    """

    quantity: str
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    value: Value = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    limit: str = ""
    holds: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """Its fields as JSON values; a number that is not finite becomes a text, such as `nan`."""
        conditions = {key: _plain(value) for key, value in self.conditions.items()}
        fields = {key: _plain(value) for key, value in asdict(self).items()}
        return {**fields, "conditions": conditions}

    @property
    def line(self) -> str:
        """It in a line: quantity, conditions, value, and whether its limit holds."""
        conditions = ", ".join(f"{key} {_shown(value)}" for key, value in self.conditions.items())
        interval = ""
        if self.low is not None and self.high is not None:
            interval = f" [{_shown(self.low)}, {_shown(self.high)}]"
        said = f"{self.quantity}{f' ({conditions})' if conditions else ''}: {_shown(self.value)}"
        said += interval + (f" {self.unit}" if self.unit else "")
        if self.limit:
            said += f"   [{self.limit}: {'holds' if self.holds else 'DOES NOT HOLD'}]"
        return said


def at_least(
    quantity: str, conditions: Mapping[str, Condition], value: float, limit: float, unit: str = ""
) -> Finding:
    """A number that has to be as large as its limit, or larger; NaN is not."""
    return Finding(quantity, conditions, value, unit, limit=f">= {limit:g}", holds=value >= limit)


def at_most(
    quantity: str, conditions: Mapping[str, Condition], value: float, limit: float, unit: str = ""
) -> Finding:
    """A number that has to be as small as its limit, or smaller; NaN is not."""
    return Finding(quantity, conditions, value, unit, limit=f"<= {limit:g}", holds=value <= limit)


def required(quantity: str, conditions: Mapping[str, Condition], value: bool) -> Finding:
    """Something that has to be so."""
    return Finding(quantity, conditions, value, limit="true", holds=value)


def estimate(
    quantity: str,
    conditions: Mapping[str, Condition],
    found: "Interval",
    unit: str = "",
    least: float | None = None,
) -> Finding:
    """An estimate with its 95 % interval, which has to be as large as `least` if that is given."""
    finding = Finding(quantity, conditions, found.mean, unit, found.low, found.high)
    if least is None:
        return finding
    return replace(finding, limit=f">= {least:g}", holds=found.mean >= least)


def failed(what: str, conditions: Mapping[str, Condition], error: BaseException | str) -> Finding:
    """Something that should have run, and why it did not: an error, or a reason in words.

    Of an error its kind stands in the results, with the first line of what it says, in place of
    what was to be found; its traceback goes to the log.
    """
    reason = error if isinstance(error, str) else reason_of(error)
    return Finding(what, conditions, reason, limit="runs", holds=False)


def reason_of(error: BaseException) -> str:
    """An error in a line: its kind, and the first line of what it says; the log has it whole."""
    traceback.print_exception(error)
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:300]}" if said else type(error).__name__


def _plain(value: Any) -> Any:
    """A value as JSON has it: those of NumPy as Python's own."""
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
