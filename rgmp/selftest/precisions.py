"""bf16 and tf32 against fp32, on trained weights: how many labels change, and what becomes of J&F.

Only the precisions are tried that the device computes in: elsewhere bf16 is emulated.
"""

from collections.abc import Iterator, Sequence

from rgmp.config.method import Inference
from rgmp.model import weights
from rgmp.runtime import precision
from rgmp.runtime.precisions import Precision
from rgmp.selftest import small
from rgmp.selftest.bench import Bench, NotHereError
from rgmp.selftest.finding import Finding


def section(bench: Bench) -> Iterator[Finding]:
    """Compare every precision that the device has with fp32.

    Raises:
        NotHereError: it has none but fp32.
    """
    if precision.choose("auto", bench.device, training=False) != "bf16":
        raise NotHereError(f"this {bench.device.type} has no bf16 instructions")
    yield from compared(bench, ("tf32", "bf16") if bench.on_gpu else ("bf16",))


def compared(bench: Bench, precisions: Sequence[Precision]) -> Iterator[Finding]:
    """Compare precisions with fp32, on the device."""
    trained = small.trained(bench)
    network, _ = weights.load(trained.weights)
    of_study = Inference.model_validate(small.METHOD["inference"])
    figures, masks = {}, {}
    for name in ("fp32", *precisions):
        settings = of_study.model_copy(update={"precision": name})
        out = bench.work / f"masks-{name}-{bench.device.type}"
        masks[name] = small.segment(network, settings, bench.device, trained.videos, out)
        figures[name] = small.j_and_f(trained.videos, masks[name])
        here = {"precision": name}
        yield Finding("J&F", here, figures[name], "%")
        if name != "fp32":
            alike = small.share_alike(trained.videos, masks["fp32"], masks[name])
            yield Finding("labels equal to fp32", here, alike)
            change = figures[name] - figures["fp32"]
            yield Finding("change of J&F from fp32", here, change, "points")
