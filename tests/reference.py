"""Renew results/reference/ and the documents' tables from finished studies: `make reference`.

    python tests/reference.py                   # every study that has a place in a document
    python tests/reference.py mini              # or those named

copies what a reader needs of results/mini (plan, scores, speed files, records, difficulties,
tables, pictures of figures) to results/reference/mini. Without such a folder tables and figures of
the reference are made again from its own scores; those of masks and training curves, which it does
not have, stay as they are, and figures/README.md and a line say since when. Where there is neither,
the study is run. Then its table in the README, or in another document, is printed anew from
tables/ablation.csv, and the variation that `rgmp power` plans studies by is that of the study named
in `BASIS`.

A study that takes long is kept while it runs:

    python tests/reference.py embedded --whole-seeds
    python tests/reference.py embedded --restore

The first copies the scores and records of the seeds that every variant has, to be committed. The
second makes results/embedded from them where there is no such folder, such as in a new clone; then
the study, run as ever, runs the first seed and those that are missing.

    python tests/reference.py --selftest FOLDER

keeps what `rgmp selftest --out FOLDER` found on a GPU in results/reference/gpu, and says it in the
README and in docs/speed.md. Until then they say that nothing was measured on any.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rgmp.config.study import SEVERAL
from rgmp.data.attributes import FILE
from rgmp.evaluation.power import POWER
from rgmp.provenance.record import RECORDS
from rgmp.reporting import catalog, power
from rgmp.runtime.files import read_json, write_json
from rgmp.runtime.quantities import interval, points, with_spread
from rgmp.runtime.tidy import rows_of
from rgmp.selftest.published import block, publish, sentence
from rgmp.study import layout, table_files
from rgmp.study.longer import samples_of
from rgmp.study.paper_order import paper_order
from rgmp.study.plan import Plan, load_plan
from rgmp.study.preregistration import remember_claims

PROJECT = Path(__file__).parents[1]
README = PROJECT / "README.md"
DOCUMENTS = (README, *sorted((PROJECT / "docs").glob("*.md")))
RESULTS = PROJECT / "results"
REFERENCE = RESULTS / layout.REFERENCES
GPU = REFERENCE / "gpu"
BASIS = "embedded"
"""The study whose variation `rgmp power STUDY.yaml` plans others by."""
MEASURED = (layout.PLAN, layout.FIRST, RECORDS, layout.SCORES, layout.SPEED)
KEPT = (*MEASURED, f"{layout.DAVIS}/{FILE}", layout.TABLES, f"{layout.FIGURES}/*.png")


def printed_block(folder: Path, document: Path) -> str:
    """What a document shows of a study, in Markdown: what it is, its table, and how to read it.

    The README has room for J&F and verdicts; its figure has the differences.
    """
    plan, table = load_plan(folder), table_files.read(folder, "ablation")
    samples = sum(samples_of(plan).values())
    sequences = table_files.read(folder, "objects")["sequence"].nunique()
    about = (
        f"Study `{plan.study}`: {samples:,} training samples, {len(plan.variants)} variants, "
        f"{len(plan.seeds)} seeds, {sequences} sequences."
    )
    several = rows_of(table_files.read(folder, "difficulty"), difficulty=SEVERAL)
    if document == README:
        return "\n\n".join([about, short_table(plan, table, several), *_on_mixed(table)])
    notes = (
        *_on_several_objects(several),
        *_on_undecided(plan, table, several),
        *_on_mixed(table),
    )
    return "\n\n".join([about, printed_table(plan, table, several), *notes])


def short_table(plan: Plan, table: pd.DataFrame, several: pd.DataFrame) -> str:
    """A study's table in Markdown: J&F and verdict on each benchmark; arguments as below."""
    columns = _rows_of(plan, table)
    for title, rows in _by_benchmark(plan, table, several, columns["variant"]):
        columns[title] = [
            ", ".join(filter(None, (with_spread(row["J&F"], row["J&F_spread"]), _verdict(row))))
            for row in rows
        ]
    return _as_markdown(columns)


