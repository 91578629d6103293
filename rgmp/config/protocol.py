"""The protocol behind a figure: what decides whether two figures may be compared, as closed fields.

Whatever is not known is `unknown`, which is a value: it differs from nothing, and equals nothing.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator

from rgmp.config.base import Closed, Line, unique
from rgmp.runtime.precisions import Precision

Unknown = Literal["unknown"]
UNKNOWN: Unknown = "unknown"

Scales = Annotated[
    tuple[Annotated[float, Field(ge=0.01, le=10)], ...], Field(min_length=1, max_length=20)
]
TrainingSet = Literal[
    "imagenet",
    "stills",
    "davis2016",
    "davis2017",
    "youtube_vos",
    "bl30k",
    "embedded",
    "other",
    "unknown",
]
_TITLES: dict[TrainingSet, str] = {
    "imagenet": "ImageNet",
    "stills": "stills",
    "davis2016": "DAVIS-2016",
    "davis2017": "DAVIS-2017",
    "youtube_vos": "YouTube-VOS",
    "bl30k": "BL30K",
    "embedded": "the embedded benchmark",
    "other": "other data",
    "unknown": "unknown",
}
_COUNTED = {
    "whole_clip": "whole clips with reading, writing and frame 0",
    "end_to_end": "a decoded frame in memory to labels in memory",
    "network": "the network alone",
}
_FLAGS = {True: "yes", False: "no"}


class Protocol(Closed):
    """The card of a method that was not trained here, or of the study's own."""

    training_data: tuple[TrainingSet, ...] = Field(
        (UNKNOWN,),
        min_length=1,
        description="what it was trained on, with that of its initial weights; stills: images with "
        "masks; with unknown among them, these and perhaps more",
    )
    online_finetuning: bool | Unknown = Field(
        UNKNOWN, description="whether it is trained on the given mask of a test video"
    )
    input_size: Line = Field(
        UNKNOWN, max_length=40, description="of the frames given to it, such as 480p"
    )
    scales: Scales | Unknown = Field(
        UNKNOWN, description="to which frames are resized, and over which predictions are averaged"
    )
    flips: bool | Unknown = Field(
        UNKNOWN, description="whether predictions are averaged over mirrored frames, too"
    )
    precision: Literal[Precision, "fp16", Unknown] = Field(
        UNKNOWN, description="in which it computes"
    )
    fps_counts: Literal["whole_clip", "end_to_end", "network", Unknown] = Field(
        UNKNOWN,
        description="what its time per frame is of; whole_clip: with reading, writing and frame 0; "
        "end_to_end: from a decoded frame in memory to labels in memory; network: that alone",
    )
    hardware: Line = Field(UNKNOWN, max_length=100, description="on which it was timed")
    source: Line = Field(UNKNOWN, max_length=200, description="where all this is said")

    @field_validator("training_data")
    @classmethod
    def _each_once(cls, values: tuple[TrainingSet, ...]) -> tuple[TrainingSet, ...]:
        return unique(values)

    @property
    def told(self) -> dict[str, str]:
        """Every field in words, for print."""
        scales = self.scales
        return {
            "training_data": ", ".join(_TITLES[one] for one in self.training_data),
            "online_finetuning": _flag(self.online_finetuning),
            "input_size": self.input_size,
            "scales": scales if scales == UNKNOWN else ", ".join(f"{one:g}" for one in scales),
            "flips": _flag(self.flips),
            "precision": self.precision,
            "fps_counts": _COUNTED.get(self.fps_counts, UNKNOWN),
            "hardware": self.hardware,
            "source": self.source,
        }

    @property
    def decisive(self) -> "Protocol":
        """The same with what may change accuracy alone; the rest is unknown."""
        return Protocol(**{name: getattr(self, name) for name in DECISIVE})

    def unlike(self, other: "Protocol") -> list[str]:
        """In what this protocol is known to differ from another, where it may change accuracy.

        Returns:
            A few words for each difference, such as `online fine-tuning`; none where nothing is
            known to differ.
        """
        return [*self._other_data(other), *self._other_use(other)]

    def unknowns(self, other: "Protocol") -> list[str]:
        """The fields that decide accuracy of which either says nothing, or not everything."""
        return [
            name
            for name in DECISIVE
            if any(UNKNOWN in _values(getattr(one, name)) for one in (self, other))
        ]

    def _other_data(self, other: "Protocol") -> Iterator[str]:
        ours, theirs = ({*one.training_data} for one in (self, other))
        if UNKNOWN not in theirs and (more := sorted(ours - theirs - {UNKNOWN})):
            yield f"also trained on {_listed(more)}"
        if UNKNOWN not in ours and (less := sorted(theirs - ours - {UNKNOWN})):
            yield f"not trained on {_listed(less)}"

    def _other_use(self, other: "Protocol") -> Iterator[str]:
        for name, words in _OTHERWISE.items():
            here, there = getattr(self, name), getattr(other, name)
            if UNKNOWN not in (here, there) and here != there:
                yield words.format("" if here is True else "no ", self.told[name])


_OTHERWISE = {
    "online_finetuning": "{0}online fine-tuning",
    "input_size": "input {1}",
    "scales": "scales {1}",
    "flips": "{0}flips",
    "precision": "{1}",
}
"""How a field is told that differs."""
DECISIVE = ("training_data", *_OTHERWISE)
"""The fields that may change accuracy; the others are about speed, and the source."""


def _flag(value: bool | Unknown) -> str:
    return UNKNOWN if value == UNKNOWN else _FLAGS[bool(value)]


def _values(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _listed(names: list[TrainingSet]) -> str:
    return ", ".join(_TITLES[name] for name in names)
