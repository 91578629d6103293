"""The `rgmp` command: parse, call, and turn a user's mistake into one line and status 2.

Each command imports what it needs itself: a job that needs no torch does not wait for it.
"""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from rgmp import __version__
from rgmp.config.base import AT_ONCE, BENCHMARKS, REPEATS, RESOLUTION, SEED, Benchmark, Stage
from rgmp.config.load import validated
from rgmp.config.method import Inference
from rgmp.config.study import Evaluation, Stills
from rgmp.data import davis
from rgmp.errors import UserError
from rgmp.provenance import code, machine, record
from rgmp.runtime import cores, files
from rgmp.study import plan, resolve

if TYPE_CHECKING:
    from rgmp.evaluation.engines import Engine
    from rgmp.evaluation.score_table import Score
    from rgmp.inference.propagator import Propagator

_AGGREGATIONS = get_args(Inference.model_fields["aggregation"].annotation)
_PRECISIONS = get_args(Inference.model_fields["precision"].annotation)
_ENGINES = get_args(Evaluation.model_fields["engine"].annotation)
_CROSS_CHECKS = get_args(Evaluation.model_fields["cross_check"].annotation)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the status is 0, or 2 where the user made a mistake.

    Also 2 where what it prints cannot be written; 141, and nothing said, where nobody reads it any
    more, as for a command that SIGPIPE ends.
    """
    try:
        try:
            options = _parser().parse_args(arguments)
            options.run(options)
        finally:
            print(end="", flush=True)  # here, where it can be said, and not when Python ends
    except UserError as error:
        return _complain(str(error))
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # only a name from the command line can be
            return _complain(f"{error.filename}: is longer than a path can be; name another")
        if not _output_is_lost():
            raise
        if error.errno == errno.EPIPE:
            return 128 + signal.SIGPIPE
        return _complain(f"standard output: cannot be written ({error.strerror}); free some room")
    return 0


def _complain(message: str) -> int:
    print(f"rgmp: {UserError(message)}", file=sys.stderr)
    return 2


def _output_is_lost() -> bool:
    """Whether standard output takes nothing; what is still to be written there is dropped then."""
    try:
        print(flush=True)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return True
    return False


class _Parser(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="rgmp", description="RGMP, reproduced: benchmark and ablation harness.")
    parser.add_argument("--version", action="version", version=f"rgmp {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, run, options, purpose, example in _COMMANDS:
        command = commands.add_parser(
            name, help=purpose, description=purpose, epilog=f"Example: rgmp {name} {example}"
        )
        command.set_defaults(run=run)
        options(command)
    return parser


def _at_least(least: int, most: int = 10**9) -> Callable[[str], int]:
    """The type of an option that is a whole number from `least` to `most`."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        if value > most:
            raise argparse.ArgumentTypeError(f"{value} is more than {most}")
        return value

    return number


def _plan_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("study", type=Path, help="study file, such as workflow/config/mini.yaml")


def _plan(options: argparse.Namespace) -> None:
    resolved = resolve.resolve(options.study)
    folder = Path("results") / resolved.study
    plan.save(resolved, folder)
    for training in resolved.trainings:
        print(f"{training.folder}  for {', '.join(training.variants)}")
    print(
        f"{len(resolved.trainings)} trainings, {len(resolved.variants)} variants: "
        f"{folder / 'plan.json'}"
    )


def _mini_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("out", type=Path, help="folder to make: OUT/davis and OUT/stills")
    command.add_argument(
        "--seed", type=_at_least(0, SEED), default=0, help="of the rendering (default: 0)"
    )
    _add_record(command)


def _mini(options: argparse.Namespace) -> None:
    from rgmp.minidavis import generate

    with _recording(options, "mini", config={"seed": options.seed}):
        generate.render(options.out, options.seed)


def _check_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("davis", type=Path, nargs="?", help="root of a DAVIS tree")
    command.add_argument("--benchmark", choices=BENCHMARKS, default="davis2017")
    command.add_argument(
        "--split", nargs="+", default=["val"], help="of --benchmark, or such as davis2016/val"
    )
    _add_resolution(command)
    command.add_argument(
        "--stills",
        nargs="+",
        action="append",
        default=[],
        metavar="IMAGES MASKS [LABELS [NAMES]]",
        help="folders of stills and their masks, as in data.stills; may be repeated",
    )
    command.add_argument(
        "--weights",
        nargs=2,
        action="append",
        default=[],
        metavar=("FILE", "BACKBONE"),
        help="ImageNet weights, such as resnet50.pth resnet50; may be repeated",
    )
    command.add_argument(
        "--network",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a trained network, ours or the authors' released one; may be repeated",
    )
    _add_record(command)


