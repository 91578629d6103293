"""Data that a study names and that are not there: all at once, with the command that fetches them.

What is wrong with data that are there, whoever reads them says.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from rgmp.config.base import Benchmark
from rgmp.config.comparison import Truth
from rgmp.config.method import Method
from rgmp.config.study import Data, External, Stills, Study
from rgmp.download import catalogue
from rgmp.errors import refuse
from rgmp.runtime.files import exists

Named = tuple[str, Path]
"""A key of a study file and the path that it has there."""


def require_there(named: Iterable[Named]) -> None:
    """Stop if paths are not there, and say all of them.

    Raises:
        ProblemsError: one is not there; of those in a folder that `rgmp download` makes, the
            folder is named.
    """
    absent: dict[Path, list[str]] = {}
    for key, path in named:
        if _is_absent(path):
            keys = absent.setdefault(_fetched(path) or path, [])
            keys += [key] if key not in keys else []
    refuse(
        f"{place}: no such file or folder ({', '.join(keys)}); {_what_to_do(place)}"
        for place, keys in absent.items()
    )


def of_study(study: Study, methods: Iterable[Method]) -> Iterator[Named]:
    """What a study with these methods reads."""
    data, every = study.data, [*methods]
    trained = [m.finetune.benchmark for m in every if "finetune" in m.stages]
    yield from of_videos(data, (*trained, *study.benchmarks))
    if any("pretrain" in method.stages for method in every):
        yield from _of_stills(data.stills)
    if data.attributes:
        yield "data.attributes", data.attributes
    for method in every:
        if method.network.initial_weights:
            yield "network.initial_weights", method.network.initial_weights
        if method.weights:
            yield "weights", method.weights
    if study.submission and not study.submission.optional:
        yield "submission.davis", study.submission.davis
    yield from of_external(study.external)


def of_videos(data: Data | Truth, benchmarks: Iterable[Benchmark]) -> Iterator[Named]:
    """The trees of some benchmarks; the embedded ones are made by the study."""
    for benchmark in benchmarks:
        if benchmark in data.sets:
            yield f"data.sets.{benchmark}.root", data.sets[benchmark].root
        elif benchmark == "davis2016" and data.davis2016:
            yield "data.davis2016", data.davis2016
        elif data.davis:
            yield "data.davis", data.davis


def of_external(methods: Iterable[External]) -> Iterator[Named]:
    """The masks and scores of external methods."""
    for method in methods:
        for kind, places in (("masks", method.masks), ("scores", method.scores)):
            for benchmark, place in places.items():
                yield f"external {method.name}: {kind}.{benchmark}", place


def _of_stills(sets: Iterable[Stills]) -> Iterator[Named]:
    for number, stills in enumerate(sets):
        for key in ("images", "masks", "names"):
            if path := getattr(stills, key):
                yield f"data.stills.{number}.{key}", path


def _is_absent(path: Path) -> bool:
    """Whether it is known that nothing is there."""
    with suppress(OSError):
        return not exists(path)
    return False


def _fetched(path: Path) -> Path | None:
    """The folder, not there, that `rgmp download` makes and that has this path; None: none."""
    folders = (*reversed(path.parents), path)
    of_sets = (folder for folder in folders if folder.name in _sets())
    return next(filter(_is_absent, of_sets), None)


@cache
def _sets() -> frozenset[str]:
    """The names of the sets that can be fetched, and of their folders."""
    return frozenset(catalogue.load())


def _what_to_do(place: Path) -> str:
    if _fetched(place) != place:
        return "put it there, or correct its path"
    return f"`rgmp download {place.name}` makes it in {place.parent}"
