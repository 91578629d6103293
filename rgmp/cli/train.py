"""`rgmp train | preview | train-speed`: run, inspect or time one training run of a study."""

import argparse
import shlex
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rgmp.cli.command import Command
from rgmp.cli.options import add_record, at_least
from rgmp.config.base import AT_ONCE, STAGES
from rgmp.errors import UserError, visible
from rgmp.provenance import record as provenance
from rgmp.provenance.command import record_command
from rgmp.runtime import cores, files
from rgmp.study import layout, plan, resolve
from rgmp.study.planned import Training
from rgmp.training.job import TrainingJob

if TYPE_CHECKING:
    import torch

    from rgmp.runtime.distributed import Team


def _train_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("results", type=Path, help="folder of a study, such as results/mini")
    command.add_argument("training", help="STAGE/SLUG-IDENTITY, as `rgmp plan` prints it")
    command.add_argument(
        "--threads",
        type=at_least(1, AT_ONCE),
        help="upper limit on CPU threads, shared by its processes (default: the usable cores)",
    )


def _train(options: argparse.Namespace) -> None:
    study = plan.load_plan(options.results)
    training = study.training_of(options.training, options.results)
    job = study.job(training, options.results)
    made = options.results / layout.record(training.folder)
    files.require_writable(job.folder)
    from rgmp.runtime import distributed, locks
    from rgmp.training.train import checkpoints_of, train

    with (
        distributed.process_group() as processes,
        locks.alone_in(job.folder) if processes.leads else nullcontext(),
    ):
        if processes.any(int(processes.leads and _is_trained(made, training, job.weights))):
            if processes.leads:
                print(f"{training.folder}: already trained according to its record; kept")
                checkpoints_of(job).clear()
            if training.settings.earlier_checkpoints:
                _keep_checkpoints(options, study, training, processes)
            return
        run = partial(train, job, _device(job, options.threads, processes), processes)
        if not processes.leads:
            run()
            return
        with _recording(made, "train", study, training) as record:
            record.results["processes"] = processes.size
            record.results.update(run())
            name = f"{training.folder}/{job.weights.name}"
            record.outputs[name] = files.digest_of_file(job.weights)
        checkpoints_of(job).clear()


def _device(job: TrainingJob, limit: int | None, processes: "Team") -> "torch.device":
    """Where a training run computes; too few cores for its threads or processes are said."""
    from rgmp.runtime import device

    sharing = processes.size if limit else processes.local_size  # the usable cores are of here
    threads = cores.threads(job.compute.threads, limit, sharing)
    here = limit or cores.usable_cores()
    if processes.leads and sharing > here:
        print(f"{sharing} processes have a thread each on {here} cores, and slow each other down")
    if processes.leads and threads < job.compute.threads:
        print(
            f"compute.threads (={job.compute.threads}): limited to {threads} here, which can "
            "change the last bits of the weights; the record has the number"
        )
    return device.choose(job.machine.device, threads, job.machine.jobs_per_gpu, processes)


def _keep_checkpoints(
    options: argparse.Namespace, study: plan.Plan, training: Training, processes: "Team"
) -> None:
    """Record the earlier checkpoints of a finished training run, which is repeated if it lacks any.

    Raises:
        UserError: as `rgmp.training.repeat.repeat`.
    """
    from rgmp.training.repeat import repeat

    folder = options.results
    job = study.job(training, folder)
    path = folder / layout.record(layout.checkpoints(training.folder))
    steps = training.settings.earlier_checkpoints
    last = files.digest_of_file(job.weights)
    recorded = _recorded_checkpoints(path, last)
    lacking = [
        step
        for step in steps
        if not _is_kept(folder, layout.checkpoint(training.folder, step), recorded)
    ]
    recording = _recording(path, "checkpoints", study, training)
    with recording if processes.leads else nullcontext() as record:
        summary: dict[str, float | str] = {}
        if lacking:
            if processes.leads:
                print(
                    f"{training.folder}: its checkpoints after step {', '.join(map(str, lacking))} "
                    "were not kept; it is trained once more to make them, its weights stay"
                )
            made = provenance.read(folder / layout.record(training.folder))
            choose_device = partial(_device, job, options.threads, processes)
            summary = repeat(job, lacking, made, choose_device, processes)
        if record is not None:
            record.inputs["weights"] = last
            record.results.update({f"repeated_{key}": value for key, value in summary.items()})
            places = [layout.checkpoint(training.folder, step) for step in steps]
            record.outputs.update({p: files.digest_of_file(folder / p) for p in places})


