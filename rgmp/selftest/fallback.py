"""Out of memory for real: with less memory than all objects take at once, the labels stay.

PyTorch is told to give this process only a share of what the objects took. The propagator then
has to halve its batches, and may find that not even one object fits.
"""

import re
from collections.abc import Iterator
from contextlib import redirect_stderr
from functools import partial
from io import StringIO

import numpy as np
import torch

from rgmp.config.method import Inference, Network
from rgmp.data.images import Labels
from rgmp.errors import UserError
from rgmp.inference.aggregation import needs_union
from rgmp.inference.propagator import Propagator, download
from rgmp.model.network import RGMP
from rgmp.selftest.bench import Bench
from rgmp.selftest.devices import ALIKE
from rgmp.selftest.finding import Condition, Finding, at_least, required
from rgmp.selftest.scenes import discs, random_network, video

_OBJECTS = 5
_SIZE = (480, 854)
_FRAMES = 4
_SHARES = (0.85, 0.7, 0.55, 0.4, 0.3, 0.2)
"""Of what the process took without a limit; the last ones may be too little for one object."""
_RETRIES = re.compile(r"retrying with (\d+)")


def section(bench: Bench) -> Iterator[Finding]:
    """Segment a video without a limit, then with less and less memory."""
    network = random_network(Network(), bench.seed)
    segment = partial(labels_of, bench, network, video(_FRAMES, *_SIZE, seed=bench.seed))
    wanted, _ = segment()
    taken = torch.cuda.max_memory_reserved(bench.device)
    yield Finding("memory without a limit", {"objects": _OBJECTS}, taken / 2**20, "MiB")
    total = torch.cuda.get_device_properties(bench.device).total_memory
    survived = 0
    for share in _SHARES:
        bench.release()
        here: dict[str, Condition] = {"objects": _OBJECTS, "memory": f"{share:.0%}"}
        torch.cuda.set_per_process_memory_fraction(share * taken / total, bench.device)
        try:
            found, said = segment()
        except UserError as error:
            yield Finding("refused", here, str(error))
            continue
        except torch.OutOfMemoryError as error:  # a place that no smaller batch helps
            yield required("out of memory was met", here, False)
            yield Finding("messages", here, str(error).splitlines()[0])
            continue
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, bench.device)
        yield from _compared(here, wanted, found, said)
        survived += bool(_RETRIES.search(said))
    yield required("objects were segmented in smaller batches", {}, survived > 0)


def _compared(
    here: dict[str, Condition], wanted: list[Labels], found: list[Labels], said: str
) -> Iterator[Finding]:
    """What became of the labels with less memory, and how many masks fitted at once.

    Masks are those of the objects, and their union.
    """
    fitted = [int(number) for number in _RETRIES.findall(said)]
    whole = _OBJECTS + needs_union(Inference().aggregation, _OBJECTS)
    yield Finding("masks at once", here, min(fitted, default=whole))
    if said:
        yield Finding("messages", here, " / ".join(said.splitlines()))
    yield at_least("labels equal", here, float(np.mean(np.array(found) == wanted)), ALIKE)


def labels_of(bench: Bench, network: RGMP, frames: list[Labels]) -> tuple[list[Labels], str]:
    """The labels of all frames but the first, and what was said on standard error meanwhile."""
    said = StringIO()
    with redirect_stderr(said):
        propagator = Propagator(network, Inference(), bench.device)
        propagator.start(frames[0], discs(_OBJECTS, *frames[0].shape[:2]))
        found = [download(propagator.step(frame))() for frame in frames[1:]]
    return found, said.getvalue()
