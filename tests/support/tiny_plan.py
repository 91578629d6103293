"""Plans of the tiny study in the working folder, as changed and with the variants there."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from rgmp.study import resolve
from rgmp.study.plan import Plan
from support.tiny_study import STUDY

USER_VARIANTS = ("full", "no_bptt", "no_reference", "no_synthetic", "winner_take_all")
Change = Callable[[dict[str, Any]], object]


def resolved(change: Change = dict) -> Plan:
    """The tiny study's plan, after a change to the study."""
    study = copy.deepcopy(STUDY)
    change(study)
    Path("study.yaml").write_text(yaml.safe_dump(study))
    return resolve.resolve(Path("study.yaml"))


def put(key: str, value: Any) -> Change:
    """A change that sets one key of the study, such as `pretrain.steps`."""
    *outer, last = key.split(".")

    def change(study: dict[str, Any]) -> None:
        for part in outer:
            study = study.setdefault(part, {})
        study[last] = value

    return change


def write_variant(name: str, **overrides: Any) -> None:
    """Add a variant with these overrides."""
    text = yaml.safe_dump({"label": name, "claim": "none", "overrides": overrides})
    Path(f"ablations/{name}.yaml").write_text(text)


def identities(of: Plan, variant: str = "full", seed: int = 0) -> tuple[str, ...]:
    """Those of a variant's training runs, pretrain first."""
    return next(run.trainings for run in of.variant(variant).runs if run.seed == seed)


def folders(of: Plan) -> set[str]:
    return {training.folder for training in of.trainings}
