"""Interrupt a training on a Slurm of this machine in each way that clusters do, by hand.

    python tests/interruptions_on_slurm.py
    python tests/interruptions_on_slurm.py --steps 8000 cancelled "short limit"

Each time Snakemake trains by the profile for Slurm, the training is interrupted once it has a
checkpoint, and where Snakemake has ended by that, the same command is given again. The weights have
to be the bytes of an undisturbed training without Slurm, and its log has to say that it went on
from a checkpoint. The short limit is two minutes: raise the steps where a training takes less. As
root the Slurm is installed if need be (packages slurm-wlm and munge). Minutes. Status 1: a training
ended otherwise; 2: it cannot be tried here.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import yaml
from support.slurm import NODES, Slurm, missing, running, wait_until
from support.slurm_study import SECONDS, SlurmStudy, longer
from support.workflow import make_workspace, snakemake

from rgmp.study import layout
from rgmp.study.resolve import resolve
from rgmp.training.job import WEIGHTS

NODE = NODES[0]


def requeue(slurm: Slurm, number: str) -> None:
    """As an administrator does, or a job of higher priority."""
    slurm.ask("scontrol", "requeue", number)


def cancel(slurm: Slurm, number: str) -> None:
    """As a user does."""
    slurm.ask("scancel", number)


def set_down(slurm: Slurm, number: str) -> None:
    """As an administrator does with a node, which comes back when the job has begun elsewhere."""
    slurm.ask("scontrol", "update", f"nodename={NODE}", "state=down", "reason=test")
    wait_until(lambda: slurm.restarts(number) > 0, SECONDS)
    slurm.ask("scontrol", "update", f"nodename={NODE}", "state=resume")


def kill_daemon(slurm: Slurm, _: str) -> None:
    """The node's daemon alone, for long enough that Slurm gives the node up: its job goes on."""
    slurm.kill_daemon(NODE)
    slurm.restart_node(NODE)


def kill_node(slurm: Slurm, _: str) -> None:
    """The node and all that is on it."""
    slurm.kill_node(NODE)
    slurm.restart_node(NODE)


def leave_alone(_: Slurm, __: str) -> None:
    """The training's time limit is shorter than the training."""


@dataclass(frozen=True)
class Interruption:
    """A way to interrupt a training.

    Attributes:
        interrupt: does it, to the job of a number.
        options: of Snakemake.
    """

    interrupt: Callable[[Slurm, str], None]
    options: tuple[str, ...] = ()


SHORT = ("--set-resources", "train:runtime=2", "train:slurm_extra='--signal=USR1@60'")
INTERRUPTIONS = {
    "requeued": Interruption(requeue),
    "cancelled": Interruption(cancel),
    "node set down": Interruption(set_down),
    "daemon killed": Interruption(kill_daemon),
    "node killed": Interruption(kill_node),
    "short limit": Interruption(leave_alone, SHORT),
}


def try_one(slurm: Slurm, workspace: Path, training: str, kind: Interruption) -> tuple[str, int]:
    """Train in a workspace, interrupted once.

    Returns:
        The number of the first job, and how often Snakemake was started.
    """
    target = f"results/tiny/{layout.record(training)}"
    with SlurmStudy(slurm, workspace, target, *kind.options) as first:
        number, _ = first.training_on(NODE)
        kind.interrupt(slurm, number)
        if first.process.wait(timeout=SECONDS) == 0:
            return number, 1
    with SlurmStudy(slurm, workspace, target, *kind.options) as second:
        if second.process.wait(timeout=SECONDS):
            raise RuntimeError(second.said.read_text(encoding="utf-8"))
    return number, 2


def try_all(root: Path, names: list[str], steps: int) -> bool:
    """Interrupt a training in each of these ways; whether all ended with the bytes of the first."""
    undisturbed = make_workspace(root / "undisturbed")
    (undisturbed / "seconds.yaml").write_text(yaml.safe_dump(longer(steps)), encoding="utf-8")
    with chdir(undisturbed):
        training = next(t.folder for t in resolve(Path("seconds.yaml")).trainings if not t.parent)
    weights = Path("results/tiny", training, WEIGHTS)
    workspaces = {
        name: shutil.copytree(undisturbed, root / name.replace(" ", "_")) for name in names
    }
    begun = time.monotonic()
    done = snakemake(undisturbed, f"results/tiny/{layout.record(training)}")
    if done.returncode:
        raise RuntimeError(done.stderr)
    print(f"undisturbed: {time.monotonic() - begun:.0f} s", flush=True)
    same = True
    with running(root / "slurm") as slurm:
        for name, workspace in workspaces.items():
            begun = time.monotonic()
            number, starts = try_one(slurm, workspace, training, INTERRUPTIONS[name])
            equal = (workspace / weights).read_bytes() == (undisturbed / weights).read_bytes()
            log = workspace / "results/tiny/logs/train" / training.removeprefix("weights/")
            last = log.with_suffix(".log").read_text(encoding="utf-8").splitlines()[0]
            same &= equal and last.startswith("resuming after step ")
            print(
                f"{name}: {time.monotonic() - begun:.0f} s, {slurm.restarts(number)} restarts, "
                f"Snakemake started {'once' if starts == 1 else 'twice'}, last log: "
                f"{last!r}, {'the same' if equal else 'OTHER'} bytes",
                flush=True,
            )
            wait_until(lambda: all(slurm.state(node) == "idle" for node in NODES), SECONDS)
    return same


def main() -> int:
    """Try what the command line says; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4000, help="of the training")
    parser.add_argument("names", nargs="*", help=f"some of: {', '.join(INTERRUPTIONS)}")
    options = parser.parse_args()
    if unknown := {*options.names} - {*INTERRUPTIONS}:
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(INTERRUPTIONS)}")
    why = missing()
    if why is not None:
        print(f"no Slurm: {why}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="slurm") as folder:
        return 0 if try_all(Path(folder), options.names or [*INTERRUPTIONS], options.steps) else 1


if __name__ == "__main__":
    sys.exit(main())
