"""A study and its variants: what a researcher writes, read and checked.

A study is one YAML file; a variant is one YAML file whose overrides are laid over the study. Both
are closed: an unknown key is refused, in one line that says what is allowed. `rgmp.study.plan`
resolves them.
"""

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from rgmp.config import strict_yaml
from rgmp.data.davis import RESOLUTION, Benchmark
from rgmp.errors import UserError, shown, visible
from rgmp.runtime.files import read_text, require_regular

Stage = Literal["pretrain", "finetune"]


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError("the smaller limit comes first")
    return limits


def _plain(text: str) -> str:
    """Refuse what a terminal, a row of a table or a reader's eye would obey and not show."""
    for character in text:
        unseen = unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        if unseen or unicodedata.bidirectional(character) in _TURNS:
            raise ValueError(
                f"has a control character, {visible(character)}; write one line of text"
            )
    return text


_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""What turns the direction of the text after it, so that it reads as it is not written."""


def _usable(path: Path) -> Path:
    _plain(str(path))
    longest = max((len(os.fsencode(name)) for name in path.parts), default=0)
    if longest > 255 or len(os.fsencode(path)) > 1000:
        raise ValueError("is longer than a path can be: 255 bytes a name, 1000 in all")
    return path


# Free text comes as one of these three: what is printed, what names a file, where a file lies.
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_plain)
]
Name = Annotated[
    str, StringConstraints(pattern=r"^[^-./][^/]*$", max_length=100), AfterValidator(_plain)
]
Location = Annotated[Path, AfterValidator(_usable)]

# The limits keep out what no machine does: they are far above what anyone trains.
AT_ONCE = 1024
"""Threads, or processes, of one job."""
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
Size = tuple[Side, Side]
M = TypeVar("M", bound=BaseModel)
IMAGES = frozenset({".jpg", ".jpeg", ".png"})
MASKS = frozenset({".png"})
"""Suffixes of stills and of their masks."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
"""Of a study, a variant or an external method: what a folder is called after."""


class Closed(BaseModel):
    """A set of keys; any other is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Stills(Closed):
    """A set of photographs with masks, for stage 1 (`rgmp.data.stills`)."""

    images: Location = Field(description="folder of images (.jpg or .png)")
    masks: Location = Field(
        description="folder of masks (.png) named as the images; it may be the folder of the "
        "images, which are .jpg then"
    )
    labels: Literal["foreground", "objects"] = Field(
        "foreground",
        description="what a mask's values mean; foreground: 0 background, 255 foreground, anything "
        "between is uncertain and left out of the loss; objects: 0 background, each other value a "
        "foreground of its own, 255 uncertain (Pascal VOC's SegmentationObject, DAVIS-2017)",
    )
    names: Location | None = Field(
        None,
        description="text file of what to take, one a line: an image without its suffix, or a "
        "folder of them (ImageSets of Pascal VOC and of DAVIS); none: every image has a mask",
    )


class Mini(Closed):
    """The embedded benchmark, rendered into the study's own folder."""

    seed: Seed = Field(description="seed of the rendering")


class Data(Closed):
    """What the study reads: either `mini`, or `davis` and `stills`."""

    mini: Mini | None = Field(None, description="render the embedded benchmark")
    davis: Location | None = Field(None, description="root of a DAVIS tree, whole or in part")
    stills: tuple[Stills, ...] = Field((), description="sets of stills for stage 1")
    resolution: Name = Field(RESOLUTION, description="folder under JPEGImages and Annotations")

    @model_validator(mode="after")
    def _one_source(self) -> "Data":
        if (self.mini is None) == (self.davis is None) or (self.mini and self.stills):
            raise ValueError("give either mini, or davis (with stills), not both and not neither")
        return self


