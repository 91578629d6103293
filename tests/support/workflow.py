"""A folder with a study of seconds, and Snakemake in it."""

import re
import shutil
import subprocess
from collections import Counter
from contextlib import chdir
from pathlib import Path
from typing import Any

import yaml

from rgmp.runtime.files import write_text
from rgmp.study import layout
from rgmp.study.plan import Plan
from rgmp.study.resolve import resolve
from support import forked, tiny_study

PROJECT = Path(__file__).parents[2]
STUDY = tiny_study.STUDY | {
    "seeds": [0],
    "external": [
        {"name": "painter", "label": "Painter", "masks": {"davis2017": "given/masks"}},
        {"name": "reporter", "label": "Reporter", "scores": {"davis2016": "given/scores.csv"}},
    ],
}


def make_workspace(root: Path) -> Path:
    """A folder with data, a study, what others made of the data, and the project's variants."""
    tiny_study.write_tree(root)
    lines = ["sequence,object,frame,J,F"]
    for name in ("val_a", "val_b"):
        shutil.copytree(root / "davis/Annotations/480p" / name, root / "given/masks" / name)
        lines += [f"{name},1,{frame:05d},0.5,0.7" for frame in range(1, tiny_study.FRAMES - 1)]
    (root / "given/scores.csv").write_text("\n".join(lines))
    (root / "ablations").mkdir()
    for name in ("full", "no_synthetic", "no_reference", "winner_take_all"):
        shutil.copy(PROJECT / f"ablations/{name}.yaml", root / "ablations")
    (root / "seconds.yaml").write_text(yaml.safe_dump(STUDY))
    return root


def resolved(workspace: Path, change: dict[str, Any]) -> Plan:
    """The plan of the study with a change, whose data count as checked."""
    (workspace / "seconds.yaml").write_text(yaml.safe_dump(STUDY | change))
    with chdir(workspace):
        plan = resolve(Path("seconds.yaml"))
    for part in plan.checks:
        write_text(workspace / "results/tiny" / layout.record(f"data/{part}"), "{}")
    return plan


def snakemake(
    workspace: Path, *arguments: str, study: str | list[str] = "seconds.yaml"
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a workspace."""
    command = ["--snakefile", str(PROJECT / "Snakefile"), "--cores", "4", *arguments]
    files = [study] if isinstance(study, str) else study
    words = [*command, "--configfile", *files]
    return forked.run("snakemake", "snakemake.cli", words, workspace)


def planned(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """How many jobs of each rule a dry run announces; of all rules that evaluate together."""
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE)
    counts: Counter[str] = Counter()
    for rule, count in dict(found).items():  # it is announced twice
        counts["evaluate" if rule.startswith("evaluate_") else rule] += int(count)
    return counts
