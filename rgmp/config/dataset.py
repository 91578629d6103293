"""What a data set of videos looks like on disk, and what its annotations mean.

Any set like DAVIS is a value of one model, written as a small YAML file; the two years of DAVIS are
two values of it (`DAVIS`), so that no code asks whether a set is DAVIS.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rgmp.config.base import Benchmark, Closed, Line, Name

Objects = Literal["foreground", "counted", "first", "appearing"]
"""Which ids are objects, and when they are given (`Dataset.objects`)."""
_PLACEHOLDERS = ("sequence", "frame", "split", "resolution")


def _below_the_root(text: str) -> str:
    """A path below the root of a set, with placeholders.

    Raises:
        ValueError: it leads elsewhere, or has other placeholders or single braces.
    """
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("leads out of the set's folder; write a path below it")
    names = [name for _, name, *_ in Formatter().parse(text) if name is not None]
    if unknown := [name for name in names if name not in _PLACEHOLDERS]:
        allowed = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
        raise ValueError(f"unknown placeholder {{{unknown[0]}}}; allowed: {allowed}")
    return text


Pattern = Annotated[Line, Field(max_length=500), AfterValidator(_below_the_root)]


class Dataset(Closed):
    """A data set of videos."""

    frames: Pattern = Field(
        description="path of a frame below the set's folder, with {sequence} as a folder's name "
        "and {frame}.jpg or {frame}.png as the file's; optionally with {split} and {resolution}"
    )
    annotations: Pattern = Field(
        description="path of an annotation likewise, {frame}.png, named as its frame"
    )
    sequences: Pattern | None = Field(
        None,
        description="path of the list of a split's sequences, one per line, with {split}; none: "
        "every folder of frames is a sequence",
    )
    pairs: Pattern | None = Field(
        None,
        description="list of frames and annotations that is read where sequences does not exist, "
        "as in DAVIS-2016's archive",
    )
    gaps: bool = Field(
        False,
        description="whether frames may have any numbers, of equally many digits; false: 00000, "
        "00001, ... without gaps",
    )
    sparse: bool = Field(
        False,
        description="whether frames may lack an annotation: those that have one are trained on and "
        "scored; false: every frame is annotated, or where the truth is withheld frame 0 alone",
    )
    withheld: tuple[Name, ...] = Field(
        ("test",),
        description="beginnings of the names of splits whose truth is withheld but for the masks "
        "that give the objects: they can be segmented, not trained on or scored",
    )
    objects: Objects = Field(
        "first",
        description="first: the ids that the first annotation shows, which may skip numbers; "
        "appearing: every id, given at the first annotated frame that shows it and scored from the "
        "next one on; counted: 1 to the largest id of frame 0, as DAVIS-2017 counts; foreground: "
        "one, whatever is not background, as DAVIS-2016 has it",
    )
    void: Annotated[int, Field(ge=1, le=255)] | None = Field(
        None,
        description="value of an annotation where the truth is unknown, such as 255; none: there "
        "is none (255 is no id of an object even then)",
    )
    score_last: bool = Field(
        False,
        description="whether the last annotated frame is scored; false: it is not, as in DAVIS",
    )

    @model_validator(mode="after")
    def _of_files(self) -> "Dataset":
        for key, text, suffixes in (
            ("frames", self.frames, "jpg|jpeg|png"),
            ("annotations", self.annotations, "png"),
        ):
            if not re.search(rf"(^|/)\{{sequence\}}/(.*/)?\{{frame\}}\.({suffixes})$", text):
                raise ValueError(
                    f"{key} (={text}): allowed: a path such as folder/{{sequence}}/{{frame}}."
                    f"{suffixes.rpartition('|')[2]}"
                )
        if self.pairs and not self.sequences:
            raise ValueError("pairs goes with sequences; set both, or leave it out")
        return self

    @property
    def has_several(self) -> bool:
        """Whether a sequence may have several objects."""
        return self.objects != "foreground"

    @property
    def has_resolutions(self) -> bool:
        """Whether a folder is named after the resolution of its frames."""
        return "{resolution}" in self.frames

    @property
    def meaning(self) -> dict[str, object]:
        """What of it changes what is read from the same files."""
        return self.model_dump(mode="json", include={"objects", "void"})


def _davis(year: int, **of_the_year: object) -> Dataset:
    return Dataset.model_validate(
        {
            "frames": "JPEGImages/{resolution}/{sequence}/{frame}.jpg",
            "annotations": "Annotations/{resolution}/{sequence}/{frame}.png",
            "sequences": f"ImageSets/{year}/{{split}}.txt",
            **of_the_year,
        }
    )


DAVIS: Mapping[Benchmark, Dataset] = {
    "davis2016": _davis(2016, pairs="ImageSets/{resolution}/{split}.txt", objects="foreground"),
    "davis2017": _davis(2017, objects="counted", void=255),
}
"""The two years of DAVIS, which share frames: in 2016 the foreground is one object, any value but
background in either year's masks; in 2017 there are the objects 1, 2, ... of frame 0."""


def of_two_folders(benchmark: Benchmark) -> Dataset:
    """Annotations alone, in a folder with a folder for each sequence, read as a year of DAVIS.

    Ids that frame 0 skips are no objects, and those that come later are refused: a folder does not
    say whether they are given there.
    """
    known = DAVIS[benchmark]
    folder = "{sequence}/{frame}.png"
    return Dataset(
        frames=folder,
        annotations=folder,
        gaps=True,
        sparse=True,
        objects="first" if known.has_several else known.objects,
        void=known.void,
    )
