# The study of this run, and functions of its plan that the rules use.

import sys
from contextlib import redirect_stderr, suppress
from functools import partial
from io import StringIO
from pathlib import Path

from snakemake.cli import parse_args
from snakemake.logging import logger
from snakemake.resources import Resource
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from rgmp.cli.complaints import complain
from rgmp.config.base import STAGES
from rgmp.errors import ProblemsError, UserError
from rgmp.evaluation.sequence_scores import scoring_sources
from rgmp.provenance.code import sources_of
from rgmp.reporting import catalog
from rgmp.reporting.run_log import RunLog
from rgmp.runtime import cores
from rgmp.runtime.files import write_text
from rgmp.runtime.snakemake_lock import record_lock_owner, remove_stale_lock
from rgmp.runtime.markup import restructured
from rgmp.runtime.signals import pass_signals_on
from rgmp.runtime.terminal import Screen
from rgmp.study import layout
from rgmp.study.allocation import allocations
from rgmp.study.bounds import bounds_job
from rgmp.study.comparison import ComparisonPlan, resolve_any
from rgmp.study.estimate import remember_estimate
from rgmp.study.launch import allotment, launcher, let_jobs_find_rgmp
from rgmp.study.longer import files_of as longer_study_files
from rgmp.study.plan import save as save_plan
from rgmp.study.references import files_of as reference_files
from rgmp.study.references import reference_of
from rgmp.study.timing import computations, representative, timing


def goes_elsewhere():
    """Whether the executor sends jobs to other machines.

    Snakemake's workflow knows its executor only after the rules are parsed, so this reads the command
    line and the profiles. Callers of Snakemake's API who set nodes are taken to use other machines.
    """
    if workflow.resource_settings.nodes is None:
        return False
    try:
        with redirect_stderr(StringIO()):
            _, arguments = parse_args(sys.argv[1:])
    except SystemExit:
        return True
    chosen = ExecutorPluginRegistry().get_plugin(arguments.executor or "local")
    return not chosen.common_settings.local_exec


def cores_here():
    """The cores that jobs may use at once; None: they run on other machines, or this is one."""
    given = workflow.resource_settings
    if not limited:
        return None
    return min(limit for limit in (given.cores, given.nodes, cores.usable_cores()) if limit)


def limit_cores():
    """Limit the threads of concurrent jobs to the available cores, whatever --cores says.

    Training runs that share a core slow each other down. A job that requests more threads gets as
    many as there are cores, and runs alone. Jobs on other machines are not limited, nor by --cores:
    fewer threads than a study asks for would change the last bits. Nor is the job that was sent to
    this machine: its threads are what it was allotted, on all of its nodes.
    """
    given = workflow.resource_settings
    if not limited:
        workflow.global_resources["_cores"] = None
    elif given.cores is not None:
        workflow.global_resources["_cores"] = cores_here()
        workflow.global_resources["_nodes"] = None  # else it counts jobs, not threads


def threads_alone(threads):
    """The threads that a job asks for which is to run alone: all that there are on this machine.

    On another machine nothing of this study runs beside it but by chance: there it asks for those
    that it uses.
    """
    return (limited and workflow.global_resources["_cores"]) or threads


