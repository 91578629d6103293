"""What a variant may override: the network, both stages, inference, compute."""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from rgmp.config.base import (
    STAGES,
    AtOnce,
    Benchmark,
    Chance,
    Channels,
    Closed,
    Count,
    CropSize,
    Factor,
    Frames,
    Location,
    Range,
    Share,
    Shear,
    Skipped,
    Stage,
)
from rgmp.runtime.precisions import AskedPrecision

Bptt = Literal["full", "detached", "none"]
Aggregation = Literal["softmax", "winner_take_all", "independent"]


class Network(Closed):
    """The network (paper section 3.1) and where its encoder starts from."""

    backbone: Literal["resnet10", "resnet18", "resnet34", "resnet50"] = Field(
        "resnet50", description="encoder; resnet50 in the paper"
    )
    width: Channels = Field(64, description="channels of conv1; 64 in every published ResNet")
    decoder_width: Channels = Field(256, description="channels of the decoder; 256 in the paper")
    reference: Literal["first", "rolling", "none"] = Field(
        "first",
        description="what a frame is matched with: frame 0 and its mask; the previous frame, as "
        "the encoder saw it; or nothing",
    )
    previous_mask: bool = Field(
        True, description="whether the target stream sees the previous mask, or an empty one"
    )
    initial_weights: Location | None = Field(
        None, description="ImageNet weights of the encoder (torchvision state_dict); none: random"
    )

    @property
    def architecture(self) -> dict[str, Any]:
        """What decides what the network computes, as JSON values: all but where it starts from."""
        return self.model_dump(mode="json", exclude={"initial_weights"})


class Optimisation(Closed):
    """Settings of both stages."""

    steps: Count = Field(description="optimiser steps")
    batch: Annotated[int, Field(gt=0, le=65536)] = Field(description="samples per step")
    optimiser: Literal["adam", "adamw", "sgd"] = Field("adam", description="Adam in the paper")
    momentum: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="momentum of SGD; for Adam and AdamW the decay of the first moment",
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        description="per step; decoupled from the gradient in AdamW, part of it in the others",
    )
    learning_rate: float = Field(gt=0, description="at the first step")
    final_learning_rate: float = Field(
        0.0, ge=0, description="at the last step, unless the schedule is constant"
    )
    schedule: Literal["constant", "cosine", "poly"] = Field(
        "cosine",
        description="learning rate schedule; poly: falls with (1 - step / last step)^0.9",
    )
    clip_gradient: float = Field(1.0, gt=0, description="largest norm of the gradient")
    coarse_loss: float = Field(
        0.0,
        ge=0,
        description="weight of the mean loss of the heads at strides 8, 16 and 32, relative to "
        "the head at stride 4; 0: those three are not trained",
    )
    crop: CropSize = Field(description="height and width of a training sample, pixels")
    rotation: Range = Field((-20, 20), description="degrees, per view")
    translation: Share = Field(
        0.1, description="largest shift of a view along either axis, share of the crop"
    )
    scale: Factor = Field((0.9, 1.1), description="factor, per view")
    shear: Shear = Field((-10, 10), description="degrees, per view")
    brightness: float = Field(0.1, ge=0, le=1, description="largest relative change, per view")
    contrast: float = Field(0.1, ge=0, le=1, description="largest relative change, per view")
    saturation: float = Field(0.1, ge=0, le=1, description="largest relative change, per view")
    flip: Chance = Field(0.5, description="probability that a whole sample is mirrored")
    zoom: Factor = Field((0.8, 1.5), description="factor, per sample")
    ema_ratio: float | None = Field(
        None,
        gt=0,
        le=1,
        description="the stage leaves an exponential moving average (EMA) of its weights, over "
        "about this share of its steps; 0.1 in AOT; none: the weights of the last step",
    )

    @property
    def samples(self) -> int:
        """How many samples are trained on in all."""
        return self.steps * self.batch

    @property
    def earlier_checkpoints(self) -> tuple[int, ...]:
        """The steps before the last after which the weights are kept, to be scored as well."""
        return ()

    @property
    def decisive(self) -> dict[str, Any]:
        """What of them can change the weights, as JSON values.

        Which checkpoints are kept cannot. An average counts only where there is one: identities
        from before there was this choice stay valid.
        """
        ignored = {"keep_last", "save_interval"} | ({"ema_ratio"} if not self.ema_ratio else set())
        return self.model_dump(mode="json", exclude=ignored)


class Pretrain(Optimisation):
    """Stage 1: pairs synthesised from stills (paper section 3.2)."""

    paste: Chance = Field(
        0.5, description="probability of strategy 2: the foreground on another still's background"
    )
    occlude: Chance = Field(0.2, description="probability, if pasted, of an occluder")
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
    guidance_empty: Chance = Field(0.02, description="probability of an empty guidance mask")
    guidance_cut: Chance = Field(
        0.05, description="probability that the guidance mask is cut off along a line through it"
    )

    @property
    def part(self) -> str:
        """The part of a study's data that it trains on."""
        return "stills"


