"""Where a study's mirror in MLflow is: `mlflow.json`, which `rgmp track` leaves for the report."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from rgmp.errors import UserError
from rgmp.runtime.files import read_json, write_json
from rgmp.study import layout

STUDY = "study"
"""The run of the whole study."""
ABLATION_VIEW = "ablation"
"""The saved view of MLflow's table of runs that shows the variants with their scores."""
_NAVIGATION = "workflowType=machine_learning"
"""MLflow's menu for training, not that for chat, which is its default."""


def variant_run(variant: str) -> str:
    """The name of the run that sums up a variant."""
    return f"variants/{variant}"


def seed_run(variant: str | None, seed: int | None) -> str:
    """The name of the run that sums up a variant with one seed."""
    return f"{variant}/seed{seed}"


@dataclass(frozen=True)
class Runs:
    """Where the runs of MLflow are that mirror the study, as `rgmp track` has left it.

    Attributes:
        uri: of the store, without a password.
        experiment: its id there; None: nothing has been tracked.
        runs: name of a record, or of what sums some up -> id of its run.
    """

    uri: str
    experiment: str | None
    runs: dict[str, str]

    @property
    def page(self) -> str:
        """The page of the experiment: of the server, or of `mlflow ui` on this machine."""
        served = self.uri.startswith("http")
        server = self.uri.rstrip("/") if served else "http://127.0.0.1:5000"
        return f"{server}/#/experiments/{self.experiment}"

    @property
    def table(self) -> str:
        """The page of the variants with their scores."""
        return f"{self.page}/runs?viewStateShareKey={ABLATION_VIEW}&{_NAVIGATION}"

    @property
    def command(self) -> str | None:
        """What shows the store, where no server does."""
        if self.uri.startswith("http"):
            return None
        return f"mlflow ui --backend-store-uri {self.uri}"

    def comparison(self, names: list[str]) -> str | None:
        """The page that compares some runs."""
        ids = [self.runs[name] for name in names if name in self.runs]
        if len(ids) < 2:
            return None
        server = self.page.partition("#")[0]
        runs, experiments = quote(json.dumps(ids)), quote(json.dumps([self.experiment]))
        return f"{server}#/compare-runs?runs={runs}&experiments={experiments}&{_NAVIGATION}"


def runs_of(folder: Path) -> Runs:
    """Read what `rgmp track` has left in a study's folder; no runs, if it has not been called.

    Raises:
        UserError: the file is broken.
    """
    path = folder / layout.RUNS
    if not path.is_file():
        return Runs("", None, {})
    try:
        return TypeAdapter(Runs).validate_python(read_json(path))
    except ValidationError as error:
        raise UserError(
            f"{path}: not a list of MLflow runs; remove it and run `rgmp track {folder}`"
        ) from error


def write(folder: Path, runs: Runs) -> None:
    """Leave them for the report, unless they are there already."""
    path, content = folder / layout.RUNS, asdict(runs)
    if not path.is_file() or read_json(path) != content:
        write_json(path, content)
