"""`rgmp evaluate`: the masks and scores of every run of a study that has the same weights."""

import argparse
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.options import at_least
from rgmp.config.base import AT_ONCE
from rgmp.runtime import cores, digest_cache, files
from rgmp.runtime.digest_cache import Digests
from rgmp.study.plan import load_plan
from rgmp.study.preregistration import remember_claims


def _evaluate_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("results", type=Path, help="folder of a study, such as results/mini")
    command.add_argument(
        "job",
        help="variant and seed whose weights are evaluated, such as full/seed0; those of an "
        "earlier checkpoint: full/seed0/step180",
    )
    command.add_argument(
        "--threads",
        type=at_least(1, AT_ONCE),
        help="upper limit of CPU threads (default: the usable cores)",
    )


def _evaluate(options: argparse.Namespace) -> None:
    plan = load_plan(options.results)
    job = plan.evaluation_of(options.job, options.results)
    first, _ = job.runs[0]
    files.require_writable(first.masks)
    from rgmp.inference.evaluation import Evaluation
    from rgmp.runtime import locks

    with locks.alone_in(first.masks):
        threads = cores.threads(first.threads, options.threads)
        digests = Digests(options.results.parent / digest_cache.FILE)
        Evaluation(options.results, job.runs, job.unscored, threads, digests).run()
    for run in plan.evaluations[options.job]:
        remember_claims(plan, plan.inferences[run].variant.name, options.results)


COMMANDS = (
    Command(
        "evaluate",
        _evaluate,
        _evaluate_options,
        "Segment and score all that a study needs of one set of weights.",
        "results/mini full/seed0",
        "run",
    ),
)
