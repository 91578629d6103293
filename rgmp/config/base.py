"""Types and limits shared by all settings: stages, benchmarks, free text, numbers."""

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from rgmp.errors import visible

Stage = Literal["pretrain", "finetune"]
STAGES: tuple[Stage, ...] = get_args(Stage)


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError("the smaller limit must come first")
    return limits


def _plain(text: str) -> str:
    """Reject what terminals, table rows and readers would misinterpret, or not see at all."""
    for character in text:
        if unicodedata.category(character) in _UNSEEN and character not in _JOINERS:
            raise ValueError(
                f"contains a control character, {visible(character)}; write one line of plain text"
            )
    if not any(map(_is_seen, text)):
        raise ValueError("contains no visible character; write one line of plain text")
    return text


def _is_seen(character: str) -> bool:
    """Whether a character shows by itself, as no space does and no mark that goes on another."""
    return unicodedata.category(character)[0] in "LNPS" and character not in _BLANKS


_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Controls, those that reverse the direction of text among them, and ends of lines."""
_JOINERS = "\u200c\u200d"
"""They shape the letters beside them in Persian and Hindi, and emoji."""
_BLANKS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols of no shape: fillers of Hangul, and Braille without a dot."""


def _usable(path: Path) -> Path:
    _plain(str(path))
    longest = max((len(os.fsencode(name)) for name in path.parts), default=0)
    if longest > 255 or len(os.fsencode(path)) > 1000:
        raise ValueError("path too long; allowed: 255 bytes per name, 1000 in total")
    return path


# Free text is one of these three: printed text, a file name, a location.
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_plain)
]


Name = Annotated[
    str, StringConstraints(pattern=r"^[^-./][^/]*$", max_length=100), AfterValidator(_plain)
]


Location = Annotated[Path, AfterValidator(_usable)]


# The limits reject the impossible; they are far above what anyone trains.
AT_ONCE = 1024
"""Threads or processes of one job."""


REPEATS = 1000


SEED = 2**63 - 1
"""The largest that PyTorch takes as a signed integer."""


AtOnce = Annotated[int, Field(gt=0, le=AT_ONCE)]


Channels = Annotated[int, Field(gt=0, le=8192)]


Count = Annotated[int, Field(gt=0, le=10**9)]


Seed = Annotated[int, Field(ge=0, le=SEED)]


Chance = Annotated[float, Field(ge=0, le=1)]


Share = Annotated[float, Field(ge=0, le=10)]


Degrees = Annotated[float, Field(ge=-360, le=360)]


Slant = Annotated[float, Field(ge=-80, le=80)]


Times = Annotated[float, Field(ge=0.01, le=100)]


Range = Annotated[tuple[Degrees, Degrees], AfterValidator(_ordered)]


Shear = Annotated[tuple[Slant, Slant], AfterValidator(_ordered)]


Factor = Annotated[tuple[Times, Times], AfterValidator(_ordered)]


Frames = Annotated[int, Field(ge=2, le=10_000)]


Skipped = Annotated[int, Field(ge=0, le=10_000)]


Side = Annotated[int, Field(gt=0, le=8192, multiple_of=32)]


CropSize = tuple[Side, Side]


NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
"""The name of a study, variant or external method, after which folders are named."""


S = TypeVar("S", bound=Sequence[Any])


def unique(values: S) -> S:
    """The values unchanged.

    Raises:
        ValueError: one of them is a duplicate.
    """
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(f"duplicate {value}; list each once")
    return values


class Closed(BaseModel):
    """A fixed set of keys; any other is rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Reject booleans, which would be read as 1 or 0."""
        if info.field_name and _holds_numbers(cls.model_fields[info.field_name].annotation):
            values = value if isinstance(value, list | tuple) else [value]
            if any(isinstance(one, bool) for one in values):
                raise ValueError("expected a number, not true or false")
        return value


def _holds_numbers(annotation: Any) -> bool:
    """Whether a type is a number or contains one."""
    return annotation in {int, float} or any(map(_holds_numbers, get_args(annotation)))


Benchmark = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
"""The name of what is scored: a year of DAVIS, or a set that a study names."""


BENCHMARKS: tuple[Benchmark, ...] = ("davis2016", "davis2017")
"""The years of DAVIS (`rgmp.config.dataset.DAVIS`)."""


RESOLUTION = "480p"
