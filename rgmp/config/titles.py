"""What benchmarks are called in print; in files, keys and commands they keep their names."""

from rgmp.config.base import Benchmark

_DAVIS: dict[Benchmark, str] = {"davis2016": "DAVIS-2016", "davis2017": "DAVIS-2017"}
_EMBEDDED: dict[Benchmark, str] = {
    "davis2016": "embedded, foreground",
    "davis2017": "embedded, objects",
}


def benchmark_title(benchmark: Benchmark, *, embedded: bool = False) -> str:
    """`DAVIS-2017`; of the embedded benchmark, which is not DAVIS, `embedded, objects`.

    What has no title has its name.
    """
    return (_EMBEDDED if embedded else _DAVIS).get(benchmark, benchmark)
