"""The CSV files under a study's `tables/`: their columns, and how they are written and read.

`rgmp tables` computes every statistic of the report once and writes it there; printed tables,
figures and the report read these files. Accuracies are fractions; `rgmp.study.data_dictionary` says
what the columns mean. The tables of `TIDY_DTYPES` are
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
    "same_data_as": "str",
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

_OPEN = {"speed": _VALUE}
"""Tables with further columns, and their dtype: what a speed file sums up, and FPS by objects."""


def dtypes_of(name: str) -> dict[str, str]:
    """The columns of a table, and their dtypes; another name is that of a data set of the study."""
    return TABLE_DTYPES.get(name, _BENCHMARK)


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
    dtypes = dtypes_of(name)
    return read_table(path_of(folder, name), dtypes, what=what, command=command, more=more)


def path_of(folder: Path, name: str) -> Path:
    """Where the CSV file of a table lies."""
    return folder / layout.TABLES / f"{name}.csv"