class Network(Closed):
    """The network (paper section 3.1) and where its encoder starts from."""

    backbone: Literal["resnet10", "resnet18", "resnet34", "resnet50"] = Field(
        "resnet50", description="encoder; resnet50 in the paper"
    )
    width: Channels = Field(64, description="channels of conv1; 64 in every published ResNet")
    decoder_width: Channels = Field(256, description="channels of the decoder; 256 in the paper")
    reference: Literal["first", "rolling", "none"] = Field(
        "first",
        description="what a frame is matched with: frame 0 and its mask; the frame before it, as "
        "the encoder saw it; nothing",
    )
    previous_mask: bool = Field(
        True, description="whether the target stream sees the previous mask, or an empty one"
    )
    initial_weights: Location | None = Field(
        None, description="ImageNet weights of the encoder (torchvision state_dict); none: random"
    )


class Optimisation(Closed):
    """What both stages set."""

    steps: Count = Field(description="optimiser steps")
    batch: Annotated[int, Field(gt=0, le=65536)] = Field(description="samples a step")
    optimiser: Literal["adam", "adamw", "sgd"] = Field("adam", description="Adam in the paper")
    momentum: float = Field(
        0.9, ge=0, lt=1, description="of SGD; of Adam and AdamW the decay of the first moment"
    )
    weight_decay: float = Field(
        0.0, ge=0, description="a step; AdamW's is apart from the gradient, the others' part of it"
    )
    learning_rate: float = Field(gt=0, description="at the first step")
    final_learning_rate: float = Field(
        0.0, ge=0, description="at the last step, unless the schedule is constant"
    )
    schedule: Literal["constant", "cosine", "poly"] = Field(
        "cosine",
        description="course of the learning rate; poly: falls with (1 - step / last step)^0.9",
    )
    clip_gradient: float = Field(1.0, gt=0, description="largest norm of the gradient")
    coarse_loss: float = Field(
        0.0,
        ge=0,
        description="weight of the mean loss of the heads at strides 8, 16 and 32, beside that of "
        "the head at stride 4; 0: those three do not learn",
    )
    crop: Size = Field(description="height and width of a training sample, pixels")
    rotation: Range = Field((-20, 20), description="degrees, a view")
    translation: Share = Field(
        0.1, description="largest shift of a view along either axis, share of the crop"
    )
    scale: Factor = Field((0.9, 1.1), description="factor, a view")
    shear: Shear = Field((-10, 10), description="degrees, a view")
    brightness: float = Field(0.1, ge=0, le=1, description="largest relative change, a view")
    contrast: float = Field(0.1, ge=0, le=1, description="largest relative change, a view")
    saturation: float = Field(0.1, ge=0, le=1, description="largest relative change, a view")
    flip: Chance = Field(0.5, description="chance that a sample is mirrored, as a whole")
    zoom: Factor = Field((0.8, 1.5), description="factor, a sample as a whole")


class Pretrain(Optimisation):
    """Stage 1: pairs synthesised from stills (paper section 3.2)."""

    paste: Chance = Field(
        0.5, description="chance of strategy 2: the foreground pasted on another still's background"
    )
    occlude: Chance = Field(0.2, description="chance, where pasted, of another foreground in front")
    warp: Share = Field(0.05, description="elastic warp of a view, share of the crop's height")
    guidance_shift: Share = Field(
        0.1, description="largest shift of the guidance mask, share of the object's size"
    )
    guidance_scale: Factor = Field((0.9, 1.1), description="factor, the guidance mask")
    guidance_rotation: Range = Field((-5, 5), description="degrees, the guidance mask")
    guidance_shear: Shear = Field((-5, 5), description="degrees, the guidance mask")
    guidance_warp: Share = Field(
        0.05, description="elastic warp of the guidance mask, share of the crop's height"
    )
    guidance_empty: Chance = Field(0.02, description="chance of an empty guidance mask")
    guidance_cut: Chance = Field(
        0.05, description="chance that the guidance mask lacks what lies beyond a line through it"
    )


