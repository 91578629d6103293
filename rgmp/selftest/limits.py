"""The limit that can be had: a large matrix product, and each of the step's convolutions alone."""

from collections import Counter
from collections.abc import Iterator

from rgmp.config.method import Inference
from rgmp.inference import speed
from rgmp.inference.propagator import Propagator
from rgmp.runtime.precisions import Precision
from rgmp.selftest import workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.convolutions import Alone, convolutions_of
from rgmp.selftest.finding import Condition, Finding, failed
from rgmp.selftest.scenes import discs, random_network, video
from rgmp.selftest.workload import Workload

_BURST = {"cuda": 20, "cpu": 1}
"""How often a convolution runs between two looks at the clock: one alone takes microseconds."""
_SLOWEST = 10


def section(bench: Bench) -> Iterator[Finding]:
    """Measure what the device can do: products in every precision, convolutions in the fastest."""
    work = workload.of(bench.device)
    for precision in work.precisions:
        yield from _product(bench, precision)
    precision = work.precisions[0]
    conditions: dict[str, Condition] = {
        "precision": precision,
        "scales": len(work.scales[0]),
        "objects": 1,
    }
    try:
        yield from _shapes(bench, work, precision, conditions)
    except Exception as error:  # the products stand
        yield failed("convolutions alone", conditions, error)


def _product(bench: Bench, precision: Precision) -> Iterator[Finding]:
    """The speed of a large matrix product."""
    try:
        rate = speed.matrix_products(bench.device, precision)
    except Exception as error:  # the others go on
        yield failed("matrix product", {"precision": precision}, error)
    else:
        yield Finding(
            "operations a second of a large matrix product",
            {"precision": precision, "rows": speed.PRODUCT_SIZES[bench.device.type]},
            rate / 1e12,
            "TFLOP/s",
        )


def _shapes(
    bench: Bench, work: Workload, precision: Precision, conditions: dict[str, Condition]
) -> Iterator[Finding]:
    """Which convolutions of a step take longest, each run over and over by itself.

    Operands are the same each time, so that small ones stay in a GPU's cache: a limit.
    """
    network = random_network(work.network, bench.seed).to(bench.device)
    settings = Inference(scales=work.scales[0], precision=precision)
    propagator = Propagator(network, settings, bench.device, graphs=False)
    found = Counter(
        convolutions_of(propagator, video(2, *work.size), discs(1, *work.size)),
    )
    burst = _BURST[bench.device.type]
    seconds = {each: min(Alone(bench, [each] * burst, precision).times()) / burst for each in found}
    total = sum(seconds[each] * count for each, count in found.items())
    operations = sum(each.operations * count for each, count in found.items())
    yield Finding("operations of a step", conditions, operations / 1e9, "GFLOP")
    yield Finding(
        "operations a second of the step's convolutions, each repeated by itself",
        {**conditions, "convolutions": found.total(), "shapes": len(found)},
        operations / total / 1e12,
        "TFLOP/s",
    )
    longest = sorted(found, key=lambda each: seconds[each] * found[each], reverse=True)
    for each in longest[:_SLOWEST]:
        yield Finding(
            "share of the time of a step's convolutions",
            {
                "precision": precision,
                "image": "x".join(map(str, each.image)),
                "kernel": "x".join(map(str, each.kernel)),
                "stride": each.stride[0],
                "times a step": found[each],
                "TFLOP/s": float(f"{each.operations / seconds[each] / 1e12:.3g}"),
            },
            seconds[each] * found[each] / total,
        )
