"""A small network, trained here on a part of the embedded benchmark, and what it makes of that.

Its settings are those of the default study (`workflow/config/mini.yaml`), with fewer steps. The
sections that need it share one: the first of them trains it, in the run's scratch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from rgmp.config.method import Compute, Finetune, Inference, Network, Pretrain
from rgmp.config.study import Machine, Stills
from rgmp.data.images import read_labels
from rgmp.data.roots import DataRoots
from rgmp.data.videos import Videos
from rgmp.evaluation.score_table import table_of
from rgmp.evaluation.scoring import score
from rgmp.evaluation.summary import per_object
from rgmp.inference.propagator import Propagator
from rgmp.inference.segment import segment_sequence
from rgmp.minidavis.cast import TRAIN, VAL
from rgmp.minidavis.generate import Contents, render
from rgmp.model.network import RGMP
from rgmp.runtime import cores
from rgmp.selftest.bench import Bench
from rgmp.selftest.loading_processes import affordable_workers
from rgmp.training.job import TrainingJob
from rgmp.training.train import train

METHOD: Mapping[str, Any] = {
    "network": {"backbone": "resnet10", "width": 16, "decoder_width": 32},
    "pretrain": {
        "steps": 400,
        "batch": 16,
        "learning_rate": 2.0e-3,
        "final_learning_rate": 1.0e-4,
        "crop": [64, 96],
        "zoom": [1.0, 1.8],
    },
    "finetune": {
        "steps": 200,
        "batch": 8,
        "learning_rate": 1.0e-3,
        "final_learning_rate": 5.0e-5,
        "crop": [64, 96],
        "zoom": [1.0, 1.8],
        "frames": [3, 5],
        "skip": [0, 3],
        "translation": 0.02,
        "rotation": [-5, 5],
        "shear": [-3, 3],
        "scale": [0.95, 1.05],
    },
    "inference": {"scales": [1.0]},
}
"""That of the default study."""


class Extent(NamedTuple):
    """How much is rendered and trained.

    Attributes:
        contents: what is rendered of the embedded benchmark.
        pretrain, finetune: steps and batch of each stage.
        workers: processes that draw samples.
    """

    contents: Contents
    pretrain: Mapping[str, int]
    finetune: Mapping[str, int]
    workers: int


ON_GPU = Extent(
    Contents(TRAIN[::3], VAL[::5], 320),
    {"steps": 300, "batch": 16},
    {"steps": 120, "batch": 8},
    workers=8,
)
ON_CPU = Extent(
    Contents(TRAIN[::8], VAL[::10], 48),
    {"steps": 300, "batch": 4},
    {"steps": 80, "batch": 2},
    workers=0,
)


class Trained(NamedTuple):
    """A trained network, and the videos that it has not seen."""

    weights: Path
    videos: Videos


def extent_of(bench: Bench) -> Extent:
    """How much is rendered and trained on a device."""
    return ON_GPU if bench.on_gpu else ON_CPU


def rendered(bench: Bench) -> Path:
    """The part of the embedded benchmark, rendered unless it is there: `davis` and `stills`."""
    place = bench.work / "mini"
    if not place.is_dir():
        render(place, bench.seed, extent_of(bench).contents, processes=cores.usable_cores())
    return place


def trained(bench: Bench) -> Trained:
    """The small network, trained on the device unless an earlier section did."""
    data, extent = rendered(bench), extent_of(bench)
    stills = Stills(images=data / "stills/images", masks=data / "stills/masks")
    parent = None
    for stage, kind, shorter in (
        ("pretrain", Pretrain, extent.pretrain),
        ("finetune", Finetune, extent.finetune),
    ):
        settings = kind.model_validate({**METHOD[stage], **shorter})
        workers = affordable_workers(settings, extent.workers) if extent.workers else 0
        job = TrainingJob(
            identity="selftest",
            seed=bench.seed,
            network=Network.model_validate(METHOD["network"]),
            settings=settings,
            compute=Compute(threads=torch.get_num_threads()),
            machine=Machine(device=bench.device.type, workers=workers),
            data=DataRoots(davis=data / "davis", stills=(stills,)),
            parent=parent,
            folder=bench.work / "weights" / stage,
        )
        if not job.weights.is_file():
            train(job, bench.device)
        parent = job.weights
    assert parent is not None  # noqa: S101 - there are two stages
    return Trained(parent, Videos(davis=data / "davis", benchmark="davis2017"))


def segment(
    network: RGMP, settings: Inference, device: torch.device, videos: Videos, out: Path
) -> Path:
    """The masks of videos, below `out`, made unless they are there."""
    propagator = Propagator(network, settings, device)
    for sequence in videos.open():
        if not (out / sequence.name).is_dir():
            segment_sequence(propagator, sequence.as_given, out / sequence.name)
    return out


def j_and_f(videos: Videos, masks: Path) -> float:
    """J&F of masks: the mean over objects, in per cent."""
    objects = per_object(table_of(score(videos, masks, variant="selftest", seed=0)))
    return 100 * float(objects["J&F"].mean())


def share_alike(videos: Videos, one: Path, other: Path) -> float:
    """The share of pixels that two folders of masks label alike, 0 to 1, frame 0 aside."""
    alike = total = 0
    for sequence in videos.open():
        for frame in sequence.frames[1:]:
            first, second = (
                read_labels(masks / sequence.name / f"{frame.stem}.png") for masks in (one, other)
            )
            alike += int((first == second).sum())
            total += first.size
    return alike / total
