"""The sections of the selftest, in the order in which they run."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

STARTING = 5.0
"""Seconds until the process of a section has imported torch and started CUDA."""
GRACE = 5.0
"""Seconds between the time at which a section should have ended and that at which it is killed."""


class Section(NamedTuple):
    """A section: a module with a function `section(bench: Bench) -> Iterator[Finding]`.

    Attributes:
        name: on the command line, and of its module in this package.
        title: what it shows, for people.
        on_gpu: about how many seconds it takes on a GPU; with less left it does not begin.
        on_cpu: about how many on a CPU; None: it needs a GPU.
        reserves: whether it takes the GPU for itself, as a job does; it cannot where it starts jobs
            that do.
        searches: whether cuDNN tries all its algorithms for each new shape, as jobs let it: that
            takes longer than all else where a shape is computed but a few times.
        only_if_named: whether it runs only if it is asked for.
    """

    name: str
    title: str
    on_gpu: float
    on_cpu: float | None
    reserves: bool = True
    searches: bool = True
    only_if_named: bool = False

    @property
    def module(self) -> str:
        """The name of its module."""
        return f"rgmp.selftest.{self.name}"

    def needs(self, device: str) -> float | None:
        """About how many seconds it takes on a type of device; None: it needs a GPU."""
        return self.on_gpu if device == "cuda" else self.on_cpu

    def allotment(self, device: str) -> float:
        """Seconds that its process may take at least: 0 where it cannot run."""
        needed = self.needs(device)
        return 0.0 if needed is None else STARTING + needed + GRACE


SECTIONS: tuple[Section, ...] = (
    Section("inference", "frames a second, by objects, scales and precision, in turns", 190, 80),
    Section("waiting", "what training waits for data, in both stages", 80, 40),
    Section("devices", "trained weights on the device and on the CPU", 60, 130, searches=False),
    Section("marked_tests", "the tests that need a GPU", 40, None, reserves=False),
    Section("limits", "a large matrix product, and each of the step's convolutions", 25, 10),
    Section("profile", "where the time goes", 40, 15),
    Section("precisions", "bf16 and tf32 against fp32, on these weights", 15, 20, searches=False),
    Section("training", "samples a second of both stages by precision, and gains", 100, 60),
    Section(
        "graphs", "a CUDA graph for each shape against the eager path", 20, None, searches=False
    ),
    Section("memory", "memory by number of objects", 30, 20, searches=False),
    Section("fallback", "less memory than all objects take at once", 60, None),
    Section("determinism", "two runs bit for bit, and what that costs", 60, 15),
    Section("collectives", "NCCL, or gloo on a CPU, with one process", 25, 10),
    Section("davis", "three sequences of real frames", 15, 60),
    Section("ways", "other ways to compute the step, in turns", 30, 25),
    Section("compiling", "torch.compile, of the step and of training", 90, 90),
    Section(
        "study",
        "two variants, by the ordinary commands",
        170,
        150,
        reserves=False,
        only_if_named=True,
    ),
)
"""What a card is judged by stands first: one run of the default time has no room for all.

The seconds on a GPU are estimated, with those that cuDNN's search takes; none was measured yet.
"""


def named(names: list[str] | None) -> tuple[Section, ...]:
    """The sections of those names, in their order; without names all that need not be named."""
    if names is None:
        return tuple(s for s in SECTIONS if not s.only_if_named)
    return tuple(s for s in SECTIONS if s.name in names)


def fitting(sections: Sequence[Section], seconds: float, device: str) -> Iterator[Section]:
    """Those of the sections, in order, that find time if each takes its allotment."""
    for section in sections:
        if section.allotment(device) <= seconds:
            seconds -= section.allotment(device)
            yield section
