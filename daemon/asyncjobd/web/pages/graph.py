"""A job, its children and the jobs that these need, as a graph of what waits for what."""

from typing import NamedTuple

from asyncjobd.job import Status
from asyncjobd.monitoring.overview import Row
from asyncjobd.monitoring.states import state_of
from asyncjobd.monitoring.why.answer import missing
from asyncjobd.web.layers import Place, place, without_shortcuts
from asyncjobd.web.page import LISTS, Asked, Model, NotFound, Page

MOST_JOBS = 200
LONGEST_NAME = 22  # characters, of which a box has room for
BOX = (190, 40)  # width and height
STEP = (270, 56)  # from one box to the next
MARGIN = 4


class Node(Model):
    """A job, at (x, y) of its box. `needs`: the jobs shown for which it waits."""

    id: int
    name: str
    state: str
    x: int
    y: int
    needs: list[int]


class Arrow(NamedTuple):
    """A curve from one box to another. `waits`: the second one waits for the first, else it is its child.

    What follows from other arrows has none of its own.
    """

    curve: str
    waits: bool


class GraphModel(Model):
    """A job and what hangs together with it. `is_all`: these are all of its children and of the jobs they need."""

    id: int
    nodes: list[Node]
    arrows: list[Arrow]
    width: int
    height: int
    box_width: int
    box_height: int
    is_all: bool


async def graph(asked: Asked) -> GraphModel:
    """Look at a job and the jobs around it. Raise NotFound."""
    job_id = asked.path["job_id"]
    rows = [dict(row) for row in await asked.fetch("inspect/list_graph", job_id=job_id, limit=MOST_JOBS)]
    root = next((row for row in rows if row["id"] == job_id), None)
    if root is None:
        raise NotFound((await missing(asked.fetch, job_id)).sentence)
    needs = _needs(rows)
    waits = {(needed, id_) for id_, each in needs.items() for needed in each}
    born = {
        (row["parent_id"], row["id"])
        for row in rows
        if row["parent_id"] in needs and (row["id"], row["parent_id"]) not in waits
    }
    arrows = dict.fromkeys(born, False) | dict.fromkeys(without_shortcuts(needs, waits), True)
    places = place(needs, arrows)
    return GraphModel(
        title=f"Graph of {root['job_name']} {job_id}",
        id=job_id,
        nodes=[_node(row, places[row["id"]], needs[row["id"]]) for row in rows],
        arrows=[
            Arrow(_curve(places[from_], places[to]), waits=waits)
            for (from_, to), waits in sorted(arrows.items())
        ],
        width=_edge(STEP[0], BOX[0], max(each.layer for each in places.values())),
        height=_edge(STEP[1], BOX[1], max(each.position for each in places.values())),
        box_width=BOX[0],
        box_height=BOX[1],
        is_all=len(rows) < MOST_JOBS,
    )


def _needs(rows: list[Row]) -> dict[int, list[int]]:
    """Return for which of the jobs each one waits, or did: those that it names, and its children if it says so."""
    needs = {row["id"]: list(row["needs"]) for row in rows}
    waits_for_children = {row["id"] for row in rows if row["waits_for_children"]}
    for row in rows:
        if row["parent_id"] in waits_for_children and row["id"] not in needs[row["parent_id"]]:
            needs[row["parent_id"]].append(row["id"])
    return needs


def _node(row: Row, at: Place, needs: list[int]) -> Node:
    name: str = row["job_name"]
    return Node(
        title=name,
        id=row["id"],
        name=name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…",
        state=state_of(Status(row["status"]), is_running=row["is_running"], is_stopping=row["is_stopping"]),
        x=MARGIN + STEP[0] * at.layer,
        y=MARGIN + STEP[1] * at.position,
        needs=needs,
    )


def _curve(from_: Place, to: Place) -> str:
    """Return the path from the right side of a box to the left side of another."""
    x1, y1 = MARGIN + STEP[0] * from_.layer + BOX[0], MARGIN + STEP[1] * from_.position + BOX[1] // 2
    x2, y2 = MARGIN + STEP[0] * to.layer, MARGIN + STEP[1] * to.position + BOX[1] // 2
    bend = max((x2 - x1) // 2, STEP[0] - BOX[0])
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"


def _edge(step: int, box: int, last: int) -> int:
    return 2 * MARGIN + step * last + box


PAGE = Page("/graph/{job_id:int}", "graph", graph, LISTS)
