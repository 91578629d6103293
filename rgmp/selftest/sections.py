"""The sections of the selftest, in the order in which they run."""

from typing import NamedTuple


class Section(NamedTuple):
    """A section: a module with a function `section(bench: Bench) -> Iterator[Finding]`.

    Attributes:
        name: on the command line, and of its module in this package.
        title: what it shows, for people.
        on_gpu: about how many seconds it takes on a GPU; with less left it does not begin.
        on_cpu: about how many on a CPU; None: it needs a GPU.
        package: of its module.
    """

    name: str
    title: str
    on_gpu: float
    on_cpu: float | None
    package: str = "rgmp.selftest"

    @property
    def module(self) -> str:
        """The name of its module."""
        return f"{self.package}.{self.name}"

    def needs(self, device: str) -> float | None:
        """About how many seconds it takes on a type of device; None: it needs a GPU."""
        return self.on_gpu if device == "cuda" else self.on_cpu


SECTIONS: tuple[Section, ...] = (Section("memory", "memory by number of objects", 15, 20),)


def named(names: list[str] | None) -> tuple[Section, ...]:
    """The sections of those names, in their order; all of them without names."""
    return tuple(s for s in SECTIONS if names is None or s.name in names)
