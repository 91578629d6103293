"""The sections of the selftest, in the order in which they run."""

from typing import NamedTuple


class Section(NamedTuple):
    """A section: a module with a function `section(bench: Bench) -> Iterator[Finding]`.

    Attributes:
        name: on the command line, and of its module in this package.
        title: what it shows, for people.
        on_gpu: about how many seconds it takes on a GPU; with less left it does not begin.
        on_cpu: about how many on a CPU; None: it needs a GPU.
        reserves: whether it takes the GPU for itself, as a job does; it cannot where it starts jobs
            that do.
        package: of its module.
    """

    name: str
    title: str
    on_gpu: float
    on_cpu: float | None
    reserves: bool = True
    package: str = "rgmp.selftest"

    @property
    def module(self) -> str:
        """The name of its module."""
        return f"{self.package}.{self.name}"

    def needs(self, device: str) -> float | None:
        """About how many seconds it takes on a type of device; None: it needs a GPU."""
        return self.on_gpu if device == "cuda" else self.on_cpu


SECTIONS: tuple[Section, ...] = (
    Section("marked_tests", "the tests that need a GPU", 40, None, reserves=False),
    Section("devices", "trained weights on the device and on the CPU", 60, 120),
    Section("precisions", "bf16 and tf32 against fp32, on these weights", 15, 40),
    Section("graphs", "a CUDA graph for each shape against the eager path", 40, None),
    Section("memory", "memory by number of objects", 60, 40),
    Section("fallback", "less memory than all objects take at once", 40, None),
    Section("determinism", "two runs bit for bit, and what that costs", 30, 30),
    Section("collectives", "NCCL, or gloo on a CPU, with one process", 10, 10),
    Section("davis", "three sequences of real frames", 20, 60),
    Section("limits", "a large matrix product, and the step's convolutions alone", 20, 15),
    Section("inference", "frames a second, by objects, scales and precision", 60, 40),
    Section("training", "samples a second of both stages, waiting for data, gains", 60, 60),
    Section("profile", "where the time goes", 15, 15),
    Section("ways", "other ways to compute the step, in turns", 35, 40),
    Section("study", "two variants, by the ordinary commands", 100, 150, reserves=False),
)
"""One line for each: what needs little time stands before what needs much."""


def named(names: list[str] | None) -> tuple[Section, ...]:
    """The sections of those names, in their order; all of them without names."""
    return tuple(s for s in SECTIONS if names is None or s.name in names)