def allocated(kind, name=lambda wildcards: "", gpus=0, nodes=1):
    """What jobs ask a cluster for, as resources: time and main memory, and GPUs if they take any.

    Time is at most the `longest_runtime` of the profile's default resources: Slurm lets a job wait for
    ever that asks for more than its partition allows.

    GPUs are asked for as `gpu`: so many in all. Where there are several nodes, or the profile's default
    resources have a `gres_kind`, as `gres`: so many of each node. Of a total for several nodes, one
    might get more than its share.

    Args:
        kind: of the jobs, and `name` the rest of a job's name, as in `rgmp.study.jobs`.
        gpus: how many each takes where the study computes on GPUs.
        nodes: over how many machines these are spread evenly.
    """
    taken = gpus if gpus and plan.machine.device != "cpu" else 0

    def known_or_default(resource):
        def value(wildcards, **given):
            known = asked_for.get(f"{kind} {name(wildcards)}".strip(), {}).get(resource)
            return known or default_of(resource, wildcards, **given) or 0  # 0: the cluster's own

        return value

    def runtime(wildcards, **given):
        minutes = known_or_default("runtime")(wildcards, **given)
        return min(minutes, default_of("longest_runtime", wildcards, **given) or minutes)

    def gres_kind(wildcards, **given):
        return default_of("gres_kind", wildcards, **given) or ("gpu" if nodes > 1 else None)

    def as_gpu(wildcards, **given):
        return None if gres_kind(wildcards, **given) else taken or None

    def as_gres(wildcards, **given):
        gpu = gres_kind(wildcards, **given)
        return f"{gpu}:{taken // nodes}" if gpu and taken else None

    limits = {"runtime": runtime, "mem_mb": known_or_default("mem_mb")} if elsewhere else {}
    return {"gpu": as_gpu, "gres": as_gres} | limits


def default_of(resource, wildcards, **given):
    """What the profile or --default-resources gives a job of a resource; None: nothing."""
    defaults = workflow.resource_settings.default_resources or {}
    default = defaults.get(resource) or Resource(resource, None)
    return default.evaluate(wildcards, **given).value


def keep_estimate():
    """Keep what the study is expected to take here, for its report; no run fails for that."""
    here = cores_here()
    if here is not None and not isinstance(plan, ComparisonPlan):
        with suppress(UserError, OSError):
            remember_estimate(plan, folder, here)


def say_what_is_due():
    """Say what this run does, and hand to the logger what says how it goes on."""
    if not isinstance(plan, ComparisonPlan):
        jobs = [*workflow.dag.needrun_jobs()]
        due = {workflow.dag.jobid(job): [str(path) for path in job.output] for job in jobs}
        run_log = RunLog(plan, folder, due, cores_here())
        logger.info("\n".join(run_log.heading()), extra={"run_log": run_log})


def say_what_came():
    """Say what came of the study, if this run made its report; it fails for nothing that it reads."""
    made = [
        path for job in workflow.dag.needrun_jobs(exclude_finished=False) for path in job.output
    ]
    if not isinstance(plan, ComparisonPlan) and str(folder / layout.REPORT) in made:
        from rgmp.reporting.outcome import outcome  # and pandas, which takes its time

        with suppress(UserError):
            lines = partial(outcome, folder)
            logger.info("\n".join(lines(Screen())), extra={"outcome": lines})


def resolve_study():
    """The plan of the study file given with --configfile, by default the mini study."""
    given = [Path(path) for path in workflow.configfiles]
    if len(given) > 1 or workflow.config_settings.config:
        raise UserError(
            "a study is one file, given with --configfile; several files are not merged and "
            "--config is not supported; copy the study file and edit it"
        )
    study = given[0] if given else Path("workflow/config/mini.yaml")
    # Snakemake makes it absolute; the plan names it, and must not change when the project is moved
    here = Path.cwd()
    return resolve_any(study.relative_to(here) if study.is_relative_to(here) else study)


def targets():
    """What the study is to end with."""
    if isinstance(plan, ComparisonPlan):
        return [folder / layout.comparison(b) / layout.REPORT for b in plan.benchmarks]
    agreed = [folder / layout.AGREEMENT] if reference_files(reference) else []
    packed = [layout.submission(v.name, run.seed) for v, run in plan.submissions.values()]
    return [folder / layout.REPORT, *(folder / layout.archive(name) for name in packed), *agreed]


def training_name(wildcards):
    """The training run that the wildcards name, as `rgmp train` takes it."""
    return f"{wildcards.stage}/{wildcards.training}"


def training_of(wildcards):
    """The planned training run that the wildcards name."""
    return plan.training_of(training_name(wildcards), folder)