def _check(options: argparse.Namespace) -> None:
    if not (options.davis or options.stills or options.weights or options.network):
        raise UserError("nothing to check: name a DAVIS tree, --stills, --weights or --network")
    chosen = options.split if options.davis else []
    splits = [_split_of(text, options.benchmark) for text in chosen]
    with _recording(options, "check") as record:
        problems: list[str] = []
        for benchmark, split in splits:
            problems += davis.problems(options.davis, benchmark, split, options.resolution)
        stills, wrong = _stills(options.stills)
        weights = _weights_problems(options.weights, options.network)
        _refuse([*problems, *wrong, *weights])
        paths = {*stills, *(Path(path) for path, _ in options.weights), *options.network}
        for benchmark, split in splits:
            names = davis.read_split(options.davis, benchmark, split)
            paths.update(davis.sequence_paths(options.davis, names, options.resolution))
            record.results[f"{benchmark}/{split}"] = len(names)
        record.results["stills"] = len(stills) // 2
        record.inputs["data"] = files.digest_of_all(sorted(paths))
        print(f"{len(paths)} files, nothing wrong")


def _split_of(text: str, benchmark: Benchmark) -> tuple[Benchmark, str]:
    """`val` of the given benchmark, or `davis2017/val` of the one that it names."""
    named, _, split = text.rpartition("/")
    chosen = next((b for b in BENCHMARKS if b == (named or benchmark)), None)
    if chosen is None:
        allowed = ", ".join(BENCHMARKS)
        raise UserError(f"--split {text}: no benchmark {named}; allowed: {allowed}")
    return chosen, split


def _refuse(problems: list[str]) -> None:
    """Stop where something is wrong, naming each of the files once.

    Raises:
        UserError: the last of the problems; those before are printed.
    """
    *others, last = dict.fromkeys(problems) or [""]
    for problem in others:
        _complain(problem)
    if last:
        raise UserError(f"{last} ({len(others) + 1} problems in all)" if others else last)


def _stills(sets: list[list[str]]) -> tuple[list[Path], list[str]]:
    """The files of all stills and their masks, and what is wrong with them."""
    if not sets:
        return [], []
    from rgmp.data.decoding import Decoded, find_stills

    problems = []
    keys = list(Stills.model_fields)
    try:
        for values in sets:
            if not 2 <= len(values) <= len(keys):
                raise UserError(f"--stills {' '.join(values)}: two to four of {', '.join(keys)}")
        given = [dict(zip(keys, values, strict=False)) for values in sets]
        stills = find_stills([validated(Stills, values, Path("--stills")) for values in given])
    except UserError as error:
        return [], [str(error)]
    for still in stills:
        try:
            still.load(Decoded(megabytes=0))
        except UserError as error:
            problems.append(str(error))
    return [path for still in stills for path in (still.image, still.mask)], problems


def _weights_problems(initial: list[list[str]], networks: list[Path]) -> list[str]:
    """What is wrong with ImageNet weights of encoders, and with trained networks."""
    if not initial and not networks:
        return []
    from rgmp.config.method import Network
    from rgmp.model import weights as checkpoint
    from rgmp.model.network import RGMP

    def load_encoder(path: str, backbone: str) -> None:
        settings = validated(Network, {"backbone": backbone}, Path("--weights"))
        checkpoint.load_imagenet(RGMP(settings), Path(path))

    loads: list[Callable[[], object]] = []
    loads += [partial(load_encoder, path, backbone) for path, backbone in initial]
    loads += [partial(checkpoint.load, path) for path in networks]
    problems = []
    for load in loads:
        try:
            load()
        except UserError as error:
            problems.append(str(error))
    return problems


def _train_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("results", type=Path, help="folder of a study, such as results/mini")
    command.add_argument("training", help="STAGE/SLUG-IDENTITY, as `rgmp plan` prints it")
    _add_record(command)


