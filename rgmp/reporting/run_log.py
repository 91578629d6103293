"""What a run of the workflow says while it runs: what is to be done, and a line for each job.

The workflow makes one of these when it starts, and hands it to Snakemake's logger, whose plugin
`snakemake_logger_plugin_rgmp` asks it for a line whenever a job ends. A job of Snakemake's is known
by the files that it makes, since its record is one of them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from rgmp.errors import UserError, visible
from rgmp.provenance.record import Record, read
from rgmp.reporting.planning import size_in_words
from rgmp.runtime.clock import in_minutes
from rgmp.runtime.quantities import counted, duration
from rgmp.study import layout
from rgmp.study.jobs import Job, Kind, Sizes, jobs_of, sizes_of
from rgmp.study.plan import Plan
from rgmp.study.references import files_of, reference_of
from rgmp.study.remaining import Remaining, remaining_of

_SPEAK: set[Kind] = {"check", "cross-check", "archive", "track", "agree"}
"""The commands whose last line is for whoever runs the study; it is in their log."""
_MOST = 20
"""Lines of a log that are shown of a job that failed, where the user has made a mistake."""


class RunLog:
    """What one run of the workflow says."""

    def __init__(
        self, plan: Plan, folder: Path, due: Mapping[int, Iterable[str]], cores: int | None
    ) -> None:
        """Before the first job starts.

        Args:
            plan: of the study.
            folder: of the study.
            due: the paths of the files that each job of this run makes, by Snakemake's number of
                the job.
            cores: that its jobs may use at once; None: they run elsewhere.
        """
        self._plan, self._folder = plan, folder
        self._every = jobs_of(plan, self._sizes(), compared=bool(self._reference()))
        made_by = {path: job for job in self._every for path in self._files(job)}
        made = {n: [made_by[path] for path in paths if path in made_by] for n, paths in due.items()}
        self._due = {number: jobs[0] for number, jobs in made.items() if jobs}
        self._done = 0
        self._running: dict[int, str] = {}
        self._remaining: Remaining | None = None
        with suppress(UserError, OSError):  # no run fails because its time is not known
            self._remaining = remaining_of(plan, folder, [*self._due.values()], cores)
        self._failed: dict[str, list[str]] = {}  # with their logs

    def _sizes(self) -> Sizes:
        """How much there is to do; a tree that cannot be read is for its check to report."""
        try:
            return sizes_of(self._plan, self._folder)
        except (UserError, OSError):
            return {}

    def _reference(self) -> tuple[Path, ...]:
        return files_of(reference_of(self._folder))

    def _files(self, job: Job) -> list[str]:
        """The files by which a job is known: its records, or what it makes in their place."""
        made = [layout.record(name) for name in job.records] or [layout.AGREEMENT]
        return [str(self._folder / path) for path in made]

    def heading(self) -> Iterator[str]:
        """What the run is going to do, in lines."""
        plan = self._plan
        yield f"{plan.study}: {plan.title}"
        alone = sum(len(run.trainings) for variant in plan.variants for run in variant.runs)
        shared = "" if alone == len(plan.trainings) else f"; unshared they would be {alone}"
        yield f"  {size_in_words(plan)}, {counted(len(plan.seeds), 'seed')}{shared}"
        sorts = Counter(job.sort for job in self._in_order())
        others = len(self._every) - len(self._due)
        whole = f" of {len(self._every)}" if others else ""
        counts = ", ".join(f"{name} {count}" for name, count in sorts.items())
        yield f"  to do: {counted(len(self._due), 'job')}{whole}: {counts}"
        yield f"  {self._expected()}"
        yield f"  results in {self._folder}, logs of jobs in {self._folder / layout.LOGS}"

    def _expected(self) -> str:
        """How long it takes, as far as that is known."""
        if self._remaining is None or self._remaining.seconds is None:
            return "how long it takes is not known (`rgmp plan` can measure it)"
        room, device = self._remaining.room, self._remaining.device
        gpus = f"{counted(room.gpus, 'GPU')} and " if room.gpus else ""
        planned = f"{duration(self._remaining.seconds)} with {gpus}{counted(room.cores, 'core')}"
        sources = ", ".join(self._remaining.sources)
        other = f", some of them not of {device}" if device else ""
        return f"about {planned}; costs from {sources}{other}"

    def _in_order(self) -> list[Job]:
        """The jobs of this run in the order of the plan."""
        due = {job.name for job in self._due.values()}
        return [job for job in self._every if job.name in due]

    def begin(self, number: int, message: str, now: float) -> None:
        """A job starts.

        Args:
            number: Snakemake's, of the job.
            message: what its rule says of it.
            now: seconds since the run started.
        """
        job = self._due.get(number)
        self._running[number] = self._name(job) if job else message
        if self._remaining and job:
            self._remaining.begin(job.name, now)

    def end(self, number: int, logs: Iterable[str], now: float) -> list[str]:
        """A job is done: a line for each of its results, or one for itself.

        Args:
            number: as when it started.
            logs: that it wrote.
            now: seconds since the run started.
        """
        named, job = self._running.pop(number, ""), self._due.get(number)
        if job is None:  # it only names what all others are to make
            return []
        self._done += 1
        self._failed.pop(named, None)  # where it was tried again
        if self._remaining:
            self._remaining.end(job.name)
        told = self._results(job) or [" ".join([named, *self._said(job, logs)])]
        at = f"[{self._done:{len(str(len(self._due)))}}/{len(self._due)}]"
        *others, last = (f"{at} {visible(line)}" for line in told)
        return [*others, "   ".join([last, *self._left(now)])]

    def fail(self, number: int, message: str, logs: Iterable[str], now: float) -> list[str]:
        """A job has failed: what it was, what it said last, and where the rest of that is.

        Args:
            number: as when it started.
            message: what its rule is called, if it never did.
            logs: that it wrote.
            now: seconds since the run started.
        """
        paths = [*logs]
        said = next(filter(None, map(_last_words, paths)), ["it said nothing"])
        named, job = self._running.pop(number, message), self._due.get(number)
        self._failed[named] = paths
        if self._remaining and job:
            self._remaining.give_up(job.name, now)
        ended = "STOPPED" if said[-1] == "rgmp: interrupted" else "FAILED"
        lines = [f"{ended} {named}", *(f"  {visible(line)}" for line in said)]
        return lines + [f"  log: {path}" for path in paths]

    def status(self, now: float) -> str:
        """What is running, on one line."""
        running = ", ".join(self._running.values())
        return "   ".join([f"running: {running}", *self._left(now)]) if running else ""

    def closing(self) -> Iterator[str]:
        """What is said at the end of a run in which jobs failed: which, and what to do."""
        if self._failed:
            yield f"{self._done} of {counted(len(self._due), 'job')} done; failed or stopped:"
            for named, logs in self._failed.items():
                yield "  ".join([f"  {named}", *logs])
            yield "The same command goes on from there."

    def _left(self, now: float) -> list[str]:
        """The time that is left, if it is known and not over."""
        left = self._remaining.at(now) if self._remaining else None
        return [f"{in_minutes(left)} left"] if left and left >= 1 else []

    def _name(self, job: Job) -> str:
        """What a job is called: a training run without the digest of its settings."""
        for training in self._plan.trainings:
            if job.stage and job.leaves == training.folder:
                return f"{training.stage} {training.variants[0]} seed {training.seed}"
        return job.name

    def _results(self, job: Job) -> list[str]:
        """The results of a job that evaluates or times: a line for each method with its seed."""
        found: dict[str, list[str]] = {}
        with suppress(UserError):  # no run fails because of what is said of it
            for name in job.records:
                record = read(self._folder / layout.record(name))
                if (told := self._measured(record)) is not None:
                    found.setdefault(_method(record), []).append(told)
        return [f"{method}  {'; '.join(told)}" for method, told in found.items()]

    def _measured(self, record: Record) -> str | None:
        """What a record of scores or of a timing says first; None: it is of something else."""
        for benchmark in self._plan.benchmarks:
            if record["benchmark"] == benchmark:
                where = self._plan.title_of(benchmark)
                match record["kind"], record["results"]:
                    case "score", {"J&F": float(accuracy)}:
                        return f"J&F {100 * accuracy:.1f} {where}"
                    case "speed", {"fps_full": float(rate)}:
                        return f"{rate:.1f} frames/s {where}"
        return None

    def _said(self, job: Job, logs: Iterable[str]) -> list[str]:
        """The last line of the log of a job whose command speaks to whoever runs the study."""
        if job.kind not in _SPEAK:
            return []
        return [f" {line}" for path in logs for line in _last_words(path)[-1:]]


def _method(record: Record) -> str:
    """The method, seed and step that a record of scores is of; a timing names `full` alone."""
    if record["kind"] == "speed":
        return "full"
    *_, last = record["name"].split("/")
    seed = "" if record["seed"] is None else f" seed {record['seed']}"
    return f"{record['variant']}{seed}" + (f" {last}" if last.startswith("step") else "")


def _last_words(log: str) -> list[str]:
    """What a log ends with: the lines for the user's mistakes, else its last line."""
    try:
        text = Path(log).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("rgmp: ")]
    return ours[-_MOST:] or lines[-1:]
