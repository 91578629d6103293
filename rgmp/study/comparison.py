"""A study that only compares external methods, resolved to a comparison for each benchmark.

It has no training, no `full` and no seeds, so that it has a plan of its own. Below its folder each
benchmark has one, with what `rgmp compare` makes: tables, figures, a report.
"""

from pathlib import Path
from typing import Literal

from rgmp.config.base import Benchmark, Closed, Line
from rgmp.config.comparison import Comparison
from rgmp.config.load import load_comparison, validated
from rgmp.data.roots import DataRoots
from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.evaluation.methods import ComparisonJob, Method
from rgmp.runtime import digest_cache
from rgmp.runtime.digest_cache import Digests
from rgmp.runtime.files import digest_of, read_json, require_writable
from rgmp.study import layout
from rgmp.study.missing import of_external, of_videos, require_there
from rgmp.study.plan import COMPARISON, Plan
from rgmp.study.planned import PlannedExternal
from rgmp.study.resolve import digest_of_videos, find_external, require_no_table, resolve, roots_of


class ComparisonPlan(Closed):
    """A resolved comparison, stored as `plan.json`.

    Attributes:
        kind: tells it from the plan of a study that trains.
        digests: of the videos of each benchmark.
    """

    kind: Literal["comparison"] = COMPARISON
    study: str
    title: Line
    file: str
    data: DataRoots
    digests: dict[Benchmark, str]
    benchmarks: tuple[Benchmark, ...]
    split: str
    margin: float
    external: tuple[PlannedExternal, ...]

    def methods(self, benchmark: Benchmark) -> tuple[Method, ...]:
        """The methods that have masks or scores for a benchmark."""
        return tuple(
            Method(
                name=one.name,
                label=one.label,
                trainings=({**one.masks, **one.scores}[benchmark],),
                protocol=one.protocol,
            )
            for one in self.external
            if benchmark in one.benchmarks
        )

    def job(self, benchmark: str, folder: Path) -> ComparisonJob:
        """The comparison on a benchmark, with files below the study's folder.

        Raises:
            UserError: the plan has no such benchmark.
        """
        for known in self.benchmarks:
            if known == benchmark:
                return ComparisonJob(
                    videos=Videos.of(self.data, known, self.split),
                    methods=self.methods(known),
                    title=self.title,
                    out=folder / layout.comparison(known),
                    margin=self.margin,
                )
        raise UserError(
            f"{benchmark}: no benchmark of {folder / layout.PLAN}; "
            f"name one of {', '.join(self.benchmarks)}"
        )

    def digest(self, benchmark: Benchmark) -> str:
        """A digest of what a comparison depends on, except the paths of files."""
        job = self.job(benchmark, Path()).model_dump(mode="json", include={"title", "margin"})
        methods = [
            m.model_dump(mode="json", exclude={"trainings"}) for m in self.methods(benchmark)
        ]
        given = {one.name: one.digests.get(benchmark) for one in self.external}
        return digest_of([job, methods, given, self.digests[benchmark], benchmark, self.split])


def resolve_any(path: Path, results: Path = Path("results")) -> Plan | ComparisonPlan:
    """The plan of a study file, of either kind.

    Raises:
        UserError: as `rgmp.study.resolve.resolve`.
    """
    study = load_comparison(path)
    return resolve(path, results=results) if study is None else _resolved(study, path, results)


def _resolved(study: Comparison, path: Path, results: Path) -> ComparisonPlan:
    """Find masks, scores and videos, and identify them by digests of their bytes."""
    folder = results / study.study
    require_writable(folder)
    digests = Digests(results / digest_cache.FILE)
    require_no_table(study.data.sets, path)
    require_there((*of_videos(study.data, study.benchmarks), *of_external(study.external)))
    data = roots_of(study.data)
    external = tuple(find_external(one, (), digests) for one in study.external)
    videos = {
        benchmark: digest_of_videos(Videos.of(data, benchmark, study.split), digests, scored=True)
        for benchmark in study.benchmarks
    }
    digests.save()
    return ComparisonPlan(
        study=study.study,
        title=study.title,
        file=str(path),
        data=data,
        digests=videos,
        benchmarks=study.benchmarks,
        split=study.split,
        margin=study.margin,
        external=external,
    )


def load_comparison_plan(folder: Path) -> ComparisonPlan:
    """Read `plan.json` of a study that only compares.

    Raises:
        UserError: it is of another version of this package.
    """
    path = folder / layout.PLAN
    try:
        return validated(ComparisonPlan, read_json(path), path)
    except UserError as error:
        raise UserError(f"{error}; run `rgmp plan STUDY.yaml` again") from error
