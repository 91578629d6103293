"""Renew results/reference/ and the README's tables from finished studies: `make reference`.

    python tests/reference.py mini

copies what a reader needs of results/mini (plan, scores, speed files, records, tables, pictures
of figures) to results/reference/mini. Without such a folder tables and figures of the reference are
made again from its own scores. Then the README's table is printed anew from tables/ablation.csv.
"""

import argparse
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd

from rgmp.reporting.labels import BENCHMARK_TITLES
from rgmp.reporting.typesetting import interval, points
from rgmp.runtime.tidy import rows_of
from rgmp.study import layout, table_files

PROJECT = Path(__file__).parents[1]
README = PROJECT / "README.md"
REFERENCE = PROJECT / "results/reference"
KEPT = (
    "plan.json",
    "first",
    "records",
    "scores",
    "speed",
    "data/davis/attributes.csv",
    "tables",
    "figures/*.png",
)


def readme_table(study: Path) -> str:
    """The README's table of a study, in Markdown: J&F, difference and verdict on each benchmark."""
    table = table_files.read(study, "ablation")
    columns: dict[str, list[str]] = {"variant": list(dict.fromkeys(table["label"]))}
    for benchmark in dict.fromkeys(table["benchmark"]):
        rows = rows_of(table, benchmark=benchmark).set_index("label").loc[columns["variant"]]
        of_variants = [row for _, row in rows.iterrows()]
        columns[f"embedded {BENCHMARK_TITLES[benchmark]}"] = [_score(row) for row in of_variants]
        columns[f"difference ({benchmark[-4:]})"] = [_difference(row) for row in of_variants]
    return str(pd.DataFrame(columns).to_markdown(index=False, disable_numparse=True))


def _score(row: pd.Series) -> str:
    return f"{points(row['J&F'])} ± {points(row['J&F_spread'])}"


def _difference(row: pd.Series) -> str:
    """The difference with its interval and verdict; nothing for `full`."""
    verdict = str(row["difference_verdict"])
    if verdict in {"", "same computation"}:
        return verdict
    ends = (row[f"difference_{end}"] for end in ("mean", "low", "high"))
    return f"{interval(*ends)} {verdict}"


def block_of(text: str, study: str) -> re.Match[str]:
    """The place of a study's table in the README, between two comments.

    Raises:
        ValueError: there is none.
    """
    begin, end = f"<!-- table of {study} -->\n", "\n<!-- end of table -->"
    found = re.search(rf"(?<={re.escape(begin)}).*?(?={re.escape(end)})", text, re.DOTALL)
    if found is None:
        raise ValueError(f"README.md has no table between {begin!r} and {end!r}")
    return found


def renew(study: str) -> None:
    """Copy a finished study, or make the reference's tables and figures again from its scores."""
    finished, kept = PROJECT / "results" / study, REFERENCE / study
    if (finished / layout.REPORT).is_file():
        shutil.rmtree(kept, ignore_errors=True)
        for pattern in KEPT:
            for source in finished.glob(pattern):
                target = kept / source.relative_to(finished)
                target.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if source.is_dir() else shutil.copy2
                copy(source, target)
    else:
        for command in ("tables", "figures"):
            subprocess.run(["rgmp", command, str(kept)], check=True)
    text = README.read_text(encoding="utf-8")
    place = block_of(text, study)
    text = text[: place.start()] + readme_table(kept) + text[place.end() :]
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", default=["mini"], metavar="STUDY")
    for name in parser.parse_args().studies:
        renew(name)
