"""Out of memory for real: with less memory than all objects take at once, the labels stay.

PyTorch is told to give a process only a share of what the objects took. The propagator then has to
halve its batches, and may find that not even one object fits. Each share has a process of its own:
what goes wrong while a CUDA graph is captured may spoil the memory of all that comes after.
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
from rgmp.inference.propagator import Propagator, segment_frames
from rgmp.model.network import RGMP
from rgmp.runtime.processes import apart
from rgmp.selftest.bench import Bench
from rgmp.selftest.devices import ALIKE
from rgmp.selftest.finding import Condition, Finding, at_least, required
from rgmp.selftest.scenes import discs, random_network, video

_OBJECTS = 5
_SIZE = (480, 854)
_FRAMES = 4
_SHARES = (0.8, 0.55, 0.4, 0.28, 0.2, 0.14)
"""Of what all objects take at once, until one of them is too little for a single object."""
_RETRIES = re.compile(r"retrying with (\d+)")
_AT_ONCE, _REFUSED = "masks at once", "refused"


def _masks() -> int:
    """Those of the objects, and their union where it is needed."""
    return _OBJECTS + needs_union(Inference().aggregation, _OBJECTS)


def section(bench: Bench) -> Iterator[Finding]:
    """Segment a video without a limit, then with less and less memory until that is refused."""
    network = random_network(Network(), bench.seed)
    segment = partial(labels_of, bench, network, video(_FRAMES, *_SIZE, seed=bench.seed))
    segment()  # here cuDNN tries its algorithms, which takes more memory than any of them needs
    bench.release()
    wanted, _ = segment()
    taken = torch.cuda.max_memory_reserved(bench.device)
    yield Finding("memory without a limit", {"objects": _OBJECTS}, taken / 2**20, "MiB")
    del network, segment
    bench.release()
    survived = False
    for share in _SHARES:
        here: dict[str, Condition] = {"objects": _OBJECTS, "memory": f"{share:.0%}"}
        work = partial(limited, bench, here, int(share * taken), wanted)
        found: list[Finding] = []
        for finding in apart(work, max(bench.seconds_left(), 1)):
            yield finding
            found.append(finding)
        survived |= any(f.quantity == _AT_ONCE and int(f.value) < _masks() for f in found)
        if any(f.quantity == _REFUSED for f in found):
            break
    yield required("objects were segmented in smaller batches", {}, survived)


def limited(
    bench: Bench, here: dict[str, Condition], memory: int, wanted: list[Labels]
) -> Iterator[Finding]:
    """Segment the video with so much memory, in this process.

    Args:
        bench: where.
        here: the conditions of what is found.
        memory: bytes of the device that PyTorch may take.
        wanted: the labels without a limit.
    """
    bench.prepare()
    network = random_network(Network(), bench.seed)
    total = torch.cuda.get_device_properties(bench.device).total_memory
    torch.cuda.set_per_process_memory_fraction(memory / total, bench.device)
    try:
        found, said = labels_of(bench, network, video(_FRAMES, *_SIZE, seed=bench.seed))
    except UserError as error:
        yield Finding(_REFUSED, here, str(error))
    except torch.OutOfMemoryError as error:  # a place that no smaller batch helps
        yield required("out of memory was met", here, False)
        yield Finding("messages", here, str(error).splitlines()[0])
    else:
        yield from _compared(here, wanted, found, said)


def _compared(
    here: dict[str, Condition], wanted: list[Labels], found: list[Labels], said: str
) -> Iterator[Finding]:
    """What became of the labels with less memory, and how many masks fitted at once."""
    fitted = [int(number) for number in _RETRIES.findall(said)]
    yield Finding(_AT_ONCE, here, min(fitted, default=_masks()))
    if said:
        yield Finding("messages", here, " / ".join(said.splitlines()))
    yield at_least("labels equal", here, float(np.mean(np.array(found) == wanted)), ALIKE)


def labels_of(bench: Bench, network: RGMP, frames: list[Labels]) -> tuple[list[Labels], str]:
    """The labels of all frames but the first, and what was said on standard error meanwhile."""
    said = StringIO()
    with redirect_stderr(said):
        propagator = Propagator(network, Inference(), bench.device)
        labels = discs(_OBJECTS, *frames[0].shape[:2])
        found = [*segment_frames(propagator, frames, labels)]
    return found, said.getvalue()
