"""The CSV files under a study's `tables/`: their columns, and how they are written and read.

`rgmp tables` computes every statistic of the report once and writes it there; printed tables,
figures and the report read these files. Accuracies are fractions. The tables of `TIDY_DTYPES` are
tidy, one row per observation, for figures and readers; the others are the tables of the report.
"""

from pathlib import Path

import pandas as pd

from rgmp.config.base import BENCHMARKS
from rgmp.config.protocol import Protocol
from rgmp.evaluation.course import COURSE_DTYPES
from rgmp.evaluation.measures import MEASURES
from rgmp.evaluation.summary import OBJECT_DTYPES
from rgmp.runtime.tidy import read_table, write_table
from rgmp.study import layout

_METHOD = {"benchmark": "str", "variant": "str"}
_NAMED = {**_METHOD, "label": "str", "external": "boolean", "mixed": "boolean"}
_VALUE = "float64"
_MEASURES = (*MEASURES[1:], MEASURES[0])  # J&F last


def _with_spreads(*measures: str) -> dict[str, str]:
    return {f"{measure}{end}": _VALUE for measure in measures for end in ("", "_spread")}


TIDY_DTYPES: dict[str, dict[str, str]] = {
    "objects": OBJECT_DTYPES,
    "sequence_means": {**_METHOD, "seed": "Int64", "sequence": "str", "J_mean": _VALUE},
    "differences": {**_METHOD, "seed": "Int64", "difference": _VALUE},
    "course": COURSE_DTYPES,
    "frames": {**_METHOD, "sequence": "str", "frame": "str", "J": _VALUE},
}
"""The columns and dtypes of the tidy tables.

`objects`: the statistics of every object. `sequence_means`: J of every sequence, mean over its
objects. `differences`: J&F minus that of `full` with each seed. `course`: J over the course of a
sequence. `frames`: J of every frame with the first seed, mean over its objects.
"""

_BENCHMARK = {
    **_NAMED,
    "source": "str",
    "note": "str",
    "section": "str",
    "other_protocol": "str",
    "unknown_protocol": "str",
    "seeds": "Int64",
    **_with_spreads(*_MEASURES),
    **dict.fromkeys((f"seconds_per_frame{end}" for end in ("", "_low", "_high")), _VALUE),
    "busy": "boolean",
}
_DIFFERENCE = {
    **dict.fromkeys((f"difference_{key}" for key in ("mean", "low", "high")), _VALUE),
    "difference_verdict": "str",
    "longer_study_verdict": "str",
    "expected": "str",
    "claim": "str",
    "claim_since_run": "str",
    **dict.fromkeys(("same_sequences_low", "same_sequences_high"), _VALUE),
    **dict.fromkeys(("p_zero", "p_beyond", "smallest_found"), _VALUE),
    **dict.fromkeys(("deciding_seeds", "deciding_sequences"), "Int64"),
    **dict.fromkeys(("paired_seeds", "paired_sequences", "paired_figures"), "Int64"),
    **dict.fromkeys(("sd_seeds", "sd_sequences", "sd_runs"), _VALUE),
    "because": "str",
    "seeds_added": "str",
}
_REPORTED: dict[str, dict[str, str]] = {
    "ablation": {
        **_NAMED,
        "seeds": "Int64",
        **_with_spreads("J_mean", "F_mean", "J&F"),
        **_DIFFERENCE,
        "published_J&F": _VALUE,
        **dict.fromkeys(("next_training_low", "next_training_high"), _VALUE),
    },
    "difficulty": {**_NAMED, "difficulty": "str", **_DIFFERENCE},
    **dict.fromkeys(BENCHMARKS, _BENCHMARK),
    "reproduction": {
        **_NAMED,
        "sequence": "str",
        "object": "Int64",
        "published": "str",
        **{
            f"{by}{measure}": _VALUE
            for measure in ("J_mean", "F_mean", "J&F")
            for by in ("", "published_")
        },
        "largest_difference": _VALUE,
        "reproduced": "boolean",
        "source": "str",
    },
    "speed": {
        **_NAMED,
        **dict.fromkeys(("shared_by", "device", "precision", "aggregation", "scales"), "str"),
        **dict.fromkeys(("busy", "quiet"), "boolean"),
        **dict.fromkeys(("threads", "rounds"), "Int64"),
        **{f"{end}_{unit}": "Int64" for end in ("short", "long") for unit in ("frames", "bytes")},
        "peak_memory_bytes": "Int64",
    },
    "checkpoints": {
        **_NAMED,
        "seeds": "Int64",
        "steps": "str",
        **_with_spreads("last", "mean", "best"),
        **dict.fromkeys(("gain", "gain_elsewhere"), _VALUE),
        **dict.fromkeys(("optimism", "optimism_low", "optimism_high"), _VALUE),
    },
    "sequences": {
        **_METHOD,
        "sequence": "str",
        "object": "int64",
        **dict.fromkeys(_MEASURES, _VALUE),
        **dict.fromkeys((f"RGMP_authors_{measure}" for measure in ("J_mean", "F_mean")), _VALUE),
    },
    "protocols": {
        **_NAMED,
        **dict.fromkeys((*Protocol.model_fields, "other_protocol", "unknown_protocol"), "str"),
    },
    "cost": {
        **dict.fromkeys(("stage", "label"), "str"),
        "seed": "Int64",
        **dict.fromkeys(("identity", "variants"), "str"),
        **dict.fromkeys(("shared_by", "steps", "samples"), "Int64"),
        "hours": _VALUE,
        "device": "str",
        "peak_memory_bytes": "Int64",
        "mixed": "boolean",
    },
}
TABLE_DTYPES = TIDY_DTYPES | _REPORTED