def _train(options: argparse.Namespace) -> None:
    study = plan.load_plan(options.results)
    folder = f"weights/{options.training}"
    wanted = [t for t in study.trainings if t.folder == folder]
    if not wanted:
        raise UserError(f"{options.training}: no such training in {options.results}/plan.json")
    training, out = wanted[0], options.results / folder
    files.require_writable(out)
    from rgmp.runtime import device, distributed, locks
    from rgmp.training.train import states, train

    threads, where = training.settings["compute"]["threads"], study.machine
    with (
        distributed.joined() as processes,
        locks.alone_in(out) if processes.leads else nullcontext(),
    ):
        if processes.any(int(processes.leads and _is_trained(options, training))):
            if processes.leads:
                print(f"{training.folder}: trained already, its record says so; kept")
                states(training, options.results).clear()
            return
        chosen = device.choose(where.device, threads, where.jobs_per_gpu, processes)
        if not processes.leads:
            train(study, training, options.results, chosen, processes)
            return
        with _recording(
            options,
            "train",
            study=study.study,
            variant=training.variants[0],
            seed=training.seed,
            stage=training.stage,
            identity=training.identity,
            config=training.settings,
            inputs={"data": training.data, "parent": training.parent or ""},
        ) as record:
            record.results["processes"] = processes.size
            record.results.update(train(study, training, options.results, chosen, processes))
            weights = out / "weights.safetensors"
            record.outputs[f"{folder}/weights.safetensors"] = files.digest_of_file(weights)
        states(training, options.results).clear()


def _is_trained(options: argparse.Namespace, training: plan.Training) -> bool:
    """Whether the weights are there, and are those of which the training's record speaks."""
    weights = options.results / training.folder / "weights.safetensors"
    path = options.record or record.record_path(options.results, training.folder)
    if not (weights.is_file() and path.is_file()):
        return False
    made = record.read(path)
    digest = made["outputs"].get(f"{training.folder}/{weights.name}")
    return made["identity"] == training.identity and digest == files.digest_of_file(weights)


def _add_training(command: argparse.ArgumentParser) -> None:
    """Which training of which study."""
    command.add_argument("study", type=Path, help="study file, or folder such as results/mini")
    command.add_argument("--stage", choices=get_args(Stage), required=True)
    command.add_argument("--variant", default="full", help="default: full")


def _training(options: argparse.Namespace) -> tuple[plan.Plan, plan.Training]:
    """The training that is asked for, of the study's first seed, and the study's plan.

    Raises:
        UserError: there is none, or the embedded benchmark is not rendered yet.
    """
    study, folder = resolve.find_plan(options.study)
    chosen = [
        training
        for training in study.trainings
        if training.stage == options.stage
        and training.seed == study.seeds[0]
        and options.variant in training.variants
    ]
    if not chosen:
        names = ", ".join(variant.name for variant in study.variants)
        raise UserError(
            f"--variant {options.variant}: has no {options.stage} in {options.study}; "
            f"variants: {names}"
        )
    if study.embedded and not study.data.davis.is_dir():
        raise UserError(
            f"{study.data.davis}: the embedded benchmark is not rendered yet; run "
            f"`snakemake --cores 1 {folder / 'data'}`"
        )
    return study, chosen[0]


def _preview_options(command: argparse.ArgumentParser) -> None:
    _add_training(command)
    command.add_argument("--out", type=Path, required=True, metavar="FILE.png")
    command.add_argument("--samples", type=_at_least(1, 1000), default=6, help="rows (default: 6)")
    command.add_argument(
        "--step", type=_at_least(0), default=0, help="whose samples come first (default: 0)"
    )


def _preview(options: argparse.Namespace) -> None:
    study, training = _training(options)
    roots = [study.data.davis, *(x for s in study.data.stills for x in (s.images, s.masks))]
    read = chain([options.study], *(files.files_below(root) for root in roots))
    files.require_target(options.out, read)
    from rgmp.data import preview
    from rgmp.data.loader import Samples

    samples = Samples(study, training)
    picture = preview.paint(samples.of_step(options.step, options.samples))
    with files.appearing(options.out) as temporary:
        picture.save(temporary, format="PNG")
    print(f"{options.out}: seed {training.seed}, {training.stage}, step {options.step}")


def _train_speed_options(command: argparse.ArgumentParser) -> None:
    _add_training(command)
    command.add_argument("--steps", type=_at_least(1), default=20, help="timed (default: 20)")
    _add_record(command)


def _train_speed(options: argparse.Namespace) -> None:
    study, training = _training(options)
    from rgmp.runtime import device
    from rgmp.training import speed as pace

    chosen = device.choose(
        study.machine.device, training.settings["compute"]["threads"], study.machine.jobs_per_gpu
    )
    with _recording(options, "train-speed", config=training.settings) as record:
        record.results.update(pace.measure(study, training, chosen, options.steps))
    for name, value in record.results.items():
        print(f"{name:20} {value:.6g}")


