"""A job, its children and the jobs that these need, as a graph of what waits for what."""

from collections.abc import Mapping
from typing import NamedTuple

import anyio.to_thread

from asyncjobd.monitoring.overview import Row
from asyncjobd.monitoring.run import Run
from asyncjobd.monitoring.states import state_in_list
from asyncjobd.monitoring.why.answer import missing
from asyncjobd.web.layers import Edge, Place, place, without_shortcuts
from asyncjobd.web.page import LISTS, Asked, Model, NotFound, Page
from asyncjobd.web.text import flat, visible

MOST_JOBS = 200
MOST_ROUNDS = 50  # of questions: jobs that need others, which need others
LONGEST_NAME = 22  # characters, of which a box has room for
BOX = (190, 40)  # width and height
STEP = (270, 56)  # from one box to the next
MARGIN = 4


class Node(Model):
    """A job, at (x, y) of its box. `needs`: the jobs shown for which it waits, besides so many `more`."""

    id: int
    parent_id: int | None
    name: str
    state: str
    x: int
    y: int
    needs: list[int]
    more: int


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
    rows, is_all = await _around(asked.fetch, job_id)
    if job_id not in rows:
        raise NotFound((await missing(asked.fetch, job_id)).sentence)
    needs = _needs(rows)
    arrows, places = await anyio.to_thread.run_sync(_drawn, rows, needs)
    return GraphModel(
        title=f"Graph of {rows[job_id]['job_name']} {job_id}",
        id=job_id,
        nodes=[_node(rows[id_], places[id_], needs[id_]) for id_ in sorted(rows)],
        arrows=[
            Arrow(_curve(places[from_], places[to]), waits=waits)
            for (from_, to), waits in sorted(arrows.items())
        ],
        width=_length(STEP[0], BOX[0], max(each.layer for each in places.values())),
        height=_length(STEP[1], BOX[1], max(each.position for each in places.values())),
        box_width=BOX[0],
        box_height=BOX[1],
        is_all=is_all,
    )


async def _around(fetch: Run, job_id: int) -> tuple[dict[int, Row], bool]:
    """Return a job, the jobs that it needs, its children, what all these need, and whether that is all of them.

    Jobs that were deleted are not among them.
    """
    children = await fetch("inspect/list_child_ids", job_id=job_id, limit=MOST_JOBS + 1)
    found: dict[int, Row] = {}
    asked: set[int] = set()
    wanted = [job_id]
    for number in range(MOST_ROUNDS):
        now, wanted = wanted[: MOST_JOBS - len(found)], wanted[MOST_JOBS - len(found) :]
        if not now:
            break
        rows = await fetch("inspect/list_graph_jobs", ids=now, limit=MOST_JOBS)
        asked.update(now)
        found |= {row["id"]: dict(row) for row in rows}
        wanted += [each for row in rows for each in (row["waits_on"], *row["needs"]) if each is not None]
        wanted += [row["id"] for row in children] if number == 0 else []
        wanted = [each for each in dict.fromkeys(wanted) if each not in asked]
    return found, not wanted and all(row["needed"] <= MOST_JOBS for row in found.values())


def _needs(rows: Mapping[int, Row]) -> dict[int, list[int]]:
    """Return for which of the jobs each one waits, or did: those that it names, and its children if it says so."""
    needs = {
        id_: {each for each in (row["waits_on"], *row["needs"]) if each in rows} for id_, row in rows.items()
    }
    for id_, row in rows.items():
        if row["parent_id"] in rows and rows[row["parent_id"]]["waits_for_children"]:
            needs[row["parent_id"]].add(id_)
    return {id_: sorted(each) for id_, each in needs.items()}


def _drawn(
    rows: Mapping[int, Row], needs: Mapping[int, list[int]]
) -> tuple[dict[Edge, bool], dict[int, Place]]:
    """Return the edges to draw, each with whether its second job waits for the first, and the place of each job."""
    waits = {(needed, id_) for id_, each in needs.items() for needed in each}
    born = {
        (row["parent_id"], id_)
        for id_, row in rows.items()
        if row["parent_id"] in rows and (id_, row["parent_id"]) not in waits
    }
    edges = dict.fromkeys(born, False) | dict.fromkeys(without_shortcuts(rows, waits), True)
    return edges, place(rows, edges)


def _node(row: Row, at: Place, needs: list[int]) -> Node:
    name = visible(flat(row["job_name"]))
    return Node(
        title=row["job_name"],
        id=row["id"],
        parent_id=row["parent_id"],
        name=name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…",
        state=state_in_list(row),
        x=MARGIN + STEP[0] * at.layer,
        y=MARGIN + STEP[1] * at.position,
        needs=needs,
        more=max(0, row["needed"] - len(needs)) if row["needed"] > MOST_JOBS else 0,
    )


def _curve(from_: Place, to: Place) -> str:
    """Return the path from the right side of a box to the left side of another."""
    x1, y1 = MARGIN + STEP[0] * from_.layer + BOX[0], MARGIN + STEP[1] * from_.position + BOX[1] // 2
    x2, y2 = MARGIN + STEP[0] * to.layer, MARGIN + STEP[1] * to.position + BOX[1] // 2
    bend = max((x2 - x1) // 2, STEP[0] - BOX[0])
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"


def _length(step: int, box: int, last: int) -> int:
    return 2 * MARGIN + step * last + box


PAGE = Page("/graph/{job_id:job}", "graph", graph, LISTS)