def printed_table(plan: Plan, table: pd.DataFrame, several: pd.DataFrame) -> str:
    """A study's table in Markdown: J&F, difference and verdict on each benchmark.

    Args:
        plan: of the study.
        table: its table `ablation`.
        several: of its table `difficulty`, the rows on sequences with several objects, of variants
            that differ from `full` there alone: their verdicts stand beside those over all.
    """
    columns = _rows_of(plan, table)
    for title, rows in _by_benchmark(plan, table, several, columns["variant"]):
        columns[f"{title}: J&F"] = [with_spread(row["J&F"], row["J&F_spread"]) for row in rows]
        columns[f"{title}: difference"] = [_difference(row) for row in rows]
    return _as_markdown(columns)


def _rows_of(plan: Plan, table: pd.DataFrame) -> dict[str, list[str]]:
    """The column that names the rows: variants in the order of the paper, then the others."""
    ours = [plan.variant(name).label for name in paper_order(plan)]
    return {"variant": [*dict.fromkeys([*ours, *table["label"]])]}


def _by_benchmark(
    plan: Plan, table: pd.DataFrame, several: pd.DataFrame, labels: list[str]
) -> Iterator[tuple[str, list[pd.Series]]]:
    """What each benchmark is called, and its rows in the order of some labels.

    `on_several` of a row is the verdict on sequences with several objects, where the rest are the
    same; else "".
    """
    for benchmark in dict.fromkeys(table["benchmark"]):
        rows = rows_of(table, benchmark=benchmark).set_index("label").loc[labels]
        there = rows_of(several, benchmark=benchmark).set_index("label")["difference_verdict"]
        rows["on_several"] = there.reindex(labels).fillna("").to_numpy()
        yield plan.title_of(benchmark), [row for _, row in rows.iterrows()]


def _as_markdown(columns: dict[str, list[str]]) -> str:
    return str(pd.DataFrame(columns).to_markdown(index=False, disable_numparse=True))


def _on_several_objects(several: pd.DataFrame) -> Iterator[str]:
    """Which rows differ from `full` on a part of the sequences alone."""
    names = dict.fromkeys(several["label"])
    if names:
        yield (
            f"Over all: {' and '.join(names)} change nothing where there is one object; their "
            f"claims are answered on {SEVERAL} (`tables/difficulty.md`)."
        )


def _on_undecided(plan: Plan, table: pd.DataFrame, several: pd.DataFrame) -> Iterator[str]:
    """The size that finds a difference of the margin, of each undecided row, in order of print.

    Of a variant that differs from `full` on several objects alone it is that of the row there.
    """
    places = {name: place for place, name in enumerate(paper_order(plan))}
    keys = ["benchmark", "variant"]
    over_all = pd.MultiIndex.from_frame(table[keys]).isin(pd.MultiIndex.from_frame(several[keys]))
    rows = pd.concat([table[~over_all], several])
    rows = rows_of(rows, difference_verdict="undecided")
    rows = rows.sort_values("variant", key=lambda names: names.map(places), kind="stable")
    found = [
        f"{row['label']} ({_where(plan, row)}), ± "
        f"{points((row['difference_high'] - row['difference_low']) / 2)}: "
        + (
            f"{row['deciding_seeds']} seeds on {row['deciding_sequences']} sequences"
            if pd.notna(row["deciding_seeds"])
            else "more than 64 seeds on 2,048 sequences"
        )
        for row in rows.to_dict("records")
    ]
    if found:
        yield (
            "Undecided, half the width of the interval, and the size that finds a difference of "
            f"{plan.margin:g} points with {POWER:.0%} power: {'; '.join(found)}."
        )


def _where(plan: Plan, row: Mapping[Hashable, Any]) -> str:
    """`embedded, objects`; of a row on several objects alone, that too."""
    title = plan.title_of(row["benchmark"])
    return title if pd.isna(row["difficulty"]) else f"{title}, {SEVERAL}"


def _on_mixed(table: pd.DataFrame) -> Iterator[str]:
    """Which rows rest on records of another provenance than the others'."""
    labels = dict.fromkeys(table.loc[table["mixed"].fillna(value=False), "label"])
    if labels:
        yield (
            f"Of other sources, data or machine than the rest: {', '.join(labels)} (the report "
            "says in what)."
        )


def _difference(row: pd.Series) -> str:
    """The difference with its interval and verdict; nothing for `full` and what has none."""
    verdict = _verdict(row)
    if verdict in {"", "same computation"}:
        return verdict
    ends = (row[f"difference_{end}"] for end in ("mean", "low", "high"))
    return f"{interval(*ends)} {verdict}"


