from rgmp.config.base import BENCHMARKS
from rgmp.config.titles import benchmark_title


def test_the_embedded_benchmark_is_not_called_davis() -> None:
    assert [benchmark_title(name) for name in BENCHMARKS] == ["DAVIS-2016", "DAVIS-2017"]
    assert [benchmark_title(name, embedded=True) for name in BENCHMARKS] == [
        "embedded, foreground",
        "embedded, objects",
    ]