class Finetune(Optimisation):
    """Stage 2: clips of videos with back-propagation through time (paper section 3.3)."""

    benchmark: Benchmark = Field("davis2017", description="data set whose train split is used")
    frames: tuple[Frames, Frames] = Field(
        description="frames per clip, including the reference, at the first and the last step"
    )
    skip: tuple[Skipped, Skipped] = Field(
        (0, 3), description="most frames skipped between two of a clip, at the first and last step"
    )
    reference_frame: Literal["first", "earlier"] = Field(
        "earlier", description="reference: frame 0 of the video, or any frame before the targets"
    )
    bptt: Bptt = Field(
        "full",
        description="full: the soft prediction is the next previous mask, with its gradient; "
        "detached: without it; none: the true mask is used, so no frame depends on another",
    )
    frames_per_update: Count | None = Field(
        None,
        description="targets of a clip between optimiser steps; the gradient is truncated there "
        "too; none: after the whole clip",
    )
    keep_last: Annotated[int, Field(gt=0, le=100)] = Field(
        1,
        description="how many of the last checkpoints are kept, segmented and scored; tables rest "
        "on the last, and one of them says what choosing the best would add",
    )
    save_interval: Count | None = Field(
        None,
        description="steps between these checkpoints, counted back from the last step; none: a "
        "hundredth of all steps, as in CFBI and AOT (1,000 of 100,000)",
    )

    @property
    def part(self) -> str:
        """The part of a study's data that it trains on, such as `davis2017/train`."""
        return f"{self.benchmark}/train"

    @property
    def earlier_checkpoints(self) -> tuple[int, ...]:
        """The steps before the last after which the weights are kept, to be scored as well."""
        back = range(self.keep_last - 1, 0, -1)
        return tuple(self.steps - count * self._interval for count in back)

    @property
    def _interval(self) -> int:
        return self.save_interval or max(self.steps // 100, 1)

    @model_validator(mode="after")
    def _checkpoints_within_the_steps(self) -> "Finetune":
        if self.steps <= (self.keep_last - 1) * self._interval:
            raise ValueError(
                f"keep_last (={self.keep_last}): that many checkpoints, {self._interval} steps "
                f"apart, do not fit in {self.steps} steps; lower keep_last or save_interval"
            )
        return self


class Inference(Closed):
    """How a video is segmented (paper section 3.4; facts: the authors' released code)."""

    scales: tuple[Annotated[float, Field(ge=0.01, le=2)], ...] = Field(
        (0.5, 0.75, 1.0),
        min_length=1,
        max_length=20,
        description="scales whose probabilities are averaged",
    )
    aggregation: Aggregation = Field(
        "softmax", description="how the probabilities of several objects are combined"
    )
    precision: AskedPrecision = Field(
        "fp32",
        description="tf32: fp32 with products rounded to 10 bits on a GPU; auto: bf16 "
        "if the device has instructions for it, else fp32",
    )


class Compute(Closed):
    """What changes the last bits of trained weights, and so belongs to their identity.

    The type of CPU or GPU changes them too, but belongs to the record.
    """

    precision: Literal["fp32", "bf16", "auto"] = Field(
        "fp32",
        description="of the network in training; auto: bf16 on a GPU with instructions for it, "
        "else fp32",
    )
    threads: AtOnce = Field(1, description="CPU threads per training run")
    accumulate: Count = Field(
        1, description="gradient accumulation: parts of a batch, one in memory at a time"
    )


class Method(Closed):
    """What a variant may override."""

    network: Network = Field(description="its backbone and its size")
    stages: tuple[Stage, ...] = Field(
        STAGES, description="stages to train, in order; [] with weights"
    )
    weights: Location | None = Field(
        None,
        description="an already trained network: an rgmp weights file, or the authors' "
        "released file; needs stages: []",
    )
    pretrain: Pretrain = Field(description="stage 1")
    finetune: Finetune = Field(description="stage 2")
    inference: Inference = Field(Inference(), description="from weights to masks")
    compute: Compute = Field(Compute(), description="precision and threads of training")

    def settings_of(self, stage: Stage) -> Pretrain | Finetune:
        """The settings of a stage."""
        return self.pretrain if stage == "pretrain" else self.finetune

    def network_of(self, stage: Stage) -> Network:
        """The network of a stage's weights.

        A pair has one target, so a rolling reference never moves in stage 1: that is the stage 1
        of a first reference. The last stage's weights say how inference uses the reference.
        """
        if stage != self.stages[-1] and self.network.reference == "rolling":
            return self.network.model_copy(update={"reference": "first"})
        return self.network

    @field_validator("stages")
    @classmethod
    def _in_order(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        if stages != tuple(stage for stage in STAGES if stage in stages):
            raise ValueError(f"list each stage once, {' before '.join(STAGES)}")
        return stages

    @model_validator(mode="after")
    def _trained_here_or_there(self) -> "Method":
        if (self.weights is None) != bool(self.stages):
            raise ValueError("set both weights and stages: [], or neither")
        return self
