"""Three sequences of real frames, by the small network: frames per second, and J&F."""

import time
from collections.abc import Iterator

from rgmp.config.base import BENCHMARKS
from rgmp.config.method import Inference
from rgmp.data.tree import davis_tree
from rgmp.data.videos import Videos
from rgmp.inference.propagator import Propagator
from rgmp.inference.segment import segment_sequence
from rgmp.inference.speed import choose_sequences
from rgmp.model import weights
from rgmp.selftest import small
from rgmp.selftest.bench import Bench, NotHereError
from rgmp.selftest.finding import Condition, Finding

_SEQUENCES = 3


def section(bench: Bench) -> Iterator[Finding]:
    """Segment and score some sequences, each of which was segmented once before it is timed.

    Raises:
        NotHereError: no DAVIS tree was named.
    """
    if bench.davis is None:
        raise NotHereError("no DAVIS tree is named")
    videos = videos_in(bench)
    trained = small.trained(bench)
    network, _ = weights.load(trained.weights)
    propagator = Propagator(
        network, Inference.model_validate(small.METHOD["inference"]), bench.device
    )
    out = bench.work / "masks-davis"
    for sequence in choose_sequences(videos.open(), _SEQUENCES):
        given = sequence.as_given
        segment_sequence(propagator, given, bench.work / "warm-up" / given.name)
        began = time.perf_counter()
        segment_sequence(propagator, given, out / given.name)
        rate = len(given.frames) / (time.perf_counter() - began)
        here: dict[str, Condition] = {
            "benchmark": videos.benchmark,
            "sequence": given.name,
            "objects": len(given.objects),
            "frames": len(given.frames),
        }
        yield Finding("from JPEG to PNG", here, rate, "frames/s")
        alone = videos.model_copy(update={"sequences": (given.name,)})
        yield Finding("J&F", here, small.j_and_f(alone, out), "%")


def videos_in(bench: Bench) -> Videos:
    """The videos of the tree's split `val`, of the benchmark that it has.

    Raises:
        UserError: it has none.
    """
    assert bench.davis is not None  # noqa: S101 - the caller has seen to that
    for benchmark in reversed(BENCHMARKS):
        videos = Videos(davis=bench.davis, benchmark=benchmark)
        listed = davis_tree(bench.davis, benchmark, "val").split_file
        if listed is not None and listed.is_file():
            break
    return videos
