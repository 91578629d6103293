"""Groups, letters and ranks from decided pairs."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from rgmp.evaluation.groups import Order, Rank, groups_of, leading, letters_of, ranks_of

METHODS = ["a", "b", "c", "d", "e"]


def test_groups_of_a_graph_made_by_hand() -> None:
    """A chain in which only neighbours, and those one further, cannot be told apart."""
    decided = {("a", "d"), ("a", "e"), ("b", "e")}
    groups = groups_of(METHODS, decided)
    assert groups == [("a", "b", "c"), ("b", "c", "d"), ("c", "d", "e")]
    assert letters_of(groups) == {"a": "a", "b": "ab", "c": "abc", "d": "bc", "e": "c"}
    assert leading(METHODS, decided) == ["a", "b", "c"]
    assert ranks_of(METHODS, decided) == {
        "a": Rank(1, 3),
        "b": Rank(1, 4),
        "c": Rank(1, 5),
        "d": Rank(2, 5),
        "e": Rank(3, 5),
    }


def test_all_or_none_decided() -> None:
    assert groups_of(METHODS, set()) == [tuple(METHODS)]
    assert {*ranks_of(METHODS, set()).values()} == {Rank(1, 5)}
    order = {*combinations(METHODS, 2)}
    assert groups_of(METHODS, order) == [(name,) for name in METHODS]
    assert [*ranks_of(METHODS, order).values()] == [Rank(i, i) for i in range(1, 6)]
    assert leading(METHODS, order) == ["a"]


def test_two_that_lead_need_not_be_the_whole_of_their_group() -> None:
    """C is beaten by B alone, and cannot be told from A."""
    decided = {("b", "c")}
    assert groups_of(["a", "b", "c"], decided) == [("a", "b"), ("a", "c")]
    assert leading(["a", "b", "c"], decided) == ["a", "b"]


def test_letters_beyond_the_alphabet_are_numbered() -> None:
    groups = [(str(i),) for i in range(27)] + [("0", "x")]
    letters = letters_of(groups)
    assert (letters["0"], letters["25"], letters["26"], letters["x"]) == ("a b2", "z", "a2", "b2")


def orders(methods: list[str]) -> st.SearchStrategy[Order]:
    return st.sets(st.sampled_from([*combinations(methods, 2)]))


@given(orders(METHODS))
def test_groups_are_those_that_trying_every_set_finds(decided: Order) -> None:
    def alike(some: tuple[str, ...]) -> bool:
        return not {*combinations(some, 2)} & decided

    sets = [s for n in range(1, 6) for s in combinations(METHODS, n) if alike(s)]
    maximal = [s for s in sets if not any({*s} < {*other} for other in sets)]
    assert sorted(groups_of(METHODS, decided)) == sorted(maximal)


@given(orders(METHODS))
def test_those_that_lead_are_one_group_at_most_and_rank_first(decided: Order) -> None:
    first = leading(METHODS, decided)
    assert any({*first} <= {*group} for group in groups_of(METHODS, decided))
    assert first == [name for name, rank in ranks_of(METHODS, decided).items() if rank.best == 1]
