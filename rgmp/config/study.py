"""The schemas of a study and its variants, the files that a researcher writes.

A study is one YAML file; a variant is one YAML file whose overrides are laid over the study. Both
are closed: an unknown key is rejected with one line that lists the allowed ones.
`rgmp.study.resolve` resolves them.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from rgmp.config.base import (
    AT_ONCE,
    BENCHMARKS,
    NAME,
    REPEATS,
    RESOLUTION,
    AtOnce,
    Benchmark,
    Closed,
    Count,
    Frames,
    Line,
    Location,
    Name,
    Seed,
    unique,
)
from rgmp.config.method import Method
from rgmp.config.protocol import Protocol

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


MASK_SUFFIXES = frozenset({".png"})
"""Suffixes of stills and of their masks."""


MaskValues = Literal["foreground", "objects"]


class Stills(Closed):
    """A set of photographs with masks, for stage 1 (`rgmp.data.stills`)."""

    images: Location = Field(description="folder of images (.jpg or .png)")
    masks: Location = Field(
        description="folder of masks (.png) with the images' names; it may be the folder of the "
        "images if those are .jpg"
    )
    labels: MaskValues = Field(
        "foreground",
        description="what a mask's values mean; foreground: 0 background, 255 foreground, anything "
        "between is uncertain and ignored by the loss; objects: 0 background, each other value a "
        "foreground of its own, 255 uncertain (Pascal VOC's SegmentationObject, DAVIS-2017)",
    )
    names: Location | None = Field(
        None,
        description="text file of what to use, one per line: an image without its suffix, or a "
        "folder of images (ImageSets of Pascal VOC and DAVIS); none: every image has a mask",
    )


class Mini(Closed):
    """The embedded benchmark, rendered into the study folder."""

    seed: Seed = Field(description="seed of the rendering")


class VideoSet(Closed):
    """A data set of videos beside DAVIS."""

    file: Location = Field(
        description="YAML file that describes it, such as workflow/config/datasets/youtube_vos.yaml"
    )
    root: Location = Field(description="its folder")


class Data(Closed):
    """The study's data: either `mini`, or `davis`, `sets` and `stills`."""

    mini: Mini | None = Field(None, description="render the embedded benchmark")
    davis: Location | None = Field(None, description="root of a complete or partial DAVIS tree")
    davis2016: Location | None = Field(
        None,
        description="root of a tree with DAVIS-2016's own annotations, for davis2016; none: it is "
        "davis, and if that has DAVIS-2017's, they are made binary, as by RGMP's authors",
    )
    sets: dict[Benchmark, VideoSet] = Field(
        {}, description="other sets of videos, by the names that they have among the benchmarks"
    )
    stills: tuple[Stills, ...] = Field((), description="sets of stills for stage 1")
    resolution: Name = Field(RESOLUTION, description="folder under JPEGImages and Annotations")
    attributes: Location | None = Field(
        None,
        description="CSV of what makes a sequence difficult: sequence, attribute, and "
        "optionally figure, what it shows; the embedded benchmark has its own",
    )

    @model_validator(mode="after")
    def _one_source(self) -> "Data":
        given = self.davis is not None or bool(self.sets)
        if (self.mini is None) != given or (self.mini and self.stills):
            raise ValueError(
                "set exactly one of mini and davis (stills and sets go with davis, or sets alone)"
            )
        if self.mini and self.davis2016:
            raise ValueError("davis2016 goes with davis; the embedded benchmark is one tree")
        if self.mini and self.attributes:
            raise ValueError("attributes go with other data; the embedded benchmark has its own")
        return self


Device = Literal["auto", "cpu", "cuda"]


class Machine(Closed):
    """Where and how to run; not part of any identity."""

    device: Device = Field("auto", description="where to compute; auto: a GPU if there is one")
    workers: Annotated[int, Field(ge=0, le=AT_ONCE)] = Field(
        0, description="data loading workers per training process"
    )
    processes: AtOnce = Field(
        1, description="processes that share each batch of a training run, one GPU each (torchrun)"
    )
    nodes: AtOnce = Field(
        1,
        description="machines of a Slurm cluster over which these processes are spread evenly "
        "(srun torchrun)",
    )
    recompute_activations: bool = Field(
        False,
        description="activation checkpointing: recompute activations in the backward pass: same "
        "gradient, less memory, more time",
    )
    jobs_per_gpu: AtOnce = Field(
        1, description="jobs that share a GPU; more than one pays only if one cannot fill it"
    )
    decoded_megabytes: int = Field(
        128,
        ge=0,
        le=10**9,
        description="cache of decoded files, for each process that draws samples",
    )
    checkpoint_seconds: float = Field(
        60,
        ge=0,
        le=10**9,
        description="seconds between checkpoints, from which a killed training run resumes",
    )

    @model_validator(mode="after")
    def _spread_evenly(self) -> "Machine":
        if self.processes % self.nodes:
            raise ValueError(
                f"processes (={self.processes}) is not a multiple of nodes (={self.nodes})"
            )
        return self


