"""What the files of a study are called, each as a path below the study's folder.

A job is called after what it makes: `davis2017/full/seed0` has its masks in
`masks/davis2017/full/seed0`, its scores in `scores/davis2017/full/seed0.csv`, and a record of each
at `records/masks/...` and `records/scores/...`. What a training makes is named in
`rgmp.training.job`.
"""

from rgmp.config.base import Benchmark
from rgmp.training.job import CURVE, WEIGHTS

PLAN = "plan.json"
DIGESTS = "digests.json"
RUNS = "mlflow.json"
REPORT = "report.html"
TABLES = "tables"
TIDY = ("objects", "sequence_means", "differences", "course", "frames")
"""The tables that are CSV files alone, a row per observation: `rgmp.study.table_files.DATA`."""
FIGURES = "figures"
LOGS = "logs"
MASKS = "masks"
DATA = "data"  # of a study that renders its own
DAVIS = f"{DATA}/davis"
STILLS = f"{DATA}/stills"


def run(benchmark: Benchmark, variant: str, seed: int) -> str:
    """The name of a variant with a seed on a benchmark."""
    return f"{benchmark}/{variant}/seed{seed}"


def timing(benchmark: Benchmark, variant: str) -> str:
    """The name of a variant on a benchmark, of which one seed is timed."""
    return f"{benchmark}/{variant}"


def external(benchmark: Benchmark, method: str) -> str:
    """The name of a method that is not trained here on a benchmark."""
    return f"{benchmark}/{method}/external"


def training(name: str) -> str:
    """The folder of a training, which is called STAGE/SLUG-IDENTITY."""
    return f"weights/{name}"


def weights(training: str) -> str:
    """The weights in a training's folder."""
    return f"{training}/{WEIGHTS}"


def curve(training: str) -> str:
    """What a training's steps measured, in its folder."""
    return f"{training}/{CURVE}"


def masks(run: str) -> str:
    """The folder of a run's masks."""
    return f"{MASKS}/{run}"


def scores(name: str) -> str:
    """The table of scores of a run, or of a method that is not trained here."""
    return f"scores/{name}.csv"


def speed(timing: str) -> str:
    """What was measured of a variant's speed."""
    return f"speed/{timing}.json"


def record(made: str) -> str:
    """The record of the job that made a file or a folder of the study."""
    return f"records/{made.removesuffix('.csv').removesuffix('.json')}.json"


def check(name: str) -> str:
    """The record of the check of a part of the data."""
    return record(f"data/{name}")
