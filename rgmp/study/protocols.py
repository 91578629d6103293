"""The protocol of a study's own method, and in what methods that were not trained here differ."""

from collections.abc import Iterator
from typing import get_args

from rgmp.config.base import Benchmark
from rgmp.config.method import Finetune
from rgmp.config.protocol import UNKNOWN, Protocol, TrainingSet
from rgmp.minidavis.version import HEIGHT, WIDTH
from rgmp.provenance.machine import device_of
from rgmp.study import layout
from rgmp.study.results import Results


def own_protocol(results: Results, benchmark: Benchmark) -> Protocol:
    """The card of `full`: as planned, with the precision and the machine that records name."""
    plan = results.plan
    full = plan.variant("full")
    timed = layout.record_name(layout.speed(benchmark))
    machines = {device_of(r["machine"]) for r in results.of_kind("speed") if r["name"] == timed}
    computed = {
        record["config"].get("precision", full.inference.precision)
        for record in results.of_kind("infer")
        if record["variant"] == "full"
    }
    precision = only(computed or {full.inference.precision})
    return Protocol(
        training_data=tuple(_training_data(results)),
        online_finetuning=False,
        input_size=_input_size(results, benchmark),
        scales=full.inference.scales,
        flips=False,
        precision=UNKNOWN if precision == "auto" else precision,
        fps_counts="whole_clip",
        hardware=only(machines),
        source="this study",
    )


def _input_size(results: Results, benchmark: Benchmark) -> str:
    """Of the frames: as their folder says, but for those rendered here, which are no 480p."""
    plan = results.plan
    if plan.embedded:
        return f"{WIDTH}x{HEIGHT}"
    return plan.data.resolution if results.videos(benchmark).dataset.has_resolutions else UNKNOWN


def only(values: set[str]) -> str:
    """The one value; unknown where there are none or several."""
    return next(iter(values)) if len(values) == 1 else UNKNOWN


def _training_data(results: Results) -> Iterator[TrainingSet]:
    """What `full` is trained on; of weights that are given nobody here knows."""
    (*_, run) = results.plan.variant("full").runs
    trainings = [results.plan.training(identity) for identity in run.trainings]
    if not trainings:
        yield UNKNOWN
    if any(training.network.initial_weights for training in trainings):
        yield "imagenet"
    if trainings and results.plan.embedded:
        yield "embedded"
        return
    for training in trainings:
        yield _named(
            training.settings.benchmark if isinstance(training.settings, Finetune) else "stills"
        )


def _named(data: str) -> TrainingSet:
    """The name of a training set on a card; of those that cards do not know, `other`."""
    return next((known for known in get_args(TrainingSet) if known == data), "other")


def other_protocols(results: Results) -> dict[str, str]:
    """In what each method that was not trained here is known to differ from `full`, in words."""
    own = own_protocol(results, results.plan.benchmarks[0])
    return {
        name: ", ".join(external.protocol.unlike(own))
        for name, external in results.external.items()
    }
