"""`rgmp infer | speed`: a trained network on the videos of a split, run or timed."""

import argparse
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from rgmp.cli.command import Command
from rgmp.cli.complaints import refuse
from rgmp.cli.options import add_davis, add_job, at_least, chosen_sequences
from rgmp.cli.recording import recording
from rgmp.config.base import AT_ONCE, REPEATS
from rgmp.config.load import validated
from rgmp.config.method import Inference
from rgmp.data import davis
from rgmp.provenance import code, machine
from rgmp.runtime import cores, files

if TYPE_CHECKING:
    from rgmp.inference.propagator import Propagator

_AGGREGATIONS = get_args(Inference.model_fields["aggregation"].annotation)
_PRECISIONS = get_args(Inference.model_fields["precision"].annotation)


def _add_network(command: argparse.ArgumentParser) -> None:
    """Which network, on what, how."""
    command.add_argument(
        "--weights", type=Path, required=True, help="ours, or the authors' released file"
    )
    add_davis(command)
    command.add_argument("--sequences", nargs="+", help="some of the split's (default: all)")
    default = Inference()
    command.add_argument("--scales", type=float, nargs="+", default=list(default.scales))
    command.add_argument("--aggregation", choices=_AGGREGATIONS, default=default.aggregation)
    command.add_argument("--precision", choices=_PRECISIONS, default=default.precision)
    command.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    command.add_argument(
        "--threads", type=at_least(1, AT_ONCE), help="of the CPU (default: PyTorch's choice)"
    )
    command.add_argument(
        "--jobs-per-gpu", type=at_least(1, AT_ONCE), default=1, help="that may share one"
    )


def _propagator(options: argparse.Namespace) -> "tuple[Propagator, dict[str, Any]]":
    """The network ready to run, and what a record says of it."""
    settings = validated(
        Inference,
        {key: getattr(options, key) for key in Inference.model_fields},
        Path("command line"),
    )
    from rgmp.inference.propagator import Propagator
    from rgmp.model import weights as checkpoint
    from rgmp.runtime import device, precision

    network, metadata = checkpoint.load(options.weights)
    chosen = device.choose(options.device, options.threads, options.jobs_per_gpu)
    settled = precision.choose(settings.precision, chosen, training=False)
    settings = settings.model_copy(update={"precision": settled})
    fields = {
        "benchmark": options.benchmark,
        "identity": metadata.get("identity"),
        "config": settings.model_dump(mode="json"),
        "inputs": {"weights": files.digest_of_file(options.weights)},
    }
    return Propagator(network, settings, chosen), fields


def _infer_options(command: argparse.ArgumentParser) -> None:
    _add_network(command)
    command.add_argument("--masks", type=Path, required=True, metavar="OUT", help="folder to write")
    add_job(command)


def _infer(options: argparse.Namespace) -> None:
    sequences = [replace(s, annotations=s.annotations[:1]) for s in chosen_sequences(options)]
    refuse([line for s in sequences for line in davis.problems_of(s, options.benchmark)])
    files.require_writable(options.masks)
    from rgmp.runtime import locks

    with locks.alone_in(options.masks):
        _segment(options, sequences)


def _segment(options: argparse.Namespace, sequences: list[davis.Sequence]) -> None:
    """Write the masks that are not there yet, and the record of all."""
    propagator, record_fields = _propagator(options)
    from rgmp.inference.segment import segment_split
    from rgmp.runtime.progress import Progress

    read = [path for s in sequences for path in (*s.frames, *s.annotations)]
    data = files.digest_of_all(read)
    total = sum(len(s.frames) for s in sequences)
    progress = Progress(f"infer {options.benchmark}", "frames", total)
    with recording(options, "infer", **record_fields) as record:
        record.inputs["data"] = data
        maker = {
            "settings": files.digest_of(record_fields["config"]),
            "sources": code.package_sources(),
            "device": str(propagator.device.type),
            "threads": str(options.threads),
            **record.inputs,
        }
        segment_split(propagator, sequences, options.benchmark, options.masks, maker, progress.at)
        record.results["frames"] = total
        record.outputs["masks"] = davis.digest_of_masks(options.masks, sequences)


def _speed_options(command: argparse.ArgumentParser) -> None:
    _add_network(command)
    command.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    command.add_argument(
        "--limit", type=at_least(1), default=3, help="sequences timed (default: 3)"
    )
    command.add_argument(
        "--frames", type=at_least(2), default=20, help="frames of each (default: 20)"
    )
    command.add_argument(
        "--repeats", type=at_least(5, REPEATS), default=5, help="times each (default: 5)"
    )
    add_job(command)


def _speed(options: argparse.Namespace) -> None:
    sequences = _timed_sequences(options)
    refuse([f"{s.name}: has one frame; two are needed" for s in sequences if len(s.frames) < 2])
    refuse([line for s in sequences for line in davis.problems_of(s, options.benchmark)])
    files.require_target(options.out, chain([options.weights], davis.files_of(options.davis)))
    propagator, record_fields = _propagator(options)
    import torch

    from rgmp.inference import speed

    clips = [
        speed.Clip(
            s,
            [davis.read_frame(path) for path in s.frames],
            davis.read_annotation(s.annotations[0], options.benchmark),
        )
        for s in sequences
    ]
    with recording(options, "speed", **record_fields) as record:
        measured = speed.measure(
            propagator,
            clips,
            options.benchmark,
            options.repeats,
            record_fields["config"]["precision"],
        )
        header = {
            "benchmark": options.benchmark,
            "variant": options.variant,
            "seed": options.seed,
            "device": machine.device_name(),
            "threads": torch.get_num_threads(),
            **record_fields["config"],
        }
        files.write_json(options.out, header | measured)
        record.results.update(measured["summary"])
        record.outputs["speed"] = files.digest_of_file(options.out)
    others = measured["summary"]["others_share"]
    if others > cores.BUSY:
        print(
            f"others took {others:.0%} of the machine's cores meanwhile: the speed is not the "
            "network's own; remove the file and measure again on an idle machine"
        )


def _timed_sequences(options: argparse.Namespace) -> list[davis.Sequence]:
    """The sequences to time, with the frames to time."""
    sequences = chosen_sequences(options)
    from rgmp.inference import speed

    return [
        replace(s, frames=s.frames[: options.frames], annotations=s.annotations[:1])
        for s in speed.choose_sequences(sequences, options.benchmark, options.limit)
    ]


COMMANDS = (
    Command(
        "infer",
        _infer,
        _infer_options,
        "Segment the videos of a split.",
        "--weights weights.pth --davis data/DAVIS --benchmark davis2016 --masks masks/rgmp",
    ),
    Command(
        "speed",
        _speed,
        _speed_options,
        "Measure seconds a frame.",
        "--weights weights.pth --davis data/DAVIS --benchmark davis2016 --out speed.json",
    ),
)