def inputs_of_training(wildcards):
    """Records that a training run depends on: checks of its data, the preceding run.

    Records, not the files they describe: they are small, so Snakemake compares their content, and
    copying or touching a file of gigabytes does not trigger training.
    """
    training = training_of(wildcards)
    parts = [training.settings.part]
    if training.parent is None and training.network.initial_weights:
        parts.append("weights")
    before = [layout.record(plan.training(training.parent).folder)] if training.parent else []
    return [folder / path for path in [*map(plan.check_of, parts), *before]]


def trained(variant, seed, *, earlier=False):
    """The record of the training run behind a variant's weights, or of the check of given ones.

    Of weights before the last it is that of the checkpoints.
    """
    run = next(r for r in plan.variant(variant).runs if r.seed == int(seed))
    if not run.trainings:
        return folder / plan.check_of("networks")
    made = plan.training(run.trainings[-1]).folder
    return folder / layout.record(layout.checkpoints(made) if earlier else made)


def checked_split(wildcards):
    """The check of the split that a benchmark is scored on."""
    return folder / plan.check_of(f"{wildcards.benchmark}/{plan.split}")


def evaluation_name(variant, wildcards):
    """The evaluation of a variant's weights, as `rgmp evaluate` takes it."""
    return layout.evaluation(variant, wildcards.seed, wildcards.get("step"))


def evaluation_digest(variant, wildcards):
    """A digest of what an evaluation depends on, except its device and the paths of files."""
    return plan.evaluation_of(evaluation_name(variant, wildcards), folder).digest


def timed_weights(wildcards):
    """The records behind the weights of a timing: of each computation one variant's, one seed's."""
    groups = computations(plan, wildcards.benchmark).values()
    records = (trained(representative(variants).name, plan.seeds[0]) for variants in groups)
    return list(dict.fromkeys(records))


def timing_digest(wildcards):
    """A digest of what a timing depends on, except its device, paths and the values of weights."""
    return timing(plan, wildcards.benchmark, folder).digest


def adoption_name(wildcards):
    """The scores of an external method, as `rgmp score` takes them."""
    return layout.external(wildcards.benchmark, wildcards.external)


def adoption_digest(wildcards):
    """A digest of what the scores of an external method depend on, except paths of files."""
    return plan.adoption(adoption_name(wildcards), folder).digest


def bounds_digest(wildcards):
    """The same for the scores of a benchmark's floor and ceiling."""
    return bounds_job(plan, wildcards.benchmark, folder).digest


def data_tree(wildcards):
    """The rendered benchmark, if the study uses it."""
    return [folder / layout.DATA] if plan.embedded else []


def part_of(wildcards):
    """The part of the data that a check covers, such as `davis2017/val`."""
    return plan.checks[wildcards.part]


def measured_files(wildcards):
    """Every score table, speed file and record that the report depends on."""
    return [folder / path for path in plan.measured]


def caption_file(kind, entry):
    """Write the catalog's caption of a table or figure to a file, as --report needs it.

    Snakemake reads captions only from files, and does not pass them a name, so one template cannot
    serve all. If the file cannot be written, no report can be either.
    """
    path = Path(".snakemake/captions").absolute() / plan.study / f"{kind}_{entry.name}.rst"
    caption = restructured(entry.caption_for(plan.seeds)) + "\n"
    if workflow.is_main_process:
        with suppress(OSError):
            if not path.is_file() or path.read_text(encoding="utf-8") != caption:
                write_text(path, caption)
    return str(path)


let_jobs_find_rgmp()
elsewhere = goes_elsewhere()
limited = not elsewhere and not workflow.remote_exec  # by the cores of this machine
limit_cores()
if workflow.remote_exec and not elsewhere:
    pass_signals_on()
lock_owner = remove_stale_lock(Path(".snakemake")) if workflow.is_main_process else None

try:
    plan = resolve_study()
except ProblemsError as error:
    sys.exit(complain(*error.problems, most=error.most))
except UserError as error:
    sys.exit(complain(str(error)))

folder = Path("results") / plan.study
reference = reference_of(folder)

asked_for = {}
if workflow.is_main_process and elsewhere and not isinstance(plan, ComparisonPlan):
    asked_for = allocations(plan, folder)
config |= {"title": restructured(plan.title)}  # for the captions of --report
