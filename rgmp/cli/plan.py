"""`rgmp plan`: list a study's training runs and what they take, or its comparisons."""

import argparse
import re
from itertools import product
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.options import at_least
from rgmp.config.base import AT_ONCE
from rgmp.errors import UserError, shown, visible
from rgmp.runtime import cores
from rgmp.runtime.files import write_json
from rgmp.study import comparison, layout, plan
from rgmp.study.costs import Costs, costs_of, devices_of, find_costs
from rgmp.study.estimate import Room, device_here, estimate
from rgmp.study.jobs import jobs_of, sizes_of

_MANY_GPUS = (1, 2, 4, 8)
_UNITS = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}


def _size(text: str) -> int:
    """An argparse type: a size of memory such as 12GB."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?) ?([MG]i?B)", text)
    size = int(float(found[1]) * _UNITS[found[2]]) if found else 0
    if not size:
        raise argparse.ArgumentTypeError(
            f"{shown(text)} is not allowed; allowed: a number and {', '.join(_UNITS)}, as in 12GB"
        )
    return size


def _options(command: argparse.ArgumentParser) -> None:
    command.add_argument("study", type=Path, help="study file, such as workflow/config/mini.yaml")
    command.add_argument(
        "--gpus",
        type=at_least(1, AT_ONCE),
        nargs="+",
        help="numbers of GPUs to plan for (default, where the study computes on GPUs: 1 2 4 8)",
    )
    command.add_argument(
        "--cores",
        type=at_least(1, AT_ONCE),
        nargs="+",
        help="numbers of CPU cores, as snakemake --cores (default: the usable ones here; with "
        "GPUs, as many as their jobs have threads)",
    )
    costs = command.add_mutually_exclusive_group()
    costs.add_argument(
        "--measure",
        action="store_true",
        help="time some steps of every training and some videos here, in minutes; kept in "
        f"{layout.COSTS} of the study's folder",
    )
    costs.add_argument(
        "--records",
        type=Path,
        nargs="+",
        metavar="RESULTS",
        help="folders of studies whose records say what jobs cost (default: those in results/ of "
        "this kind of device)",
    )
    command.add_argument(
        "--fit",
        type=_size,
        metavar="SIZE",
        help="measure what a step takes here, and name the settings with which all training runs "
        "fit into a GPU of this size, such as 12GB",
    )


def _plan(options: argparse.Namespace) -> None:
    resolved = comparison.resolve_any(options.study)
    if isinstance(resolved, comparison.ComparisonPlan):
        _list_comparisons(resolved, options)
        return
    device, on_gpu = _device(resolved, options)
    rooms = _rooms(resolved, options, on_gpu=on_gpu)
    folder = Path("results") / resolved.study
    jobs = jobs_of(resolved, sizes_of(resolved, folder))
    given = _given(options.records) if options.records else None
    from rgmp.reporting import planning

    plan.save(resolved, folder)
    for line in planning.sharing_in_words(resolved, folder):
        print(line)
    print(f"{planning.size_in_words(resolved)}: {folder / layout.PLAN}")
    if options.measure:
        from rgmp.cli.measuring import measure

        measured = measure(resolved, folder, device, on_gpu=on_gpu)
        write_json(folder / layout.COSTS, measured.model_dump(mode="json"))
    costs = given or find_costs(folder, jobs, device)
    estimated = estimate(jobs, costs, rooms)
    for line in planning.estimate_in_words(resolved, costs, estimated):
        print(visible(line))
    if estimated.unknown and not options.measure:
        print(
            "--measure tries training and evaluation here; --records names the folder of a study "
            "that ran on such a device"
        )
    if options.fit:
        from rgmp.cli.fitting import fit

        for line in fit(resolved, folder, options.fit, options.gpus or []):
            print(visible(line))


def _list_comparisons(resolved: comparison.ComparisonPlan, options: argparse.Namespace) -> None:
    """Write the plan of a study that only compares, and list its commands.

    Raises:
        UserError: options that plan trainings are given.
    """
    given = {name for name, value in vars(options).items() if value} - {"run", "study"}
    if given:
        raise UserError(
            f"{options.study}: trains nothing; leave out --{', --'.join(sorted(given))}"
        )
    folder = Path("results") / resolved.study
    plan.save(resolved, folder)
    for benchmark in resolved.benchmarks:
        methods = ", ".join(one.label for one in resolved.methods(benchmark))
        print(visible(f"rgmp compare {folder} {benchmark}  for {methods}"))
    print(f"no training runs, {len(resolved.benchmarks)} comparisons: {folder / layout.PLAN}")


def _given(folders: list[Path]) -> Costs:
    """The costs in the records of studies that the user names, on the device that most ran on.

    Raises:
        UserError: one of them is no study's folder, or has no record of training or inference.
    """
    found = [device for folder in folders for device in devices_of(folder)]
    if not found:
        raise UserError(
            f"{folders[0]}: has no record of training or inference; name the folder of a study "
            "that has run"
        )
    costs = Costs(device=found[0])
    for folder in folders:
        costs = costs.beside(costs_of(folder, found[0]))
    return costs


def _device(resolved: plan.Plan, options: argparse.Namespace) -> tuple[str, bool]:
    """What a study is planned for, in words, and whether it is GPUs.

    Raises:
        UserError: GPUs are planned for, and the study computes on the CPU; or they are to be
            measured, and there is none here.
    """
    machine = resolved.machine
    if options.gpus and machine.device == "cpu":
        raise UserError(
            f"--gpus {options.gpus[0]}: {resolved.file} computes on the CPU (machine.device); "
            "give --cores, or change machine.device"
        )
    here, gpus = device_here(machine)
    on_gpu = bool(gpus or options.gpus) or machine.device == "cuda"
    if options.measure and options.gpus and not gpus and machine.device == "auto":
        raise UserError(
            f"--measure: there is no GPU here to measure for --gpus {options.gpus[0]}; run it "
            "where there is one, or give --cores"
        )
    return (here if here and bool(gpus) == on_gpu else "a GPU, of which there is none here"), on_gpu


def _rooms(resolved: plan.Plan, options: argparse.Namespace, *, on_gpu: bool) -> list[Room]:
    """What is planned for.

    Raises:
        UserError: a training run takes more GPUs than there are.
    """
    if not on_gpu:
        return [Room(count) for count in options.cores or [cores.usable_cores()]]
    machine = resolved.machine
    threads = max(variant.threads for variant in resolved.variants)
    places = machine.jobs_per_gpu
    if options.gpus and min(options.gpus) < machine.processes:
        raise UserError(
            f"--gpus {min(options.gpus)}: a training run takes machine.processes "
            f"(={machine.processes}) GPUs; plan for as many at least"
        )
    return [
        Room(count or threads * places * gpus, gpus, places)
        for gpus, count in product(options.gpus or _MANY_GPUS, options.cores or [0])
        if gpus >= machine.processes
    ]


COMMANDS = (
    Command(
        "plan",
        _plan,
        _options,
        "List a study's training runs and what they take, or its comparisons.",
        "workflow/config/mini.yaml",
        "try",
    ),
)
