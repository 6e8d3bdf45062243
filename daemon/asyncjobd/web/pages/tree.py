"""A job and its children on one line of time: what it waits for, and which of them is slow."""

from collections import Counter, defaultdict
from datetime import datetime
from typing import NamedTuple

from asyncjobd.monitoring.overview import Row
from asyncjobd.monitoring.states import state_in_list
from asyncjobd.monitoring.units import duration
from asyncjobd.monitoring.why.answer import missing
from asyncjobd.web.page import LISTS, Asked, Model, NotFound, Page
from asyncjobd.web.search_box import term

MOST_CHILDREN = 1_000
MOST_ALONE = 20  # children of one name; more are one row
WIDTH = 1000  # of the line of time


class Bar(NamedTuple):
    """Where jobs waited and ran, from 0 to WIDTH."""

    from_: float
    ran_from: float
    to: float


class Line(Model):
    """A job, or children of one name together. `id`: of a job; None: of several, whose states are counted."""

    id: int | None
    states: dict[str, int]
    took: str
    bar: Bar
    has_children: bool = False
    message: str = ""


class TreeModel(Model):
    """A job, and what is beneath it. `is_all`: these are all of its children."""

    id: int
    parent_id: int | None
    lines: list[Line]
    states: dict[str, int]
    number: int
    is_all: bool
    name: str
    query: str
    began_at: datetime
    ended_at: datetime


async def tree(asked: Asked) -> TreeModel:
    """Look at a job and its children. Raise NotFound."""
    job_id, name = asked.path["job_id"], asked.query.get("name")
    rows = [
        dict(row)
        for row in await asked.fetch("inspect/list_tree", job_id=job_id, name=name, limit=MOST_CHILDREN)
    ]
    if not rows or not rows[0]["is_root"]:
        raise NotFound((await missing(asked.fetch, job_id)).sentence)
    root, children = rows[0], rows[1:]
    began_at = min(row["created_at"] for row in rows)
    ended_at = max(_end(row, asked.now) for row in rows)
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in children:
        groups[row["job_name"]].append(row)
    lines = [_line([root], began_at, ended_at, asked.now)]
    for found in groups.values():
        together = [found] if len(found) > MOST_ALONE and name is None else [[row] for row in found]
        lines += [_line(each, began_at, ended_at, asked.now) for each in together]
    return TreeModel(
        title=f"Tree of {root['job_name']} {job_id}",
        id=job_id,
        parent_id=root["parent_id"],
        lines=lines,
        states=_states(children),
        number=len(children),
        is_all=len(children) < MOST_CHILDREN,
        name=name or "",
        query=term("parent", str(job_id)),
        began_at=began_at,
        ended_at=ended_at,
    )


def _line(rows: list[Row], began_at: datetime, ended_at: datetime, now: datetime) -> Line:
    first = rows[0]
    started = [row["started_at"] for row in rows if row["started_at"] is not None]
    from_, to = min(row["created_at"] for row in rows), max(_end(row, now) for row in rows)
    ran_from = max(min(started), from_) if started else to
    span = max((ended_at - began_at).total_seconds(), 0.001)

    def place(when: datetime) -> float:
        return round((when - began_at).total_seconds() / span * WIDTH, 1)

    return Line(
        title=first["job_name"],
        id=first["id"] if len(rows) == 1 else None,
        states=_states(rows),
        took=duration((to - ran_from).total_seconds()) if started else "",
        bar=Bar(place(from_), place(ran_from), place(to)),
        has_children=len(rows) == 1 and first["has_children"] and not first["is_root"],
        message=(first["message"] or "") if len(rows) == 1 else "",
    )


def _states(rows: list[Row]) -> dict[str, int]:
    return dict(Counter(map(state_in_list, rows)))


def _end(row: Row, now: datetime) -> datetime:
    """Return when a job ended; now, where it has not."""
    end: datetime = row["finished_at"] or now
    return end


PAGE = Page("/tree/{job_id:job}", "tree", tree, LISTS, parameters=("name",))
