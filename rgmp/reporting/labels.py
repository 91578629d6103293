"""Words for print: what benchmarks, stages, bounds and measures are called."""

from rgmp.config.base import Benchmark, Stage
from rgmp.evaluation.job import Bound
from rgmp.evaluation.measures import Measure


class _Titles(dict[Benchmark, str]):
    """Titles of benchmarks; a data set that a study describes has its name."""

    def __missing__(self, benchmark: Benchmark) -> str:
        return benchmark


BENCHMARK_TITLES = _Titles(davis2016="DAVIS-2016", davis2017="DAVIS-2017")
_EMBEDDED: dict[Benchmark, str] = {"davis2016": "foreground", "davis2017": "objects"}
STAGE_TITLES: dict[Stage, str] = {"pretrain": "Stage 1, stills", "finetune": "Stage 2, videos"}
BOUND_TITLES: dict[Bound, str] = {
    "floor": "floor: mask of frame 0 kept",
    "ceiling": "ceiling: truth at 1/4 resolution",
}
MEASURE_TITLES: dict[Measure, str] = {
    "J_mean": "J",
    "J_recall": "J recall",
    "J_decay": "J decay",
    "F_mean": "F",
    "F_recall": "F recall",
    "F_decay": "F decay",
    "J&F": "J&F",
}
PROTOCOL_TITLES = {
    "training_data": "trained on",
    "online_finetuning": "online fine-tuning",
    "input_size": "input",
    "scales": "scales",
    "flips": "flips",
    "precision": "precision",
    "fps_counts": "time per frame is of",
    "hardware": "timed on",
    "source": "said by",
}


def benchmark_name(benchmark: Benchmark, *, embedded: bool) -> str:
    """What a benchmark is called where its study is named: the embedded one is not DAVIS."""
    return (_EMBEDDED if embedded else BENCHMARK_TITLES)[benchmark]