def _recorded_checkpoints(path: Path, last: str) -> dict[str, str]:
    """The digests of the earlier checkpoints of a training run, by path, as far as recorded.

    Args:
        path: of their record; one of other last weights says nothing.
        last: the digest of the last weights.
    """
    made = provenance.read(path) if path.is_file() else None
    return made["outputs"] if made and made["inputs"].get("weights") == last else {}


def _is_kept(folder: Path, name: str, recorded: Mapping[str, str]) -> bool:
    """Whether a checkpoint is there, and as it is recorded if it is."""
    path = folder / name
    return path.is_file() and recorded.get(name) in {None, files.digest_of_file(path)}


def _recording(
    path: Path, kind: str, study: plan.Plan, training: Training
) -> AbstractContextManager[provenance.Draft]:
    """Record a training run under its first variant, with everything that decides its weights."""
    return record_command(
        path,
        kind,
        study=study.study,
        variant=training.variants[0],
        seed=training.seed,
        stage=training.stage,
        identity=training.identity,
        config=training.config,
        inputs={"data": training.data, "parent": training.parent or ""},
    )


def _is_trained(path: Path, training: Training, weights: Path) -> bool:
    """Whether the weights exist and match the training run's record."""
    if not (weights.is_file() and path.is_file()):
        return False
    made = provenance.read(path)
    digest = made["outputs"].get(f"{training.folder}/{weights.name}")
    return made["identity"] == training.identity and digest == files.digest_of_file(weights)


def _add_training(command: argparse.ArgumentParser) -> None:
    """Options that choose a training run of a study."""
    command.add_argument("study", type=Path, help="study file, or folder such as results/mini")
    command.add_argument(
        "--stage",
        choices=STAGES,
        required=True,
        help="pretrain: stage 1, on synthetic pairs; finetune: stage 2, on videos",
    )
    command.add_argument("--variant", default="full", help="the variant to train (default: full)")


def _training(options: argparse.Namespace) -> tuple[Training, TrainingJob]:
    """The requested training run, with the study's first seed, and its job.

    Raises:
        UserError: there is no such run, or the embedded benchmark is not rendered yet.
    """
    study, folder = resolve.find_plan(options.study)
    trained = {
        variant: training
        for training in study.trainings
        if training.stage == options.stage and training.seed == study.seeds[0]
        for variant in training.variants
    }
    if options.variant not in trained:
        raise UserError(
            f"--variant {options.variant}: has no {options.stage} in {options.study}; "
            f"variants that have: {', '.join(trained) or 'none'}"
        )
    training = trained[options.variant]
    job = study.job(training, folder)
    rendered = folder / layout.DAVIS
    if study.embedded and not rendered.is_dir():
        raise UserError(
            f"{rendered}: the embedded benchmark is not rendered yet; run "
            f"`rgmp mini {shlex.quote(str(folder / layout.DATA))} --seed {study.data.mini_seed}`"
        )
    return training, job


def _preview_options(command: argparse.ArgumentParser) -> None:
    _add_training(command)
    command.add_argument(
        "--out", type=Path, required=True, metavar="FILE.png", help="output picture"
    )
    command.add_argument("--samples", type=at_least(1, 1000), default=6, help="rows (default: 6)")
    command.add_argument("--step", type=at_least(0), default=0, help="step to preview (default: 0)")


