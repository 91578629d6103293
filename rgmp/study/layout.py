"""The names of a study's files, as paths below the study folder.

The run `davis2017/full/seed0` has its scores in `scores/davis2017/full/seed0.csv`, with a record at
`records/scores/...`; with the weights of an earlier step it is `davis2017/full/seed0/step180`. Its
masks lie with those of the other runs that have its weights, in
`masks/<weights>`, so that runs can share them; its record at `records/masks/...` says where. The
files of a training run are named in `rgmp.training.job`.
"""

from pathlib import Path

from rgmp.config.base import Benchmark
from rgmp.provenance.record import RECORDS
from rgmp.training.job import CURVE, WEIGHTS, checkpoint_name

PLAN = "plan.json"
COSTS = "costs.json"
"""What jobs cost on the machine where `rgmp plan` measured it."""
RUNS = "mlflow.json"
REPORT = "report.html"
TABLES = "tables"
TIDY = ("objects", "sequence_means", "differences", "course", "frames")
"""The tables that are CSV files alone, a row per observation (`table_files.TIDY_DTYPES`)."""
REPORTED = (
    *("ablation", "difficulty", "reproduction", "speed", "sequences", "protocols", "cost"),
    "checkpoints",
)
"""The tables of the report beside those of benchmarks (`table_files.TABLE_DTYPES`)."""
AGREEMENT = f"{TABLES}/agreement.txt"
"""What `rgmp agree` says of the study and its committed reference, where there is one."""
CROSS_CHECK = "cross-check"
"""The command that scores with the other engine, too, and the name of its record."""
EVALUATOR = f"{TABLES}/evaluator.csv"
"""J and F by both engines, of the masks that it scored."""
DICTIONARY = "README.md"
"""Beside the tables: what the columns of the CSV files mean (`rgmp.study.data_dictionary`)."""
METHODS = (METHODS_MARKDOWN, METHODS_LATEX, BIBLIOGRAPHY) = (
    "methods.md",
    "methods.tex",
    "references.bib",
)
"""Beside the tables: the methods section of a paper, and what it cites."""
TAKEN = frozenset(
    {*TIDY, *REPORTED, *(Path(name).stem for name in (EVALUATOR, DICTIONARY, *METHODS))}
)
"""Names of tables and of files beside them, which no benchmark may have: it has one of its own."""
NORMAL_RANGE = "normal_range.json"
"""Beside the tables: J&F of every training, for `rgmp expect`."""
FIGURES = "figures"
LOGS = "logs"
REFERENCES = "reference"  # beside the studies: one finished copy of some of them
MASKS = "masks"
CHECKPOINTS = "checkpoints"
SCORES = "scores"
SPEED = "speed"
SUBMISSION = "submission"  # masks of a split that its server alone can score
FIRST = "first"  # what stood before results were seen
DATA = "data"  # of a study that renders the embedded benchmark
DAVIS = f"{DATA}/davis"
STILLS = f"{DATA}/stills"


def run(benchmark: Benchmark, variant: str, seed: int, step: int | None = None) -> str:
    """The name of the run of a variant with a seed on a benchmark; at a step before the last."""
    return f"{benchmark}/{evaluation(variant, seed, step)}"


def evaluation(variant: str, seed: int, step: int | None = None) -> str:
    """The name of the evaluation of weights, by the first of the variants that have them."""
    return f"{variant}/seed{seed}" + (f"/step{step}" if step else "")


def external(benchmark: Benchmark, method: str) -> str:
    """The name of an external method on a benchmark."""
    return f"{benchmark}/{method}/external"


def training(name: str) -> str:
    """The folder of the training run STAGE/SLUG-IDENTITY."""
    return f"weights/{name}"


def weights(training: str) -> str:
    """The weights in a training run's folder."""
    return f"{training}/{WEIGHTS}"


def checkpoint(training: str, step: int) -> str:
    """The weights after an earlier step in a training run's folder."""
    return f"{training}/{checkpoint_name(step)}"


def checkpoints(training: str) -> str:
    """What the record of a training run's earlier checkpoints is of."""
    return training.replace("weights", CHECKPOINTS, 1)


def curve(training: str) -> str:
    """The metrics in a training run's folder."""
    return f"{training}/{CURVE}"


def masks(name: str) -> str:
    """The folder of all masks that some weights make, or what the record of a run's masks is of."""
    return f"{MASKS}/{name}"


def scores(name: str) -> str:
    """The score table of a run, or of an external method."""
    return f"{SCORES}/{name}.csv"


def bounds(benchmark: Benchmark) -> str:
    """The score table of a benchmark's floor and ceiling (`rgmp.evaluation.bounds`)."""
    return f"{SCORES}/{benchmark}/bounds.csv"


def comparison(benchmark: Benchmark) -> str:
    """The folder of a comparison on a benchmark."""
    return benchmark


def speed(benchmark: Benchmark) -> str:
    """The speed file of a benchmark, with every computation of the study."""
    return f"{SPEED}/{benchmark}.json"


def submission(variant: str, seed: int) -> str:
    """The name of the run of a variant with a seed on the split that is submitted to a server."""
    return f"{SUBMISSION}/{variant}/seed{seed}"


def archive(submission: str) -> str:
    """The archive of its masks."""
    return f"{submission}.zip"


def record(made: str) -> str:
    """The record of the job that produced a file or folder of the study."""
    return f"{RECORDS}/{record_name(made)}.json"


def record_name(made: str) -> str:
    """The name of that record: its path in the folder of records, without suffix."""
    return made.removesuffix(".csv").removesuffix(".json")


def check(name: str) -> str:
    """The record of the check of a part of the data."""
    return record(f"data/{name}")
