# The study that this run is about, and what the rules ask of its plan.

import fcntl
import sys
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path

from snakemake.cli import parse_args
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from rgmp.errors import UserError
from rgmp.provenance.code import sources_of
from rgmp.reporting import catalog
from rgmp.runtime import cores
from rgmp.runtime.files import write_text
from rgmp.runtime.markup import restructured
from rgmp.study import layout
from rgmp.study.plan import save as save_plan
from rgmp.study.resolve import resolve


def limit_cores():
    """At most as many threads of jobs at a time as there are cores, whatever --cores says.

    Trainings that share a core slow each other. A job that asks for more has as many threads as
    there are, and is alone. Jobs that go to other machines are not limited.
    """
    given = workflow.resource_settings
    if given.cores is None or (given.nodes is not None and goes_elsewhere()):
        return
    limits = given.cores, given.nodes or given.cores, cores.usable_cores()
    workflow.global_resources["_cores"] = min(limits)
    workflow.global_resources["_nodes"] = None  # else Snakemake counts jobs, and their threads not


def goes_elsewhere():
    """Whether the executor sends jobs to other machines.

    Snakemake's workflow knows its executor only after the rules are read; its command line and
    profiles say it now. Where its API was called instead, who gives nodes means other machines.
    """
    try:
        with redirect_stderr(StringIO()):
            _, arguments = parse_args(sys.argv[1:])
    except SystemExit:
        return True
    chosen = ExecutorPluginRegistry().get_plugin(arguments.executor or "local")
    return not chosen.common_settings.local_exec


def remove_lock_of_the_dead():
    """Remove Snakemake's lock on this folder where no Snakemake that could hold it lives.

    Each of them holds a shared lock of the kernel's as long as it lives. Who can have that for
    itself is the only one, and what is locked in files was so by one that was killed.

    Returns:
        The open file with the lock: whoever loses it, lets go.
    """
    folder = Path(".snakemake")
    try:
        folder.mkdir(exist_ok=True)
        alive = (folder / "alive").open("w")
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # there is another: Snakemake decides
        else:
            for lock in (folder / "locks").glob("*"):
                lock.unlink()
        fcntl.flock(alive, fcntl.LOCK_SH)
    except OSError:
        return None  # a file system without such locks, or one that cannot be written to
    return alive


def resolve_study():
    """The plan of the one study file given with --configfile; of the mini study without it."""
    given = [Path(path) for path in workflow.configfiles]
    if len(given) > 1 or workflow.config_settings.config:
        raise UserError(
            "a study is one file, given with --configfile; settings of two are not mixed and "
            "--config is not read: copy the study file and edit it"
        )
    return resolve(given[0] if given else Path("workflow/config/mini.yaml"))


def training_of(wildcards):
    """The planned training that the wildcards name."""
    return plan.training_of(f"{wildcards.stage}/{wildcards.training}", folder)


def launcher_of(wildcards):
    """What starts a training: torchrun, where several processes share one."""
    count = plan.machine.processes
    return f"torchrun --standalone --nproc-per-node {count} --no-python " if count > 1 else ""


def inputs_of_training(wildcards):
    """Records of what a training rests on: the checks of its data, the training before it.

    Records, not the files they speak of: they are small, so Snakemake compares their bytes, and a
    copied or touched file of gigabytes is no reason to train again.
    """
    training = training_of(wildcards)
    settings = training.settings[training.stage]
    parts = ["stills" if training.stage == "pretrain" else f"{settings['benchmark']}/train"]
    if training.parent is None and training.settings["network"]["initial_weights"]:
        parts.append("weights")
    before = [layout.record(plan.training(training.parent).folder)] if training.parent else []
    return [folder / path for path in [*map(plan.check_of, parts), *before]]


def run_of(wildcards):
    """A variant with a seed; the first of the study's where the wildcards name none."""
    seed = int(getattr(wildcards, "seed", plan.seeds[0]))
    return next(r for r in plan.variant(wildcards.variant).runs if r.seed == seed)


def trained(wildcards):
    """The record of the training that gives a variant's weights; or of the check of given ones."""
    trainings = run_of(wildcards).trainings
    if not trainings:
        return folder / plan.check_of("networks")
    return folder / layout.record(plan.training(trainings[-1]).folder)


def checked_split(wildcards):
    """The check of the split that a benchmark is scored on."""
    return folder / plan.check_of(f"{wildcards.benchmark}/{plan.split}")


def threads_of(wildcards):
    """CPU threads of an inference: as of the training, for the same bits on machines of one type."""
    return plan.variant(wildcards.variant).threads


def inference_digest(wildcards):
    """What an inference rests on, whatever device it runs on and wherever the files lie."""
    name = layout.run(wildcards.benchmark, wildcards.variant, wildcards.seed)
    return plan.inference(name, folder).digest


def timing_digest(wildcards):
    """As of an inference, for a measurement of speed."""
    name = layout.timing(wildcards.benchmark, wildcards.variant)
    return plan.timing(name, folder).digest


def scoring_digest(wildcards):
    """As of an inference, for a table of scores."""
    name = layout.run(wildcards.benchmark, wildcards.variant, wildcards.seed)
    return plan.scoring(name, folder).digest


def adoption_digest(wildcards):
    """As of an inference, for the table of a method that is not trained here."""
    name = layout.external(wildcards.benchmark, wildcards.external)
    return plan.scoring(name, folder).digest


def data_tree(wildcards):
    """The rendered benchmark, where the study reads it."""
    return [folder / layout.DATA] if plan.embedded else []


def part_of(wildcards):
    """The part of the data that a check is of, such as `davis2017/val`."""
    return plan.checks[wildcards.part]


def measured_files(wildcards):
    """Every row, speed file and record that the report rests on."""
    trained = [layout.record(training.folder) for training in plan.trainings]
    return [folder / path for path in [*trained, *plan.scores, *map(layout.speed, plan.timings)]]


def caption_file(kind, entry):
    """The file with the caption of a table or a figure, as --report reads it: from the catalog.

    Snakemake takes captions from files alone, and tells them no name, so that one template cannot
    serve all. Where nothing can be written there is no report to read them.
    """
    path = Path(".snakemake/captions").absolute() / plan.study / f"{kind}_{entry.name}.rst"
    caption = restructured(entry.caption_for(plan.seeds)) + "\n"
    if workflow.is_main_process:
        with suppress(OSError):
            if not path.is_file() or path.read_text(encoding="utf-8") != caption:
                write_text(path, caption)
    return str(path)


limit_cores()
alive = remove_lock_of_the_dead() if workflow.is_main_process else None

try:
    plan = resolve_study()
except UserError as error:
    print(f"rgmp: {error}", file=sys.stderr)
    sys.exit(2)

folder = Path("results") / plan.study

config |= {"title": restructured(plan.title)}  # for the captions of --report
