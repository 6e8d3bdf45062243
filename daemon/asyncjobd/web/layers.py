"""Places the nodes of a graph in layers, so that all edges point to the right where there is no cycle."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

Edge = tuple[int, int]  # from a node to another


class Place(NamedTuple):
    """Where a node stands: in which layer from the left, and at which position from the top."""

    layer: int
    position: int


def place(nodes: Iterable[int], edges: Iterable[Edge]) -> dict[int, Place]:
    """Return the place of each node: left of all to which its edges point, and near them.

    An edge that closes a cycle is left out of account.
    """
    after = _after(nodes, edges)
    layers = _layers(after)
    last = max(layers.values(), default=0)
    places: dict[int, Place] = {}
    for layer in range(last + 1):  # from the right to the left
        inside = [node for node in layers if layers[node] == layer]
        inside.sort(key=lambda node: (_height(after[node], places), node))
        places |= {node: Place(last - layer, position) for position, node in enumerate(inside)}
    return places


def without_shortcuts(nodes: Iterable[int], edges: Iterable[Edge]) -> set[Edge]:
    """Return the edges between nodes that no other way connects, the transitive reduction.

    Of nodes in a cycle all are kept.
    """
    after = _after(nodes, edges)
    order = list(_layers(after))
    reached: dict[int, set[int]] = {node: set() for node in order}
    is_changed = True
    while is_changed:  # once more to find no change, and more often only for cycles
        before = sum(map(len, reached.values()))
        for node in order:
            reached[node].update(after[node], *(reached[other] for other in after[node]))
        is_changed = sum(map(len, reached.values())) > before
    in_cycle = {node for node in order if node in reached[node]}
    kept: set[Edge] = set()
    for from_, others in after.items():
        farther = set[int]().union(*(reached[other] for other in others)) - in_cycle
        kept.update((from_, to) for to in others if from_ in in_cycle or to not in farther)
    return kept


def _after(nodes: Iterable[int], edges: Iterable[Edge]) -> dict[int, set[int]]:
    """Return to which others the edges of each node point."""
    after: dict[int, set[int]] = {node: set() for node in nodes}
    for from_, to in edges:
        if from_ in after and to in after and from_ != to:
            after[from_].add(to)
    return after


def _layers(after: Mapping[int, set[int]]) -> dict[int, int]:
    """Return how far each node is from the right, by the longest way, those at the right first."""
    layers: dict[int, int] = {}
    left = dict(after)
    while left:
        free = [node for node, others in left.items() if not others & left.keys()]
        for node in free or [_in_cycle(left)]:
            layers[node] = 1 + max((layers[other] for other in after[node] if other in layers), default=-1)
            del left[node]
    return layers


def _in_cycle(left: Mapping[int, set[int]]) -> int:
    """Return a node of a cycle; each of these nodes has an edge to another one."""
    node, passed = max(left), set[int]()
    while node not in passed:
        passed.add(node)
        node = max(left[node] & left.keys())
    return node


def _height(others: Iterable[int], places: Mapping[int, Place]) -> float:
    """Return the mean position of the nodes that are placed."""
    found = [places[other].position for other in others if other in places]
    return sum(found) / len(found) if found else 0.0
