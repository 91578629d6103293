"""CPU seconds a mask: the scoring of `rgmp compare` beside the official evaluator, in one run.

    python tests/benchmark_scoring.py --davis data/davis2016 --masks masks/rgmp masks/osvos \
        --sequences camel dog

Ratios, since times on a machine that others use are noisy: the contestants take turns, and the
median of each counts. All have one process. Of the evaluator, which has to be installed, its class
is timed alone, on files that it reads as they are. The same masks may stand for several methods.
"""

import argparse
import io
import statistics
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from rgmp.data import images
from rgmp.data.videos import Videos
from rgmp.evaluation import official_run
from rgmp.evaluation.methods import Method, score_methods
from rgmp.evaluation.official import Official, masked_in
from rgmp.evaluation.scoring import score


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of `work`, once."""
    start = time.process_time()
    work()
    return time.process_time() - start


def by_us(videos: Videos, methods: list[Method]) -> float:
    """Seconds of all masks of some methods."""
    with redirect_stderr(io.StringIO()):
        return seconds(partial(score_methods, videos, methods, processes=1))


def by_the_evaluator(videos: Videos, masks: Path) -> float:
    """Seconds of one method's masks."""
    rows = score(videos, masks, variant="one", seed=None)
    spent = 0.0
    with Official() as evaluator:
        for one in masked_in(videos, masks, rows):
            for run in evaluator._runs_of(one):
                official_run._lay_out(run)
                spent += seconds(partial(official_run._of_class, run, io.StringIO()))
    return spent


@contextmanager
def as_before(*, unpacked_once: bool) -> Iterator[None]:
    """Unpack with zlib; and, unless unpacked once, have Pillow unpack all that was counted."""
    palette = images._PALETTE if unpacked_once else None
    unpacker = SimpleNamespace(decompressobj=zlib.decompressobj)
    with patch.object(images, "_PALETTE", palette), patch.object(images, "isal_zlib", unpacker):
        yield


def main() -> None:
    """Print each one's median, and the evaluator's in units of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--davis", type=Path, required=True)
    parser.add_argument("--benchmark", default="davis2016")
    parser.add_argument("--sequences", nargs="+")
    parser.add_argument("--masks", type=Path, nargs="+", required=True)
    parser.add_argument("--methods", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    videos = Videos(
        davis=options.davis,
        benchmark=options.benchmark,
        sequences=tuple(options.sequences) if options.sequences else None,
    )
    of_all = enumerate(islice(cycle(options.masks), options.methods))
    methods = [Method(name=f"method{i}", trainings=(masks,)) for i, masks in of_all]
    masks = sum(len(sequence.scored) for sequence in videos.open())
    times: dict[str, list[float]] = {}

    def turn(name: str, count: int, spent: float) -> None:
        times.setdefault(name, []).append(spent / (count * masks))

    several = f"{len(methods)} methods"
    with redirect_stderr(io.StringIO()):
        for _ in range(options.rounds):
            turn("official evaluator", 1, by_the_evaluator(videos, options.masks[0]))
            turn("one method", 1, by_us(videos, methods[:1]))
            turn(several, len(methods), by_us(videos, methods))
            with as_before(unpacked_once=True):
                turn(f"{several}, unpacked by zlib", len(methods), by_us(videos, methods))
            with as_before(unpacked_once=False):
                turn(f"{several}, unpacked twice", len(methods), by_us(videos, methods))
    official = statistics.median(times["official evaluator"])
    for name, found in times.items():
        median = statistics.median(found)
        ratio = official / median
        print(f"{name:30} {1000 * median:8.2f} ms a mask, {ratio:5.1f} x as fast as the evaluator")


if __name__ == "__main__":
    main()
