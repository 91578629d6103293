"""Feed `rgmp` bad input, and near it good input, and count what went right.

    python tests/fault_campaign.py                       about 550 cases, drawn from all
    python tests/fault_campaign.py --each 0              all of them, some 4,600
    python tests/fault_campaign.py --only images yaml    those of some families
    python tests/fault_campaign.py --match FIFO --each 0 those whose names match

It ends with status 1 where a bad input was not refused in one line with status 2, a good one was
refused, a file was touched that is not the command's, or anything hung, crashed or took much
memory.
"""

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from campaign import (
    archives,
    command_line,
    images,
    paths,
    score_tables,
    shells,
    study_files,
    study_folders,
    texts,
    trees,
    weights,
)
from campaign.case import Case, Expected, Verdict

FAMILIES: dict[str, Callable[[random.Random], Iterable[Case]]] = {
    "study keys": study_files.study_cases,
    "variant keys": study_files.variant_cases,
    "yaml": lambda _: texts.yaml_cases(),
    "paths": lambda _: paths.path_cases(),
    "trees": lambda _: trees.tree_cases(),
    "images": images.image_cases,
    "archives": lambda _: archives.archive_cases(),
    "weights": weights.weights_cases,
    "score tables": lambda _: score_tables.score_cases(),
    "numbers": lambda _: command_line.number_cases(),
    "targets": lambda _: command_line.target_cases(),
    "study folders": lambda _: study_folders.folder_cases(),
    "shells": lambda _: shells.shell_cases(),
}
EACH = 45
"""Cases of each family that are drawn, unless it is said otherwise."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; the status is 1 where anything is wrong."""
    options = _options(arguments)
    families = [name for name in options.only if name not in options.without]
    cases = choose(families, options.seed, each=options.each, match=options.match)
    if not cases:
        print("no such case", file=sys.stderr)
        return 1
    from campaign.runner import run

    started = time.monotonic()
    verdicts = []
    for verdict in run(cases, options.at_once):
        verdicts.append(verdict)
        if verdict.wrong:
            print(_described(verdict), flush=True)
    print(counted(verdicts))
    print(f"{len(verdicts)} cases in {time.monotonic() - started:.0f} s, seed {options.seed}")
    if options.json:
        options.json.write_text(json.dumps([_as_json(v) for v in verdicts], indent=1))
    return int(any(verdict.wrong for verdict in verdicts))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Feed `rgmp` bad input and count what went right.")
    parser.add_argument(
        "--only", nargs="+", choices=FAMILIES, metavar="FAMILY", default=[*FAMILIES]
    )
    parser.add_argument("--without", nargs="+", choices=FAMILIES, metavar="FAMILY", default=[])
    parser.add_argument("--match", default="", help="regular expression for the cases' names")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default: 0)")
    parser.add_argument(
        "--each", type=int, default=EACH, help=f"cases of each family; 0: all (default: {EACH})"
    )
    parser.add_argument("--at-once", type=int, default=2, help="cases at a time (default: 2)")
    parser.add_argument("--json", type=Path, help="write every verdict there")
    return parser.parse_args(arguments)


def choose(
    families: Iterable[str] = FAMILIES, seed: int = 0, *, each: int = EACH, match: str = ""
) -> list[Case]:
    """The cases that are asked for, at most `each` of a family; the same for the same seed."""
    chosen = []
    for name in families:
        cases = [
            c for c in FAMILIES[name](random.Random(f"{seed} {name}")) if re.search(match, c.name)
        ]
        drawn = random.Random(seed).sample(range(len(cases)), min(each or len(cases), len(cases)))
        chosen += [cases[i] for i in sorted(drawn)]
    return chosen


def counted(verdicts: Iterable[Verdict]) -> str:
    """A table: a line for each family, and one for all."""
    counts: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        what = "wrong" if verdict.wrong else "refused" if verdict.refused else "accepted"
        counts.setdefault(verdict.case.family, Counter()).update(["tried", what])
    columns = ("tried", "refused", "accepted", "wrong")
    rows: list[tuple[str, ...]] = [("", "tried", "refused rightly", "accepted rightly", "wrong")]
    rows += [(name, *(str(count[c]) for c in columns)) for name, count in counts.items()]
    total = sum(counts.values(), Counter())
    rows.append(("all", *(str(total[column]) for column in columns)))
    return "\n".join(
        f"{name:14}" + "".join(f"{value:>18}" for value in values) for name, *values in rows
    )


def _described(verdict: Verdict) -> str:
    case = verdict.case
    wanted = {
        Expected.REFUSED: "to be refused",
        Expected.ACCEPTED: "to be accepted",
        Expected.EITHER: "to end well",
    }[case.expected]
    lines = [f"WRONG  {case.family} / {case.name} ({wanted}): {'; '.join(verdict.wrong)}"]
    lines.append(f"       {ascii(case.command)[1:-1]}")
    lines += [f"       | {ascii(line[:200])[1:-1]}" for line in verdict.err.splitlines()[-2:]]
    return "\n".join(lines)


def _as_json(verdict: Verdict) -> dict[str, object]:
    case = verdict.case
    return {
        "family": case.family,
        "name": case.name,
        "command": case.command,
        "expected": case.expected.value,
        "wrong": verdict.wrong,
        "err": verdict.err[:2000],
        "seconds": round(verdict.seconds, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