class Finetune(Optimisation):
    """Stage 2: clips of videos with back-propagation through time (paper section 3.3)."""

    benchmark: Benchmark = Field("davis2017", description="whose train split is trained on")
    frames: tuple[Frames, Frames] = Field(
        description="frames a clip, the reference among them, at the first and the last step"
    )
    skip: tuple[Skipped, Skipped] = Field(
        (0, 3), description="frames left out between two of a clip, at most, first and last step"
    )
    reference_frame: Literal["first", "earlier"] = Field(
        "earlier", description="of a clip: frame 0 of its video, or any frame before the targets"
    )
    bptt: Literal["full", "detached", "none"] = Field(
        "full",
        description="full: the soft prediction is the next previous mask, with its gradient; "
        "detached: without it; none: the true mask is fed in, so no frame depends on another",
    )
    frames_per_update: Count | None = Field(
        None,
        description="targets of a clip after which the optimiser steps; the gradient ends there "
        "too; none: after the whole clip",
    )


class Inference(Closed):
    """How a video is segmented (paper section 3.4; facts: the authors' released code)."""

    scales: tuple[Annotated[float, Field(ge=0.01, le=2)], ...] = Field(
        (0.5, 0.75, 1.0),
        min_length=1,
        max_length=20,
        description="scales whose probabilities are averaged",
    )
    aggregation: Literal["softmax", "winner_take_all", "independent"] = Field(
        "softmax", description="how several objects' probabilities are joined"
    )
    precision: Literal["fp32", "tf32", "bf16", "auto"] = Field(
        "fp32",
        description="of the network; tf32: fp32 whose products a GPU rounds to 10 bits; auto: bf16 "
        "where the device has instructions for it, else fp32",
    )


class Compute(Closed):
    """What changes the last bits of a training, and so belongs to its identity.

    The type of CPU or GPU changes them too, and belongs to the record.
    """

    precision: Literal["fp32", "bf16", "auto"] = Field(
        "fp32",
        description="of the network in training; auto: bf16 on a GPU that has instructions for it, "
        "else fp32",
    )
    threads: AtOnce = Field(1, description="CPU threads of one training")
    accumulate: Count = Field(
        1, description="parts of a batch, one in memory at a time, whose gradients make one step"
    )


