"""`rgmp infer | speed`: run or time a trained network on the videos of a split."""

import argparse
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from rgmp.cli.command import Command
from rgmp.cli.options import (
    COMMAND_LINE,
    add_flags,
    add_job,
    add_names,
    add_videos,
    at_least,
    default_of,
    given_of,
    names_a_job,
    require_flags,
    videos_of,
)
from rgmp.config.base import AT_ONCE, REPEATS
from rgmp.config.load import validated
from rgmp.config.method import Aggregation, Inference
from rgmp.config.study import Device, Speed
from rgmp.data import digests
from rgmp.data.check import problems_of
from rgmp.data.sequence import Sequence
from rgmp.errors import refuse
from rgmp.inference.job import Computation, InferenceJob, NetworkJob, SpeedJob
from rgmp.provenance import code
from rgmp.provenance.command import record_command
from rgmp.runtime import cores, files
from rgmp.runtime.precisions import AskedPrecision
from rgmp.study.job_files import noted, read_speed, unreliable
from rgmp.study.plan import load_plan
from rgmp.study.timing import timing

if TYPE_CHECKING:
    from rgmp.inference.propagator import Propagator

_NEEDED = ("--weights", "--davis", "--benchmark or --dataset")


def _add_network(flags: argparse._ArgumentGroup) -> None:
    """Options that choose the network, the device and the settings."""
    flags.add_argument("--weights", type=Path, help="an rgmp weights file, or the authors' release")
    add_videos(flags)
    flags.add_argument("--scales", type=float, nargs="+", help=default_of(Inference, "scales"))
    flags.add_argument(
        "--aggregation", choices=get_args(Aggregation), help=default_of(Inference, "aggregation")
    )
    flags.add_argument(
        "--precision", choices=get_args(AskedPrecision), help=default_of(Inference, "precision")
    )
    flags.add_argument("--device", choices=get_args(Device), help=default_of(NetworkJob, "device"))
    flags.add_argument(
        "--threads",
        type=at_least(1, AT_ONCE),
        help="CPU threads (default: PyTorch's choice); with a study's job, an upper limit "
        "(default: the usable cores)",
    )
    flags.add_argument(
        "--jobs-per-gpu",
        type=at_least(1, AT_ONCE),
        help=f"jobs that may share a GPU ({default_of(NetworkJob, 'jobs_per_gpu')})",
    )


def _network_of(options: argparse.Namespace) -> dict[str, Any]:
    """The job fields given by the flags, as its model takes them."""
    settings = given_of(options, Inference.model_fields)
    return {
        **given_of(options, InferenceJob.model_fields),
        "settings": validated(Inference, settings, COMMAND_LINE),
        "videos": videos_of(options),
    }


def _propagator(job: InferenceJob) -> "tuple[Propagator, dict[str, Any]]":
    """The network ready to run, and what the record says about it."""
    from rgmp.inference.propagator import Propagator
    from rgmp.model import weights
    from rgmp.runtime import device, precision

    network, metadata = weights.load(job.weights)
    chosen = device.choose(job.device, job.threads, job.jobs_per_gpu)
    settled = precision.choose(job.settings.precision, chosen, training=False)
    settings = job.settings.model_copy(update={"precision": settled})
    fields = {
        "variant": job.variant,
        "seed": job.seed,
        "benchmark": job.videos.benchmark,
        "identity": metadata.get("identity"),
        "config": settings.model_dump(mode="json"),
        "inputs": {"weights": files.digest_of_file(job.weights)},
    }
    return Propagator(network, settings, chosen), fields


def _infer_options(command: argparse.ArgumentParser) -> None:
    flags = add_flags(command, (*_NEEDED, "--masks"))
    _add_network(flags)
    flags.add_argument("--masks", type=Path, metavar="OUT", help="output folder")
    add_names(flags, seed="0")


def _infer(options: argparse.Namespace) -> None:
    require_flags(options)
    flags = {**_network_of(options), "masks": options.masks}
    job = validated(InferenceJob, flags, COMMAND_LINE)
    sequences = [sequence.as_given for sequence in job.videos.open()]
    benchmark = job.videos.benchmark
    refuse([line for s in sequences for line in problems_of(s, benchmark)])
    files.require_writable(job.masks)
    from rgmp.runtime import locks

    with locks.alone_in(job.masks):
        _segment(job, sequences)