class Speed(Closed):
    """How seconds per frame are measured (`rgmp.inference.speed`)."""

    sequences: Count = Field(
        3, description="sequences to time, spread from the fewest objects to the most"
    )
    frames: Frames = Field(20, description="most frames of each sequence")
    repeats: Annotated[int, Field(ge=5, le=REPEATS)] = Field(
        5, description="rounds at least; in each, every computation is timed on every sequence"
    )
    seconds: Annotated[float, Field(ge=0, le=10**6)] = Field(
        25.0,
        description="rounds go on until the speed of each computation relative to the first is "
        "known to 3 %, and that of the first to itself to be within 0.97 to 1.03 or clear of it; "
        "beyond repeats none begins after this time, per benchmark",
    )


Engine = Literal["builtin", "official"]


CrossCheck = Literal["auto", "require", "off"]


class Evaluation(Closed):
    """How masks are scored (`rgmp.evaluation.scoring`)."""

    engine: Engine = Field(
        "builtin", description="what measures J and F; official: davis2017-evaluation, if installed"
    )
    cross_check: CrossCheck = Field(
        "auto",
        description="also score with the other engine, and fail on a difference above 1e-6: "
        "every sequence once, each of another method and seed; require: all masks; auto: the "
        "former, if davis2017-evaluation is installed",
    )


