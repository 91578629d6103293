"""A study that Snakemake runs on a Slurm by the project's profile, and its training runs there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.slurm import Slurm, wait_until
from support.workflow import PROJECT, STUDY

SECONDS = 900
"""How long anything may take."""


def longer(steps: int) -> dict[str, Any]:
    """The study of seconds with more steps, so that there is a checkpoint before something happens.

    Args:
        steps: of each training run.
    """
    stages = {stage: STUDY[stage] | {"steps": steps} for stage in ("pretrain", "finetune")}
    return STUDY | stages | {"machine": {"device": "cpu", "checkpoint_seconds": 1}}


class SlurmStudy:
    """Snakemake, as a process of its own, in a workspace whose study is `seconds.yaml`.

    Attributes:
        process: Snakemake.
        said: the file with what it has printed.
    """

    def __init__(
        self, slurm: Slurm, workspace: Path, *targets: str, programs: Path | None = None
    ) -> None:
        """Run the targets; options of Snakemake may be among them.

        Args:
            slurm: where.
            workspace: with the study.
            targets: and options.
            programs: a folder of programs that its jobs run in place of others of the same name.
        """
        self._slurm, self._workspace = slurm, workspace
        profile = PROJECT / "workflow/profiles/slurm"
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")]
        command += [*targets, "--workflow-profile", str(profile), "--configfile", "seconds.yaml"]
        command += ["--slurm-init-seconds-before-status-checks", "3"]
        environment = dict(slurm.environment)
        if programs:
            environment["PATH"] = f"{programs}:{environment['PATH']}"
        self.said = workspace / "snakemake.log"
        with self.said.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                command,
                cwd=workspace,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> "SlurmStudy":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)

    def training_on(self, node: str) -> tuple[str, str]:
        """The number and the name of a training that has a checkpoint, once one runs on a node."""
        found: list[tuple[str, str]] = []

        def is_found() -> bool:
            assert self.process.poll() is None, self.said.read_text(encoding="utf-8")
            for number, (state, place, rule) in self._slurm.jobs().items():
                named = re.fullmatch("rule_train_wildcards_tiny_(pretrain|finetune)_(.*)", rule)
                if (state, place) == ("RUNNING", node) and named:
                    folder = self._workspace / f"results/tiny/weights/{named[1]}/{named[2]}"
                    if [*folder.glob("checkpoints/*.pt")]:
                        found.append((number, f"{named[1]}/{named[2]}"))
            return bool(found)

        wait_until(is_found, SECONDS)
        return found[0]