def _segment(job: InferenceJob, sequences: list[Sequence]) -> None:
    """Write the masks that do not exist yet, and the record of all of them."""
    propagator, record_fields = _propagator(job)
    from rgmp.inference.segment import segment_split
    from rgmp.runtime.progress import Progress

    benchmark = job.videos.benchmark
    read = [path for s in sequences for path in s.files]
    data = files.digest_of_all(read)
    total = sum(len(s.frames) for s in sequences)
    progress = Progress(f"infer {benchmark}", "frames", total)
    with record_command(job.record, "infer", [job.masks], **record_fields) as record:
        record.inputs["data"] = data
        maker = {
            "settings": files.digest_of(record_fields["config"]),
            "sources": code.package_sources(),
            "device": str(propagator.device.type),
            "threads": str(job.threads),
            **record.inputs,
        }
        segment_split(propagator, sequences, job.masks, maker, progress.at)
        record.results["frames"] = total
        places = {s.name: job.masks / s.name for s in sequences}
        record.outputs["masks"] = digests.digest_of_masks(places)


def _speed_options(command: argparse.ArgumentParser) -> None:
    flags = add_job(command, "davis2017", (*_NEEDED, "--out"))
    _add_network(flags)
    flags.add_argument("--out", type=Path, metavar="FILE.json", help="output file")
    flags.add_argument(
        "--limit", type=at_least(1), help=f"sequences to time ({default_of(Speed, 'sequences')})"
    )
    flags.add_argument(
        "--frames",
        type=at_least(2),
        help=f"frames of each sequence ({default_of(Speed, 'frames')})",
    )
    flags.add_argument(
        "--repeats",
        type=at_least(5, REPEATS),
        help=f"rounds over all sequences ({default_of(Speed, 'repeats')})",
    )
    add_names(flags, seed="0")


def _speed_job(options: argparse.Namespace) -> SpeedJob:
    """The requested measurement."""
    if names_a_job(options, beside=["threads"]):
        planned = timing(load_plan(options.results), options.job, options.results)
        granted = cores.threads(planned.threads, getattr(options, "threads", None))
        return planned.model_copy(update={"threads": granted})
    limits = given_of(options, ("frames", "repeats"))
    if hasattr(options, "limit"):
        limits["sequences"] = options.limit
    flags = _network_of(options)
    network = {key: flags.pop(key) for key in ("weights", "settings")}
    alone = Computation(name=flags.get("variant", "network"), **network)
    flags |= {"computations": [alone], "limits": limits, "out": options.out}
    return validated(SpeedJob, flags, COMMAND_LINE)


def _speed(options: argparse.Namespace) -> None:
    job = _speed_job(options)
    every = job.videos.open()
    from rgmp.inference.speed_file import measure, timed_sequences

    sequences = timed_sequences(job, every)
    benchmark = job.videos.benchmark
    refuse(
        [
            f"{s.name}: has only one frame; at least two are needed"
            for s in sequences
            if len(s.frames) < 2
        ]
    )
    refuse([line for s in sequences for line in problems_of(s, benchmark)])
    weights = [computation.weights for computation in job.computations]
    for path in weights:
        files.require_regular(path, "train first, or name other weights")
    read = chain(weights, job.videos.files())
    files.require_target(job.out, files.Kind("speed file", read_speed), read)
    with record_command(
        job.record,
        "speed",
        [job.out],
        variant=job.variant,
        seed=job.seed,
        benchmark=benchmark,
        config={"speed": job.limits.model_dump(mode="json")},
    ) as record:
        record.inputs["weights"] = files.digest_of_all(set(weights))
        measured = measure(job, sequences)
        files.write_json(job.out, measured)
        record.results.update(noted(measured))
        record.outputs["speed"] = files.digest_of_file(job.out)
    for problem in unreliable(measured):
        print(problem)


COMMANDS = (
    Command(
        "infer",
        _infer,
        _infer_options,
        "Segment the videos of a split.",
        "--weights weights.pth --davis data/DAVIS --benchmark davis2016 --masks masks/rgmp",
        "run",
    ),
    Command(
        "speed",
        _speed,
        _speed_options,
        "Measure seconds per frame.",
        "--weights weights.pth --davis data/DAVIS --benchmark davis2016 --out speed.json",
        "run",
    ),
)