def _infer_options(command: argparse.ArgumentParser) -> None:
    _add_network(command)
    command.add_argument("--masks", type=Path, required=True, metavar="OUT", help="folder to write")
    _add_job(command)


def _infer(options: argparse.Namespace) -> None:
    sequences = [replace(s, annotations=s.annotations[:1]) for s in _sequences(options)]
    _refuse([line for s in sequences for line in davis.problems_of(s, options.benchmark)])
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
    with _recording(options, "infer", **record_fields) as record:
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
        record.outputs["masks"] = _masks_digest(options.masks, sequences)


def _masks_digest(folder: Path, sequences: list[davis.Sequence]) -> str:
    """What stands for the masks of some sequences, where they are made and where scored."""
    return files.digest_of_all([p for s in sequences for p in (folder / s.name).glob("*.png")])


def _speed_options(command: argparse.ArgumentParser) -> None:
    _add_network(command)
    command.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    command.add_argument(
        "--limit", type=_at_least(1), default=3, help="sequences timed (default: 3)"
    )
    command.add_argument(
        "--frames", type=_at_least(2), default=20, help="frames of each (default: 20)"
    )
    command.add_argument(
        "--repeats", type=_at_least(5, REPEATS), default=5, help="times each (default: 5)"
    )
    _add_job(command)


def _speed(options: argparse.Namespace) -> None:
    sequences = [
        replace(s, frames=s.frames[: options.frames], annotations=s.annotations[:1])
        for s in _spread(_sequences(options), options.benchmark, options.limit)
    ]
    _refuse([f"{s.name}: has one frame; two are needed" for s in sequences if len(s.frames) < 2])
    _refuse([line for s in sequences for line in davis.problems_of(s, options.benchmark)])
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
    with _recording(options, "speed", **record_fields) as record:
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


