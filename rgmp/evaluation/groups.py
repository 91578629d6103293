"""Which methods can be told apart: groups, letters and ranks from the decided pairs.

Two methods are told apart where one is decided better than the other. A group is a maximal set of
methods without such a pair; groups may overlap, since A may not be told from B, nor B from C, and
yet A be better than C. They are printed as letters, one for each group, after each of its members'
names: the compact letter display of multiple comparisons (Piepho, Journal of Computational and
Graphical Statistics 13, 2004). In terms of graphs, groups are the maximal cliques of the pairs that
are not told apart (Bron and Kerbosch, Communications of the ACM 16, 1973).
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from string import ascii_lowercase
from typing import NamedTuple

Order = AbstractSet[tuple[str, str]]
"""The pairs that are decided: the better method, then the worse."""


class Rank(NamedTuple):
    """The ranks that a method may have: the best and the worst, from 1 on."""

    best: int
    worst: int


def groups_of(methods: Sequence[str], decided: Order) -> list[tuple[str, ...]]:
    """The maximal sets of methods of which no two are told apart.

    Args:
        methods: best first.
        decided: the pairs among them that are told apart.

    Returns:
        The groups, the one of the best method first; each has the order of `methods`.
    """
    place = {name: at for at, name in enumerate(methods)}
    apart = decided | {(worse, better) for better, worse in decided}
    alike = {a: {b for b in methods if a != b and (a, b) not in apart} for a in methods}
    places = [sorted(place[name] for name in group) for group in _cliques(alike)]
    return [tuple(methods[at] for at in group) for group in sorted(places)]


def _cliques(alike: Mapping[str, set[str]]) -> Iterator[set[str]]:
    """The maximal cliques of a graph, given by every node's neighbours."""

    def extended(clique: set[str], candidates: set[str], seen: set[str]) -> Iterator[set[str]]:
        if not candidates and not seen:
            yield clique
            return
        pivot = max(sorted(candidates | seen), key=lambda node: len(alike[node] & candidates))
        for node in sorted(candidates - alike[pivot]):
            yield from extended(clique | {node}, candidates & alike[node], seen & alike[node])
            candidates = candidates - {node}
            seen = seen | {node}

    if alike:
        yield from extended(set(), {*alike}, set())


def letters_of(groups: Sequence[Sequence[str]]) -> dict[str, str]:
    """The letters of every member: `a` for the first group, `ab` for a member of the first two.

    Beyond `z` they are numbered, `a2` to `z2` and so on, and stand apart.
    """
    letters: dict[str, list[str]] = {}
    for at, group in enumerate(groups):
        again, which = divmod(at, len(ascii_lowercase))
        for name in group:
            letter = ascii_lowercase[which] + (str(again + 1) if again else "")
            letters.setdefault(name, []).append(letter)
    between = " " if len(groups) > len(ascii_lowercase) else ""
    return {name: between.join(of) for name, of in letters.items()}


def ranks_of(methods: Sequence[str], decided: Order) -> dict[str, Rank]:
    """The ranks of each method: from 1 + those decided better to n - those decided worse."""
    better = {name: sum(worse == name for _, worse in decided) for name in methods}
    worse = {name: sum(better == name for better, _ in decided) for name in methods}
    return {name: Rank(1 + better[name], len(methods) - worse[name]) for name in methods}


def leading(methods: Sequence[str], decided: Order) -> list[str]:
    """The methods than which none is decided better, in the order of `methods`.

    No two of them are told apart, so they are in one group.
    """
    beaten = {worse for _, worse in decided}
    return [name for name in methods if name not in beaten]
