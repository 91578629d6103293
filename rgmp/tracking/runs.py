"""A study's files as MLflow runs; `rgmp.tracking.store` writes them.

There is one run for the study (with tables and figures) and one for each variant, with its row of
the ablation table: mean, standard deviation, interval, verdict. Below a variant there is one run
for each seed, with its final scores, and below these one for each record. A training run that
several variants share is one MLflow run, below the first of them; all of them link to it. Runs
meant for comparison have few parameters and metrics, with the same names in every study.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rgmp.provenance.record import read_all
from rgmp.runtime.files import files_below
from rgmp.study import layout, table_files
from rgmp.study.mlflow_links import STUDY, seed_run, variant_run
from rgmp.study.plan import Plan
from rgmp.study.planned import PlannedVariant, Run, Training
from rgmp.study.timing import read_speed_files, summary_of
from rgmp.tracking import measures, sentences
from rgmp.tracking.jobs import data_of, jobs, provenance
from rgmp.tracking.mirror import Mirror, Status, flat, milliseconds, text


def read_mirrors(plan: Plan, folder: Path) -> list[Mirror]:
    """Every run that a study's files require; parents come before their children.

    Raises:
        UserError: a record, a speed file or the ablation table is broken.
    """
    records = [record for record in read_all(folder) if record["kind"] != "track"]
    children = jobs(plan, records, folder)
    below = defaultdict(list)
    for child in children:
        below[child.parent].append(child)
    study = _Study.read(plan, folder)
    seeds = {
        variant.name: [study.seed(variant, run, below) for run in variant.runs]
        for variant in plan.variants
    }
    variants = [study.variant(variant, seeds[variant.name]) for variant in plan.variants]
    whole = _study(plan, folder, variants, below[STUDY], len(records), study.planned)
    return [whole, *variants, *(run for runs in seeds.values() for run in runs), *children]


def _study(
    plan: Plan,
    folder: Path,
    variants: Sequence[Mirror],
    others: Sequence[Mirror],
    records: int,
    planned: int,
) -> Mirror:
    """The run of the whole study, with its tables and figures."""
    rendered = [
        path for name in (layout.TABLES, layout.FIGURES) for path in files_below(folder / name)
    ]
    logs = files_below(folder / layout.LOGS)
    started, ended = _times([*variants, *others], planned)
    return Mirror(
        name=STUDY,
        title=plan.study,
        parent=None,
        sums_up=True,
        status=_status(all(variant.status == "FINISHED" for variant in variants)),
        started=started,
        ended=ended,
        tags={
            "kind": STUDY,
            "study": plan.study,
            "embedded": text(plan.embedded),
            "mlflow.source.name": plan.file,
            **_code([run.tags for run in (*variants, *others)]),
        },
        note=sentences.of_study(plan),
        params={"benchmarks": text(plan.benchmarks), "split": plan.split},
        metrics={"records": records},
        artifacts=[
            (path, path.relative_to(folder).parent.as_posix().removeprefix("."))
            for path in (*rendered, *logs, folder / layout.PLAN)
            if path.is_file()
        ],
    )


@dataclass(frozen=True)
class _Study:
    """What the runs of variants and seeds are made from.

    Attributes:
        plan: of the study.
        planned: when that was, in milliseconds since 1970.
        changed: the settings that any variant changes.
        rows: each variant's rows of the table `ablation`, as far as it is there.
        speed: each variant's speeds, by their names in MLflow.
    """

    plan: Plan
    planned: int
    changed: Collection[str]
    rows: Mapping[str, Sequence[Mapping[Hashable, Any]]]
    speed: Mapping[str, Mapping[str, float]]

    @classmethod
    def read(cls, plan: Plan, folder: Path) -> "_Study":
        rows = defaultdict(list)
        if table_files.path_of(folder, "ablation").is_file():
            for row in table_files.read(folder, "ablation").to_dict("records"):
                rows[row["variant"]].append(row)
        speed: dict[str, dict[str, float]] = defaultdict(dict)
        for benchmark, timed in read_speed_files(plan, folder).items():
            for variant in plan.variants:
                summary = summary_of(plan, timed, benchmark, variant)
                speed[variant.name] |= measures.speed(benchmark, summary)
        return cls(
            plan,
            milliseconds((folder / layout.PLAN).stat().st_mtime),
            {key for variant in plan.variants for key in flat(variant.overrides)},
            rows,
            speed,
        )

    def variant(self, variant: PlannedVariant, seeds: Sequence[Mirror]) -> Mirror:
        """The run of a variant: its changed settings, its row of the ablation table, its speed."""
        rows = self.rows.get(variant.name, [])
        metrics = {key: value for row in rows for key, value in measures.summary(row).items()}
        words = {key: value for row in rows for key, value in measures.words(row).items()}
        started, ended = _times(seeds, self.planned)
        params = {key: value for key, value in seeds[0].params.items() if key != "seed"}
        return Mirror(
            name=variant_run(variant.name),
            title=variant.label,
            parent=None,
            sums_up=True,
            status=_status(all(seed.status == "FINISHED" for seed in seeds)),
            started=started,
            ended=ended,
            tags=self._tags(variant)
            | {"kind": "variant", "seeds": text([run.seed for run in variant.runs])}
            | words
            | _code([seed.tags for seed in seeds]),
            note=sentences.of_variant(self.plan, variant, rows),
            data=sorted({data for seed in seeds for data in seed.data}),
            params=params,
            metrics={**metrics, **self.speed.get(variant.name, {})},
        )

    def seed(
        self, variant: PlannedVariant, run: Run, below: Mapping[str | None, Sequence[Mirror]]
    ) -> Mirror:
        """The run of a variant with one seed: its changed settings, final scores and speed."""
        plan, name = self.plan, seed_run(variant.name, run.seed)
        trainings = [plan.training(identity) for identity in run.trainings]
        records = [child.record for child in below.get(name, []) if child.record]
        # not those of earlier checkpoints, which are runs of their own
        scores = [record for record in records if f"{record['name']}.csv" in plan.scores]
        finals = {key: value for s in scores for key, value in measures.numbers(s).items()}
        read = {data for record in scores for data in data_of(record)}
        read |= {(f"{plan.study}/{t.stage}", t.data, "training") for t in trainings}
        scored = {record["benchmark"] for record in scores}
        started, ended = _times(below.get(name, []), self.planned)
        return Mirror(
            name=name,
            title=f"{variant.name} seed {run.seed}",
            parent=variant_run(variant.name),
            sums_up=True,
            status=_status(scored >= set(plan.benchmarks)),
            started=started,
            ended=ended,
            tags=self._tags(variant)
            | {"kind": "seed", "seed": str(run.seed)}
            | {f"training.{training.stage}": training.folder for training in trainings}
            | ({"identity": trainings[-1].identity} if trainings else {})
            | provenance(records),
            note=sentences.of_seed(variant, run.seed),
            links={training.stage: training.folder for training in trainings},
            data=sorted(read),
            model=trainings[-1].folder if trainings else None,
            params={"variant": variant.name, "seed": str(run.seed)}
            | self._varied_settings(variant, trainings),
            metrics={**finals, **self.speed.get(variant.name, {})},
        )

    def _tags(self, variant: PlannedVariant) -> dict[str, str]:
        return {
            "study": self.plan.study,
            "variant": variant.name,
            "label": variant.label,
            "mlflow.source.name": self.plan.file,
        }

    def _varied_settings(
        self, variant: PlannedVariant, trainings: Sequence[Training]
    ) -> dict[str, str]:
        """A variant's values of the settings that any variant changes, to keep columns few."""
        settings: dict[str, Any] = {
            "stages": [training.stage for training in trainings],
            "inference": variant.inference.model_dump(mode="json"),
        }
        for training in trainings:
            settings |= training.config
        return {key: value for key, value in flat(settings).items() if key in self.changed}


def _status(complete: bool) -> Status:
    return "FINISHED" if complete else "SCHEDULED"


def _times(below: Sequence[Mirror], otherwise: int) -> tuple[int, int]:
    """When the first of some runs started, and when all would have ended without a pause."""
    started = min((run.started for run in below), default=otherwise)
    return started, started + sum(run.milliseconds for run in below)


def _code(below: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The commit of some runs, by their tags, if they have one in common."""
    keys = ("mlflow.source.git.commit", "mlflow.source.git.dirty")
    shared = {key: {tags[key] for tags in below if key in tags} for key in keys}
    return {key: next(iter(found)) for key, found in shared.items() if len(found) == 1}
