"""The schema of a study that only compares: its methods are external, and nothing is trained."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from rgmp.config.base import RESOLUTION, Benchmark, Closed, Line, Location, Name, unique
from rgmp.config.study import (
    MARGIN,
    External,
    Margin,
    ScoredBenchmarks,
    ScoredSplit,
    StudyName,
    VideoSet,
    require_benchmarks_of,
    require_data_of,
)

TRAINS = ("network", "pretrain", "finetune", "variants", "without")
"""Keys of a study that trains, of which one that only compares has none."""


class Truth(Closed):
    """What the methods are scored on."""

    davis: Location | None = Field(None, description="root of a complete or partial DAVIS tree")
    davis2016: Location | None = Field(
        None,
        description="root of a tree with DAVIS-2016's own annotations, for davis2016; none: it is "
        "davis, and if that has DAVIS-2017's, they are made binary, as by RGMP's authors",
    )
    sets: dict[Benchmark, VideoSet] = Field(
        {}, description="other sets of videos, by the names that they have among the benchmarks"
    )
    resolution: Name = Field(RESOLUTION, description="folder under JPEGImages and Annotations")


class Comparison(Closed):
    """A study file with external methods alone, which are compared with each other."""

    study: StudyName
    title: Line = Field(max_length=200, description="printed on the report")
    data: Truth = Field(description="what the methods are scored on")
    benchmarks: ScoredBenchmarks
    split: ScoredSplit = "val"
    margin: Margin = Field(
        MARGIN,
        description="points of J&F: a difference that is surely smaller is no difference in "
        "practice; fix it before you look",
    )
    external: tuple[External, ...] = Field(
        min_length=1, description="the methods; of each benchmark two or more"
    )

    @field_validator("benchmarks")
    @classmethod
    def _each_once(cls, values: tuple[Benchmark, ...]) -> tuple[Benchmark, ...]:
        return unique(values)

    @model_validator(mode="after")
    def _comparable(self) -> "Comparison":
        named, has_davis = {"benchmarks": self.benchmarks}, self.data.davis is not None
        require_data_of(named, self.data.sets, has_davis=has_davis)
        require_benchmarks_of(self.external, self.benchmarks)
        unique([f"label {external.label}" for external in self.external])
        for benchmark in self.benchmarks:
            given = [one.name for one in self.external if benchmark in one.benchmarks]
            if len(given) < 2:
                raise ValueError(
                    f"benchmarks: {benchmark}: masks or scores of {', '.join(given) or 'no method'}"
                    "; give those of two methods or more to compare"
                )
        return self


def only_compares(study: Mapping[str, Any]) -> bool:
    """Whether the content of a study file is meant to have external methods alone."""
    return bool(study.get("external")) and study.keys().isdisjoint(TRAINS)
