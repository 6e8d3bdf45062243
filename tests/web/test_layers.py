"""A graph in layers: arrows point to the right, whatever it looks like, and circles do no harm."""

from hypothesis import given
from hypothesis import strategies as st

from asyncjobd.web.layers import Place, place, without_shortcuts

NODES = st.integers(0, 30)


def test_chain_has_a_layer_for_each() -> None:
    assert place([1, 2, 3], [(1, 2), (2, 3), (1, 3)]) == {1: Place(0, 0), 2: Place(1, 0), 3: Place(2, 0)}


def test_nodes_stand_near_those_to_which_they_point() -> None:
    places = place([1, 2, 3, 4, 5], [(1, 4), (2, 3), (5, 1)])
    assert (places[2].position, places[1].position) == (0, 1)
    assert [places[node].layer for node in (5, 1, 2, 3, 4)] == [0, 1, 1, 2, 2]


def test_circle_is_opened_at_one_node() -> None:
    assert place([1, 2], [(1, 2), (2, 1), (1, 1)]) == {1: Place(0, 0), 2: Place(1, 0)}


def test_arrows_that_follow_from_others_are_left_out() -> None:
    assert without_shortcuts([1, 2, 3, 4], [(1, 2), (2, 3), (1, 3), (4, 3)]) == {(1, 2), (2, 3), (4, 3)}


def test_arrows_of_a_circle_are_kept() -> None:
    circle = {(1, 2), (2, 3), (3, 1), (1, 3)}
    assert without_shortcuts([1, 2, 3], circle) == circle


@given(st.sets(NODES), st.lists(st.tuples(NODES, NODES)))
def test_every_node_has_a_place_of_its_own(nodes: set[int], arrows: list[tuple[int, int]]) -> None:
    places = place(nodes, arrows)
    assert places.keys() == nodes
    assert len(set(places.values())) == len(nodes)


@given(st.sets(NODES), st.lists(st.tuples(NODES, NODES)))
def test_arrows_without_a_circle_point_to_the_right(nodes: set[int], arrows: list[tuple[int, int]]) -> None:
    upward = [(min(pair), max(pair)) for pair in arrows if pair[0] != pair[1] and nodes.issuperset(pair)]
    places = place(nodes, upward)
    assert all(places[from_].layer < places[to].layer for from_, to in upward)