def _preview(options: argparse.Namespace) -> None:
    _, job = _training(options)
    roots = [*job.data.of_videos, *(x for s in job.data.stills for x in (s.images, s.masks))]
    read = chain([options.study], *(files.files_below(root) for root in roots))
    from rgmp.data import preview

    kind = files.Kind("preview picture", preview.require_ours)
    files.require_target(options.out, kind, read)
    from rgmp.data.loader import Samples

    samples = Samples(job.data, job.settings, job.seed, job.machine.decoded_megabytes)
    picture = preview.paint(samples.of_step(options.step, options.samples))
    with files.atomic_path(options.out) as temporary:
        preview.save(picture, temporary)
    print(visible(f"{options.out}: seed {job.seed}, {job.stage}, step {options.step}"))


def _train_speed_options(command: argparse.ArgumentParser) -> None:
    _add_training(command)
    command.add_argument(
        "--steps", type=at_least(1), default=20, help="steps to time (default: 20)"
    )
    command.add_argument(
        "--processes",
        type=at_least(1, AT_ONCE),
        help="measure how the speed grows with the processes that share each batch, up to so many, "
        "on this machine (default: one process alone)",
    )
    add_record(command)


def _train_speed(options: argparse.Namespace) -> None:
    training, job = _training(options)
    if options.processes:
        _scaling(options, training, job)
        return
    from rgmp.runtime import device
    from rgmp.training import speed

    threads = cores.threads(job.compute.threads)
    chosen = device.choose(job.machine.device, threads)
    with record_command(options.record, "train-speed", config=training.config) as record:
        measured = speed.measure(job, chosen, options.steps)
        record.results.update(measured)
    for name, value in measured.items():
        print(f"{name:20} {value:.6g}")
    _say_how_busy(measured["others_share"])


def _scaling(options: argparse.Namespace, training: Training, job: TrainingJob) -> None:
    """Measure and print the speed with every number of processes up to the requested one."""
    from rgmp.training import scaling

    counts = scaling.counts_up_to(options.processes, job)
    with record_command(options.record, "train-speed", config=training.config) as record:
        print(
            f"{'processes':>9} {'threads':>7} {'samples/s':>9} {'speed-up':>8} "
            f"{'efficiency':>10} {'waiting':>7} {'memory':>9}"
        )
        first = busy = 0.0
        for scaled in scaling.measure(job, options.steps, counts):
            first = first or scaled.samples_per_second
            busy = max(busy, scaled.others_share)
            gain = scaled.samples_per_second / first
            print(
                f"{scaled.processes:9} {scaled.threads:7} {scaled.samples_per_second:9.4g} "
                f"{gain:8.2f} {gain / scaled.processes:10.0%} {scaled.waiting:7.0%} "
                f"{scaled.memory_bytes / 1e9:6.2f} GB",
                flush=True,
            )
            record.results.update(
                {f"{name}_{scaled.processes}": value for name, value in scaled._asdict().items()}
            )
    _say_how_busy(busy)


def _say_how_busy(others_share: float) -> None:
    """Say if others used the machine while its speed was measured."""
    if others_share > cores.BUSY:
        print(
            f"other processes used {others_share:.0%} of the machine's cores during the "
            "measurement: the speed is not reliable; measure again on an idle machine"
        )


COMMANDS = (
    Command(
        "train",
        _train,
        _train_options,
        "Run or resume one training run of a study.",
        "results/mini pretrain/full-seed0-1a2b3c4d5e6f",
        "run",
    ),
    Command(
        "preview",
        _preview,
        _preview_options,
        "Preview training samples.",
        "workflow/config/mini.yaml --stage pretrain --out preview.png",
        "try",
    ),
    Command(
        "train-speed",
        _train_speed,
        _train_speed_options,
        "Measure samples per second, time spent waiting for data, and memory over a few steps.",
        "workflow/config/mini.yaml --stage finetune --steps 20",
        "try",
    ),
)