def _verdict(row: pd.Series) -> str:
    """The verdict, and that on sequences with several objects where the rest are the same."""
    beside = f" over all; {SEVERAL}: {row['on_several']}" if row["on_several"] else ""
    return f"{row['difference_verdict']}{beside}"


_BEGIN, _END = "<!-- table of {} -->\n", "\n<!-- end of table -->"


def places() -> list[tuple[str, Path]]:
    """Each study that has a place in a document, with the document."""
    return [
        (study, document)
        for document in DOCUMENTS
        for study in re.findall(_BEGIN.format(r"(\w+)"), document.read_text(encoding="utf-8"))
        if study != GPU.name
    ]


def block_of(text: str, study: str) -> re.Match[str]:
    """The place of a study in a document, between two comments.

    Raises:
        ValueError: there is none.
    """
    begin = _BEGIN.format(study)
    found = re.search(rf"(?<={re.escape(begin)}).*?(?={re.escape(_END)})", text, re.DOTALL)
    if found is None:
        raise ValueError(f"there is no table between {begin!r} and {_END!r}")
    return found


def of_gpu() -> dict[Path, str]:
    """What documents say of the speed of a GPU, by document."""
    return {PROJECT / "README.md": sentence(GPU), PROJECT / "docs/speed.md": block(GPU)}


def renew_gpu(source: Path | None) -> None:
    """Keep the results of a selftest, if one is named; and say in the documents what is kept.

    Raises:
        UserError: they are not of a GPU.
    """
    if source is not None:
        publish(source, GPU)
    for document, told in of_gpu().items():
        text = document.read_text(encoding="utf-8")
        place = block_of(text, GPU.name)
        text = text[: place.start()] + told + text[place.end() :]
        document.write_text(text, encoding="utf-8")


def is_finished(folder: Path) -> bool:
    """Whether a folder is a study's and has everything that its tables rest on."""
    planned = (folder / layout.PLAN).is_file()
    return planned and all((folder / name).is_file() for name in load_plan(folder).measured)


def renew(study: str) -> None:
    """Copy a finished study, or make the reference's tables and figures again from its scores.

    A study of which there is neither is run first.
    """
    finished, kept = RESULTS / study, REFERENCE / study
    whole = is_finished(finished) and (finished / layout.REPORT).is_file()
    if not whole and is_finished(kept):
        _make_again(kept)
    else:
        if not whole:
            _run(study)
        _replace(finished, kept, KEPT)
    _leave_out_hosts(kept / RECORDS)
    (kept / layout.AGREEMENT).unlink(missing_ok=True)  # with what is replaced here
    for estimate in (kept / layout.FIRST).glob("estimate-*"):  # of one machine
        estimate.unlink()
    plan = load_plan(kept)
    for variant in plan.variants:  # as its plan was when it ran
        remember_claims(plan, variant.name, kept)
    if study == BASIS:
        shutil.copy2(table_files.path_of(kept, "ablation"), power.REFERENCE)
    for document in [document for name, document in places() if name == study]:
        text = document.read_text(encoding="utf-8")
        place = block_of(text, study)
        text = text[: place.start()] + printed_block(kept, document) + text[place.end() :]
        document.write_text(text, encoding="utf-8")


def _run(study: str) -> None:
    """Run a study as its users do."""
    file = PROJECT / f"workflow/config/{study}.yaml"
    print(f"{study}: not finished; it is run", file=sys.stderr)
    command = ["snakemake", "--cores", "all", "all", "--configfile", str(file)]
    subprocess.run(command, cwd=PROJECT, check=True)


def _leave_out_hosts(records: Path) -> None:
    """Remove the names of machines from records: the reference is public."""
    for path in records.rglob("*.json"):
        record = read_json(path)
        if record["machine"].pop("host", None) is not None:
            write_json(path, record)


def _make_again(kept: Path) -> None:
    """Make the tables and figures of a reference again, as far as it has what they are made of."""
    of_runs = {path: path.read_bytes() for path in pictures_of_runs(kept)}
    here = kept.relative_to(PROJECT)  # records keep the command, which is to work in any clone
    for command in ("tables", "figures"):
        record = here / RECORDS / f"{command}.json"
        subprocess.run(["rgmp", command, here, "--record", record], cwd=PROJECT, check=True)
    for path, picture in of_runs.items():
        path.write_bytes(picture)
    _say_ages(kept, of_runs)
    for path in (kept / layout.FIGURES).glob("*.pdf"):
        path.unlink()