class External(Closed):
    """A method not trained here, given by its masks or its per-frame scores."""

    name: str = Field(pattern=f"^{NAME.pattern}$", description="like a variant's name: a-z 0-9 _")
    label: Line = Field(max_length=100, description="printed in tables and figures")
    masks: dict[Benchmark, Location] = Field(
        {}, description="per benchmark, a folder or zip of masks: <sequence>/00000.png, ..."
    )
    scores: dict[Benchmark, Location] = Field(
        {}, description="or a CSV of its scores: sequence, object, frame, J and F, from 0 to 1"
    )
    seconds_per_frame: dict[Benchmark, Annotated[float, Field(ge=1e-6, le=1e6)]] = Field(
        {}, description="as reported by its authors, if they do"
    )
    protocol: Protocol = Field(
        Protocol(), description="how it was trained, run and timed, as far as that is known"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "External":
        twice = self.masks.keys() & self.scores.keys()
        if twice or not self.benchmarks:
            raise ValueError(f"{self.name}: set masks or scores for a benchmark, not both")
        if self.seconds_per_frame.keys() - set(self.benchmarks):
            raise ValueError(
                f"{self.name}: seconds_per_frame for a benchmark without masks or scores"
            )
        return self

    @property
    def benchmarks(self) -> tuple[Benchmark, ...]:
        """The benchmarks for which it has masks or scores."""
        return (*self.masks, *self.scores)


class Submission(Closed):
    """A split whose ground truth is withheld: it is segmented and packed for its server."""

    davis: Location = Field(description="root of the DAVIS tree that has the split")
    optional: bool = Field(
        False, description="leave it out, with a line that says so, where there is no such folder"
    )
    split: Name = Field("test-dev", description="split of davis2017 to segment, as in ImageSets")
    variants: tuple[str, ...] = Field(
        ("full",), min_length=1, description="variants that segment it, with every seed"
    )

    @field_validator("variants")
    @classmethod
    def _each_once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return unique(values)


Margin = Annotated[float, Field(gt=0, le=100)]
"""In points of J&F: a difference that is surely smaller is no difference in practice."""
StudyName = Annotated[
    str, Field(pattern=f"^{NAME.pattern}$", description="name of the folder under results/")
]


ScoredBenchmarks = Annotated[
    tuple[Benchmark, ...],
    Field(
        min_length=1,
        description="what is scored: davis2016, the foreground; davis2017, objects; names in "
        "data.sets",
    ),
]


ScoredSplit = Annotated[
    Name, Field(description="split whose sequences are scored, as in ImageSets")
]


MARGIN = 3.0
"""Of a study or a comparison that does not set it."""


class Study(Method):
    """A study file: what to train, on what, and what to score."""

    study: StudyName
    title: Line = Field(max_length=200, description="printed on every table and figure")
    data: Data = Field(description="what it is trained and scored on")
    benchmarks: ScoredBenchmarks
    split: ScoredSplit = "val"
    seeds: tuple[Seed, ...] = Field(
        min_length=1, max_length=1000, description="every variant is trained once per seed"
    )
    variants: tuple[str, ...] | None = Field(
        None,
        description="names of files in ablations/; default: all of them but those of without, and "
        "those that are listed_only",
    )
    without: tuple[str, ...] = Field(
        (),
        description="names of files in ablations/ to leave out, where variants is not given: a new "
        "file is then a new variant of the study",
    )
    machine: Machine = Field(Machine(), description="where and how to run; changes no weights")
    speed: Speed = Field(Speed(), description="how seconds per frame are measured")
    evaluation: Evaluation = Field(Evaluation(), description="how masks are scored")
    margin: Margin = Field(
        MARGIN,
        description="points of J&F: a difference that is surely smaller is no difference in "
        "practice; fix it before the study runs",
    )
    external: tuple[External, ...] = Field(
        (), description="methods not trained here, to compare with the variants"
    )
    submission: Submission | None = Field(
        None,
        description="a split whose ground truth DAVIS's server alone has: its masks are made and "
        "packed as the server takes them, in submission/, and not scored",
    )
    longer_study: Location | None = Field(
        None,
        description="folder of a finished study of the same variants with longer training, such as "
        "results/reference/embedded: its verdicts stand beside those of this study",
    )

    @field_validator("benchmarks", "seeds")
    @classmethod
    def _each_once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return unique(values)

    @model_validator(mode="after")
    def _named_or_left_out(self) -> "Study":
        if self.without and self.variants is not None:
            raise ValueError("variants and without are given; allowed: one of them")
        if "full" in self.without:
            raise ValueError("without: full is what the others are compared with; keep it")
        return self

    def has(self, variant: str) -> bool:
        """Whether a file in `ablations/` is a variant of this study."""
        listed = variant not in self.without if self.variants is None else variant in self.variants
        return listed or variant == "full"

    @model_validator(mode="after")
    def _benchmarks_of_its_data(self) -> "Study":
        data = self.data
        named = {"benchmarks": self.benchmarks}
        if "finetune" in self.stages:
            named["finetune.benchmark"] = (self.finetune.benchmark,)
        has_davis = data.davis is not None or data.mini is not None
        require_data_of(named, data.sets, has_davis=has_davis)
        return self

    @model_validator(mode="after")
    def _external_beside_ours(self) -> "Study":
        require_benchmarks_of(self.external, self.benchmarks)
        return self


def require_data_of(
    named: Mapping[str, tuple[Benchmark, ...]], sets: Collection[Benchmark], *, has_davis: bool
) -> None:
    """Check that a study has the data of what it names.

    Args:
        named: benchmarks, by the key that names them.
        sets: names of other data sets.
        has_davis: whether it has a DAVIS tree.

    Raises:
        ValueError: one has no data, or a data set has the name of a year of DAVIS.
    """
    if taken := sorted({*BENCHMARKS}.intersection(sets)):
        raise ValueError(f"data.sets: {taken[0]} is a year of DAVIS; choose another name")
    known = [*(BENCHMARKS if has_davis else ()), *sets]
    for key, benchmarks in named.items():
        for benchmark in benchmarks:
            if benchmark not in known:
                raise ValueError(
                    f"{key} (={benchmark}): no data set of the study; allowed: "
                    f"{', '.join(known) or 'none without data.davis or data.sets'}"
                )


def require_benchmarks_of(methods: tuple[External, ...], benchmarks: tuple[Benchmark, ...]) -> None:
    """Check external methods against the benchmarks of their study.

    Raises:
        ValueError: two have one name, or one has masks or scores for another benchmark.
    """
    unique([f"external {external.name}" for external in methods])
    for external in methods:
        if unscored := sorted(set(external.benchmarks) - set(benchmarks)):
            raise ValueError(
                f"external {external.name}: {unscored[0]} is not scored in this study; "
                f"its benchmarks: {', '.join(benchmarks)}"
            )


Effect = Literal["worse", "better", "none"]


Changed = Literal["all", "several objects", "none"]
"""The sequences on which a variant computes anything else than `full` does."""
SEVERAL: Changed = "several objects"
"""Where such variants are asked that treat several objects in another way."""


OVERALL = "overall"
"""What an expectation is about that is about no single difficulty."""


class Expectation(Closed):
    """What a variant is expected to change, before it has been run."""

    difference: Effect = Field(
        description="of J&F to full; none: no difference beyond the study's margin"
    )
    because: Line = Field(description="the sentence of the paper's argument that implies it")


class Variant(Closed):
    """A variant file: one claim, as a few overrides on the study."""

    label: Line = Field(max_length=100, description="printed in tables and figures")
    claim: Line = Field(description="what the variant tests")
    expects: dict[Name, Expectation] = Field(
        {},
        description="what the claim implies, written before it is run: overall, or for sequences "
        "of a difficulty (data.attributes); changes no job but the tables",
    )
    listed_only: bool = Field(
        False,
        description="whether it joins only the studies whose variants name it: for what is no part "
        "of the method",
    )
    overrides: dict[str, Any] = Field(default_factory=dict, description="keys of a study's method")