MEANINGS = {
    "benchmark": "davis2016: the foreground; davis2017: objects",
    "variant": "the file in ablations/, or the method that was not trained here",
    "label": "its name in print",
    "external": "whether it was not trained here",
    "mixed": "whether its records disagree: other code, data or machine than the others'",
    "seeds": "how many seeds were scored",
    "J_mean": "region similarity: mean over frames, objects, seeds",
    "F_mean": "contour accuracy, likewise",
    "J&F": "mean of the two",
    "*_spread": "standard deviation over seeds",
    "difficulty": "the sequences' attribute; several objects: those that have more than one, where "
    "the variant is asked that changes nothing else; its expectation is the one named overall",
    "difference_mean": "J&F minus that of full: mean over objects and seeds",
    "difference_low": "lower end of the interval on sequences like these: seeds and sequences as "
    "crossed random effects, 95 % for this row alone; with one seed, of sequences alone",
    "difference_high": "its upper end",
    "difference_verdict": "better, worse; no difference beyond the margin of the study; worse (or "
    "better), by less than the margin; undecided; one seed, or one sequence: no verdict; same "
    "computation: nothing to test; exploratory: not predicted, hence no verdict. Those of a "
    "benchmark's table hold at once: two passes of Holm, nominally 5 % each (simulated: better or "
    "worse up to 7 % with few seeds)",
    "longer_study_verdict": "the same in the longer study that this one names (longer_study); "
    "empty: it names none, or that one does not have this comparison",
    "expected": "what the variant's file predicts: worse, better, none",
    "claim": "its outcome: supported, if need be as a small effect; contradicted, no effect, "
    "undecided; overall, for a "
    "variant that changes sequences with several objects alone: on those, as in difficulty.csv",
    "claim_since_run": "newer: its file did not expect this yet when the variant was first "
    "scored; withdrawn: it did then, and does no longer; empty: neither, or not known",
    "same_sequences_low": "lower end of the interval on these very sequences: seeds alone vary, "
    "Student's t, 95 % for this row alone",
    "same_sequences_high": "its upper end",
    "p_zero": "p-value of no difference, adjusted by Holm",
    "p_beyond": "p-value of a difference beyond the margin, adjusted by Holm",
    "smallest_found": "where undecided: the smallest difference that a study of this size finds "
    "with 80 % power, at the significance that Holm asks of the next",
    "deciding_seeds": "where undecided: seeds with which, and with deciding_sequences, a "
    "difference of the margin is found with 80 % power; empty also where 64 seeds and 2,048 "
    "sequences do not suffice",
    "deciding_sequences": "the sequences, or figures, to that",
    "paired_seeds": "seeds that both have",
    "paired_sequences": "sequences that the difference rests on",
    "paired_figures": "the clusters that were analysed in their place: figures where those recur, "
    "else the sequences themselves",
    "sd_seeds": "standard deviation of the difference by seed",
    "sd_sequences": "by sequence, or figure",
    "sd_runs": "by single run, with one seed on one sequence",
    "because": "the argument for the expectation",
    "seeds_added": "the seeds that were added after the study's first tables had been made, and on "
    "which the row rests",
    "published_J&F": "as published, where known",
    "next_training_low": "lower end of the interval in which J&F of one more training by this "
    "recipe is expected on these sequences, 95 %; empty with fewer than three seeds",
    "next_training_high": "its upper end",
}
"""What the columns of `ablation` and `difficulty` mean; numbers are fractions, not per cent."""
_OPEN = {"speed": _VALUE}
"""Tables with further columns, and their dtype: what a speed file sums up, and FPS by objects."""


def write(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write a table of a study as CSV."""
    write_table(path_of(folder, name), table)


def read(folder: Path, name: str) -> pd.DataFrame:
    """Read a table of a study.

    Raises:
        UserError: it is missing, or broken.
    """
    what, command = f"the table {name} of a study", f"rgmp tables {folder}"
    more = _OPEN.get(name)
    dtypes = TABLE_DTYPES[name]
    return read_table(path_of(folder, name), dtypes, what=what, command=command, more=more)


def path_of(folder: Path, name: str) -> Path:
    """Where the CSV file of a table lies."""
    return folder / layout.TABLES / f"{name}.csv"