def pictures_of_runs(kept: Path) -> list[Path]:
    """The pictures of masks and of training curves, which are not kept with scores."""
    return [
        kept / layout.FIGURES / f"{entry.name}.png"
        for entry in catalog.FIGURE_ENTRIES
        if {"infer", "train"}.intersection(entry.evidence)
    ]


def _say_ages(kept: Path, pictures: Iterable[Path]) -> None:
    """Say, in a file beside the figures and in lines, which were not drawn again, and how old."""
    lines = ["Of masks and training curves, which are not kept here, and so not drawn again:", ""]
    for path in pictures:
        log = ["git", "log", "-1", "--format=%h of %cs", "--", str(path)]
        since = subprocess.run(log, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
        lines.append(f"- `{path.name}` is as commit {since.strip()} has it.")
    text = "\n".join([*lines, ""])
    (kept / layout.FIGURES / "README.md").write_text(text, encoding="utf-8")
    print(f"{kept.name}: {text}", file=sys.stderr, end="")


def whole_seeds(folder: Path) -> list[int]:
    """The seeds with which every variant is scored on every benchmark."""
    plan = load_plan(folder)
    return [
        seed
        for seed in plan.seeds
        if all((folder / name).is_file() for name in _files_of_seeds(plan, [seed]))
    ]


def keep_whole_seeds(folder: Path, kept: Path) -> None:
    """Copy the scores and records of whole seeds, and what is of no seed, of a running study."""
    whole = whole_seeds(folder)
    _replace(folder, kept, MEASURED)
    _leave_out_hosts(kept / RECORDS)
    _remove_seeds(kept, {*load_plan(folder).seeds}.difference(whole))
    print(f"{kept}: seeds {', '.join(map(str, whole)) or 'none'}")


def restore(kept: Path, folder: Path) -> None:
    """Make a study's folder of which only what was not kept is still to be run.

    The first seed is: the timing needs its weights, and the pictures its masks. Snakemake compares
    times, so all files get the same one.

    Raises:
        FileExistsError: there is such a folder.
    """
    plan = load_plan(kept)
    _copy(kept, folder, MEASURED)
    _remove_seeds(folder, plan.seeds[:1])
    if plan.data.mini_seed is not None:
        data = ["rgmp", "mini", str(folder / layout.DATA), "--seed", str(plan.data.mini_seed)]
        subprocess.run(data, check=True)
    now = time.time()
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (now, now))


def _files_of_seeds(plan: Plan, seeds: Collection[int]) -> Iterable[str]:
    """The scores and records of some seeds, below the study folder."""
    for name, inferred in plan.inferences.items():
        if inferred.run.seed in seeds:
            yield from (layout.scores(name), layout.record(layout.scores(name)))
            yield layout.record(layout.masks(name))
    for training in plan.trainings:
        if training.seed in seeds:
            yield layout.record(training.folder)


def _remove_seeds(folder: Path, seeds: Collection[int]) -> None:
    for name in _files_of_seeds(load_plan(folder), seeds):
        (folder / name).unlink(missing_ok=True)


def _replace(source: Path, target: Path, patterns: Iterable[str]) -> None:
    shutil.rmtree(target, ignore_errors=True)
    _copy(source, target, patterns)


def _copy(source: Path, target: Path, patterns: Iterable[str]) -> None:
    target.mkdir(parents=True)
    for pattern in patterns:
        for path in source.glob(pattern):
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, place, ignore=shutil.ignore_patterns(".*"))
            else:
                shutil.copy2(path, place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="default: those of documents")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--whole-seeds", action="store_true", help="of studies that still run")
    how.add_argument("--restore", action="store_true", help="results/STUDY from its whole seeds")
    how.add_argument("--selftest", type=Path, metavar="FOLDER", help="of a selftest on a GPU")
    options = parser.parse_args()
    if options.selftest:
        renew_gpu(options.selftest)
        return
    for study in options.studies or dict(places()):
        if options.whole_seeds:
            keep_whole_seeds(RESULTS / study, REFERENCE / study)
        elif options.restore:
            restore(REFERENCE / study, RESULTS / study)
        else:
            renew(study)
    if not options.studies:
        renew_gpu(None)


if __name__ == "__main__":
    main()