def _spread(
    sequences: list[davis.Sequence], benchmark: Benchmark, limit: int
) -> list[davis.Sequence]:
    """At most `limit` of the sequences, evenly apart from the fewest objects to the most."""

    def objects(sequence: davis.Sequence) -> int:
        return len(davis.object_ids(davis.read_annotation(sequence.annotations[0], benchmark)))

    ordered = sorted(sequences, key=objects)
    count = min(limit, len(ordered))
    return [ordered[i * (len(ordered) - 1) // max(count - 1, 1)] for i in range(count)]


def _score_options(command: argparse.ArgumentParser) -> None:
    _add_davis(command)
    command.add_argument("--sequences", nargs="+", help="some of the split's (default: all)")
    given = command.add_mutually_exclusive_group(required=True)
    given.add_argument("--masks", type=Path, help="DIR/<sequence>/00000.png ...")
    given.add_argument(
        "--scores",
        type=Path,
        metavar="FILE.csv",
        help="or J and F of every frame, to be taken as they are",
    )
    command.add_argument("--out", type=Path, required=True, metavar="SCORES.csv")
    command.add_argument("--engine", choices=_ENGINES, default="builtin")
    command.add_argument(
        "--cross-check",
        choices=_CROSS_CHECKS,
        default="off",
        help="score with the other engine too; auto: where it is installed (default: off)",
    )
    command.add_argument(
        "--processes",
        type=_at_least(1, AT_ONCE),
        default=1,
        help="that share the frames (default: 1)",
    )
    _add_job(command, seed=None)


def _score(options: argparse.Namespace) -> None:
    from rgmp.evaluation import score_table
    from rgmp.evaluation import summary as statistics

    given = [options.scores] if options.scores else files.files_below(options.masks, "*.png")
    files.require_target(options.out, chain(given, davis.files_of(options.davis)))
    config = {"scores": str(options.scores)} if options.scores else {"engine": options.engine}
    with _recording(options, "score", benchmark=options.benchmark, config=config) as record:
        rows = _adopted(options, record) if options.scores else _measured(options, record)
        score_table.write_scores(options.out, rows)
        sequences = _sequences(options)
        record.inputs["data"] = files.digest_of_all([p for s in sequences for p in s.annotations])
        summary = statistics.summarise(statistics.per_object(rows))
        record.results.update({name: value.mean for name, value in summary.items()})
        record.outputs["scores"] = files.digest_of_file(options.out)
    for name, value in summary.items():
        print(f"{name:9} {100 * value.mean:6.2f}")


def _measured(options: argparse.Namespace, record: record.Draft) -> "list[Score]":
    """Score masks; with the other engine too, where that is asked for and can be."""
    from rgmp.evaluation import engines, scoring

    def rows_by(engine: "Engine") -> "list[Score]":
        return scoring.score(
            options.davis,
            options.benchmark,
            options.split,
            options.masks,
            sequences=options.sequences,
            variant=options.variant or options.masks.name,
            seed=options.seed,
            engine=engine,
            resolution=options.resolution,
            processes=options.processes,
        )

    other = _second_engine(options)
    rows = rows_by(options.engine)
    if other:
        largest = engines.cross_check(rows, rows_by(other))
        record.results["cross_check_difference"] = largest
        print(f"cross-checked with the {other} engine, largest difference {largest:.2g}")
    record.inputs["masks"] = _masks_digest(options.masks, _sequences(options))
    return rows


def _second_engine(options: argparse.Namespace) -> "Engine | None":
    """The engine to cross-check with, if there is to be one.

    Raises:
        UserError: it is required, and not installed.
    """
    from rgmp.evaluation import engines

    other: Engine = "official" if options.engine == "builtin" else "builtin"
    if options.cross_check == "off":
        return None
    try:
        engines.require(other)
    except UserError:
        if options.cross_check == "require":
            raise
        return None
    return other


def _adopted(options: argparse.Namespace, record: record.Draft) -> "list[Score]":
    """Take someone's scores as they are."""
    from rgmp.evaluation import adoption

    rows = adoption.adopt(
        options.davis,
        options.benchmark,
        options.split,
        options.scores,
        sequences=options.sequences,
        variant=options.variant or options.scores.stem,
        resolution=options.resolution,
    )
    record.inputs["scores"] = files.digest_of_file(options.scores)
    return rows


def _results_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("results", type=Path, help="folder of a study, such as results/mini")
    _add_record(command)


def _tables(options: argparse.Namespace) -> None:
    from rgmp.reporting import tables

    with _recording(options, "tables"):
        tables.write(options.results)


def _figures(options: argparse.Namespace) -> None:
    from rgmp.reporting import figures

    with _recording(options, "figures"):
        figures.write(options.results)


def _report(options: argparse.Namespace) -> None:
    from rgmp.reporting import report

    with _recording(options, "report"):
        report.write(options.results)


def _track_options(command: argparse.ArgumentParser) -> None:
    _results_options(command)
    command.add_argument(
        "--every",
        type=_at_least(1),
        metavar="SECONDS",
        help="again and again until the study is whole: curves while they grow",
    )
    command.add_argument(
        "--weights-megabytes",
        type=_at_least(0),
        default=64,
        help="larger weights are named in MLflow with their hash, not copied (default: 64)",
    )
    command.add_argument(
        "--timeout",
        type=_at_least(1),
        default=30,
        metavar="SECONDS",
        help="that MLflow may take for one call before it counts as away (default: 30)",
    )


def _track(options: argparse.Namespace) -> None:
    import time

    from rgmp.tracking import store

    while True:
        with _recording(options, "track"):
            tracked = store.track(
                options.results,
                weights_megabytes=options.weights_megabytes,
                timeout=options.timeout,
            )
        if tracked is not None:
            print(f"{tracked.uri}: {tracked.runs} runs, {tracked.written} of them written now")
        if options.every is None or (tracked is not None and tracked.whole):
            return
        time.sleep(options.every)


def _add_davis(command: argparse.ArgumentParser) -> None:
    """Which frames of which tree."""
    command.add_argument("--davis", type=Path, required=True, help="root of a DAVIS tree")
    command.add_argument("--benchmark", choices=BENCHMARKS, required=True)
    command.add_argument("--split", default="val", help="such as val (default)")
    _add_resolution(command)


def _add_resolution(command: argparse.ArgumentParser) -> None:
    command.add_argument("--resolution", default=RESOLUTION, help=f"default: {RESOLUTION}")


def _add_network(command: argparse.ArgumentParser) -> None:
    """Which network, on what, how."""
    command.add_argument(
        "--weights", type=Path, required=True, help="ours, or the authors' released file"
    )
    _add_davis(command)
    command.add_argument("--sequences", nargs="+", help="some of the split's (default: all)")
    default = Inference()
    command.add_argument("--scales", type=float, nargs="+", default=list(default.scales))
    command.add_argument("--aggregation", choices=_AGGREGATIONS, default=default.aggregation)
    command.add_argument("--precision", choices=_PRECISIONS, default=default.precision)
    command.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    command.add_argument(
        "--threads", type=_at_least(1, AT_ONCE), help="of the CPU (default: PyTorch's choice)"
    )
    command.add_argument(
        "--jobs-per-gpu", type=_at_least(1, AT_ONCE), default=1, help="that may share one"
    )


def _add_job(command: argparse.ArgumentParser, seed: int | None = 0) -> None:
    """Which row of a study this is."""
    command.add_argument("--variant", help="named in the rows and in the record")
    command.add_argument(
        "--seed",
        type=_at_least(0, SEED),
        default=seed,
        help=f"of the training (default: {'none' if seed is None else seed})",
    )
    _add_record(command)


def _add_record(command: argparse.ArgumentParser) -> None:
    command.add_argument("--record", type=Path, metavar="FILE.json", help="write provenance there")


def _sequences(options: argparse.Namespace) -> list[davis.Sequence]:
    """The sequences that are asked for.

    Raises:
        UserError: one is not of the split, or its files are not there.
    """
    split = davis.read_split(options.davis, options.benchmark, options.split)
    for name in options.sequences or []:
        if name not in split:
            raise UserError(
                f"--sequences {name}: not in {options.split} of {options.benchmark}; "
                f"allowed: {', '.join(split)}"
            )
    wanted = [name for name in split if options.sequences is None or name in options.sequences]
    return [davis.open_sequence(options.davis, name, options.resolution) for name in wanted]


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


def _recording(
    options: argparse.Namespace, kind: str, **fields: Any
) -> AbstractContextManager[record.Draft]:
    """Record a command; where `--record` is, STUDY/records/NAME.json, says its study and name.

    Raises:
        UserError: the record could not be written, however well the command went.
    """
    path: Path | None = options.record
    study, name = None, kind
    if path is not None:
        record.require_place(path)
        targets = (getattr(options, name, None) for name in ("out", "masks"))
        if path.resolve() in {target.resolve() for target in targets if target}:
            raise UserError(f"--record {path}: is to hold something else too; name another file")
        parts = path.with_suffix("").parts
        name = parts[-1]
        if "records" in parts[1:]:
            at = len(parts) - 1 - parts[::-1].index("records")
            study, name = parts[at - 1], "/".join(parts[at + 1 :])
    own = {key: getattr(options, key) for key in ("variant", "seed") if hasattr(options, key)}
    return record.recording(path, kind=kind, name=name, **{"study": study, **own, **fields})


_COMMANDS = [
    ("plan", _plan, _plan_options, "List a study's trainings.", "workflow/config/mini.yaml"),
    ("mini", _mini, _mini_options, "Render the embedded benchmark.", "data/mini --seed 0"),
    (
        "check",
        _check,
        _check_options,
        "Decode every file that a study reads, and name what is wrong.",
        "data/DAVIS --benchmark davis2017 --split train val",
    ),
    (
        "train",
        _train,
        _train_options,
        "Run one training of a study, or go on with it.",
        "results/mini pretrain/full-seed0-1a2b3c4d5e6f",
    ),
    (
        "preview",
        _preview,
        _preview_options,
        "Paint what a training is fed.",
        "workflow/config/mini.yaml --stage pretrain --out preview.png",
    ),
    (
        "train-speed",
        _train_speed,
        _train_speed_options,
        "Measure samples a second, waiting for data, and memory, of a few steps.",
        "workflow/config/mini.yaml --stage finetune --steps 20",
    ),
    (
        "infer",
        _infer,
        _infer_options,
        "Segment the videos of a split.",
        "--weights weights.pth --davis data/DAVIS --benchmark davis2016 --masks masks/rgmp",
    ),
    (
        "speed",
        _speed,
        _speed_options,
        "Measure seconds a frame.",
        "--weights weights.pth --davis data/DAVIS --benchmark davis2016 --out speed.json",
    ),
    (
        "score",
        _score,
        _score_options,
        "Score a folder of masks, anyone's: J and F of every frame.",
        "--davis data/DAVIS --benchmark davis2016 --masks masks/rgmp --out scores.csv",
    ),
    ("tables", _tables, _results_options, "Make a study's tables again.", "results/mini"),
    ("figures", _figures, _results_options, "Make a study's figures again.", "results/mini"),
    ("report", _report, _results_options, "Make a study's report.html again.", "results/mini"),
    ("track", _track, _track_options, "Mirror a study's records in MLflow.", "results/mini"),
]