class Machine(Closed):
    """Where and how to run: no part of any identity."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where to compute; auto: a GPU where there is one"
    )
    workers: Annotated[int, Field(ge=0, le=AT_ONCE)] = Field(
        0, description="processes that prepare samples for each process of a training"
    )
    processes: AtOnce = Field(
        1, description="that share every batch of one training, each on a GPU of its own (torchrun)"
    )
    recompute_activations: bool = Field(
        False,
        description="keep no activations for the gradient but compute them again: the same "
        "gradient, less memory, more time",
    )
    jobs_per_gpu: AtOnce = Field(
        1, description="jobs that share a GPU; more than one pays only where one cannot fill it"
    )
    decoded_megabytes: int = Field(
        128,
        ge=0,
        le=10**9,
        description="decoded files kept in memory by each process that draws samples",
    )
    checkpoint_seconds: float = Field(
        60,
        ge=0,
        le=10**9,
        description="seconds between two states from which a killed training resumes",
    )


class Speed(Closed):
    """How seconds a frame are measured (`rgmp.inference.speed`)."""

    sequences: Count = Field(
        3, description="sequences timed, spread from the fewest objects to the most"
    )
    frames: Frames = Field(20, description="frames of each, at most")
    repeats: Annotated[int, Field(ge=5, le=REPEATS)] = Field(
        5, description="times that each is timed"
    )


class Evaluation(Closed):
    """How masks are scored (`rgmp.evaluation.scoring`)."""

    engine: Literal["builtin", "official"] = Field(
        "builtin", description="that measures J and F; official: davis2017-evaluation, if installed"
    )
    cross_check: Literal["auto", "require", "off"] = Field(
        "auto",
        description="score with the other engine too and refuse a difference above 1e-6; "
        "auto: where davis2017-evaluation is installed",
    )


class External(Closed):
    """A method that is not trained here, from its masks or from its scores of every frame."""

    name: str = Field(pattern=f"^{NAME.pattern}$", description="as of a variant, a-z 0-9 _")
    label: Line = Field(max_length=100, description="printed in tables and figures")
    masks: dict[Benchmark, Location] = Field(
        {}, description="for a benchmark, a folder of masks: <sequence>/00000.png, ..."
    )
    scores: dict[Benchmark, Location] = Field(
        {}, description="or a CSV of its scores: sequence, object, frame, J and F, from 0 to 1"
    )
    seconds_per_frame: dict[Benchmark, Annotated[float, Field(ge=1e-6, le=1e6)]] = Field(
        {}, description="as its authors report, if they do"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "External":
        twice = self.masks.keys() & self.scores.keys()
        if twice or not self.benchmarks:
            raise ValueError(f"{self.name}: give masks or scores for a benchmark, not both")
        if self.seconds_per_frame.keys() - set(self.benchmarks):
            raise ValueError(f"{self.name}: has seconds_per_frame without masks or scores")
        return self

    @property
    def benchmarks(self) -> tuple[Benchmark, ...]:
        """Those on which there is something of it."""
        return (*self.masks, *self.scores)


class Method(Closed):
    """What a variant may override."""

    network: Network = Field(description="its backbone and its size")
    stages: tuple[Stage, ...] = Field(
        ("pretrain", "finetune"), description="the trainings, in order; [] with weights"
    )
    weights: Location | None = Field(
        None,
        description="a whole network that is trained already: one of ours, or the authors' "
        "released file; stages are [] then",
    )
    pretrain: Pretrain = Field(description="stage 1")
    finetune: Finetune = Field(description="stage 2")
    inference: Inference = Field(Inference(), description="from weights to masks")
    compute: Compute = Field(Compute(), description="precision and threads of a training")

    @field_validator("stages")
    @classmethod
    def _in_order(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        if list(stages) != [stage for stage in get_args(Stage) if stage in stages]:
            raise ValueError("each once, pretrain before finetune")
        return stages

    @model_validator(mode="after")
    def _trained_here_or_there(self) -> "Method":
        if (self.weights is None) != bool(self.stages):
            raise ValueError("weights and an empty stages go together: give both, or neither")
        return self


class Study(Method):
    """A study file: what to train, on what, and what to score."""

    study: str = Field(pattern=f"^{NAME.pattern}$", description="name of the folder under results/")
    title: Line = Field(max_length=200, description="printed on every table and figure")
    data: Data = Field(description="what it trains and is scored on")
    benchmarks: tuple[Benchmark, ...] = Field(
        min_length=1, description="what is scored: davis2016, the foreground; davis2017, objects"
    )
    split: Name = Field("val", description="whose sequences are scored, as in ImageSets")
    seeds: tuple[Seed, ...] = Field(
        min_length=1, max_length=1000, description="one training of every variant for each"
    )
    variants: tuple[str, ...] | None = Field(
        None, description="names of files in ablations/; all of them where this is left out"
    )
    machine: Machine = Field(Machine(), description="where and how to run; changes no weights")
    speed: Speed = Field(Speed(), description="how seconds a frame are measured")
    evaluation: Evaluation = Field(Evaluation(), description="how masks are scored")
    external: tuple[External, ...] = Field(
        (), description="methods that are not trained here, to stand beside the variants"
    )

    @field_validator("benchmarks", "seeds")
    @classmethod
    def _each_once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError("each once")
        return values

    @model_validator(mode="after")
    def _external_beside_ours(self) -> "Study":
        names = [external.name for external in self.external]
        if len(set(names)) < len(names):
            raise ValueError("external: each name once")
        for external in self.external:
            if unscored := sorted(set(external.benchmarks) - set(self.benchmarks)):
                raise ValueError(
                    f"external {external.name}: {unscored[0]} is not scored in this study; "
                    f"its benchmarks: {', '.join(self.benchmarks)}"
                )
        return self


class Variant(Closed):
    """A variant file: one claim, as a few overrides on the study."""

    label: Line = Field(max_length=100, description="printed in tables and figures")
    claim: Line = Field(description="what the variant tests")
    overrides: dict[str, Any] = Field(default_factory=dict, description="keys of a study's method")


def load_study(path: Path) -> Study:
    """Read and check a study file.

    Raises:
        UserError: it is missing, no YAML, or has a key or value that is not allowed.
    """
    return validated(Study, read_yaml(path), path)


def load_variants(study: Study, path: Path, ablations: Path) -> dict[str, tuple[Variant, Method]]:
    """Every variant of the study with the method it gives; `full` first, the rest by name.

    Raises:
        UserError: one is not there, has a key or value that is not allowed, or a name that is none.
    """
    present = sorted(p.stem for p in ablations.glob("*.yaml") if not p.name.startswith("."))
    wanted = present if study.variants is None else sorted(set(study.variants))
    for name in ["full", *wanted]:
        if name not in present:
            known = ", ".join(present) or "none"
            raise UserError(f"{path}: no variant {name} in {ablations}; there are: {known}")
        if not NAME.fullmatch(name):
            raise UserError(
                f"{ablations / name}.yaml: a variant's name is lower case, a-z 0-9 _, at most 80"
            )
    raw = read_yaml(path)
    names = ["full", *(n for n in wanted if n != "full")]
    return {name: _lay_over(raw, ablations / f"{name}.yaml") for name in names}


def _lay_over(study: Mapping[str, Any], path: Path) -> tuple[Variant, Method]:
    variant = validated(Variant, read_yaml(path), path)
    for key in variant.overrides:
        if key not in Method.model_fields:
            allowed = ", ".join(Method.model_fields)
            raise UserError(f"{path}: unknown key overrides.{key}; allowed there: {allowed}")
    base = {key: value for key, value in study.items() if key in Method.model_fields}
    method = validated(Method, _merged(base, variant.overrides), path, "overrides.")
    decided = {"network", "pretrain", "finetune"} & set(variant.overrides)
    if method.weights and decided:
        raise UserError(
            f"{path}: overrides.{min(decided)}: weights from elsewhere decide that; allowed beside "
            "them: stages, inference, compute"
        )
    return variant, method


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
        UserError: it is missing, no file of a study's size, no plain YAML
            (`rgmp.config.strict_yaml`) or no mapping.
    """
    what_to_do = "name a YAML file such as workflow/config/mini.yaml"
    if require_regular(path, what_to_do).st_size > strict_yaml.LARGEST:
        raise UserError(f"{path}: is larger than {strict_yaml.LARGEST} bytes; {what_to_do}")
    try:
        value = strict_yaml.load(read_text(path, what_to_do))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UserError(f"{path}: is no plain YAML: {where}{error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date with a 13th month
        raise UserError(f"{path}: is no plain YAML: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: is no mapping of keys to values; see workflow/config/mini.yaml")
    return value


def validated(model: type[M], value: Any, path: Path, prefix: str = "") -> M:
    """Check a value against a model; `prefix` is where in the file at `path` it stands.

    Raises:
        UserError: the first of its faults, and how many more there are.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        # an unknown key first: the key that is missing beside it is often the one that was meant
        faults = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        first, *rest = faults
        more = f" (and {len(rest)} more)" if rest else ""
        raise UserError(f"{path}: {_complaint(model, first, prefix)}{more}") from error


def _complaint(model: type[BaseModel], error: Mapping[str, Any], prefix: str) -> str:
    """One line for one of pydantic's errors: the key, what it holds, what is allowed."""
    location = error["loc"]
    key = prefix + ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        allowed = ", ".join(_keys_at(model, location[:-1]))
        return f"unknown key {key}; allowed there: {allowed}"
    if error["type"] == "missing":
        return f"key {key} is missing"
    message = error["msg"].removeprefix("Value error, ")
    held = "" if isinstance(error["input"], dict) else f" (={shown(error['input'])})"
    return f"{key}{held}: {message}" if key else message


def _keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys of the model that `location` leads to, through optional and repeated fields."""
    for part in location:
        if isinstance(part, str):
            model = next(_models_in(model.model_fields[part].annotation))
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type is made of, such as the one of `tuple[Stills, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
