"""The jobs of a selection, the newest first, a bounded look at a time."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from time import monotonic

import asyncpg
import msgspec

from asyncjobd.job import Status
from asyncjobd.monitoring.overview import Overview, Row
from asyncjobd.monitoring.search import WIDTH
from asyncjobd.monitoring.selection import Selection, SelectionError
from asyncjobd.monitoring.states import state_in_list
from asyncjobd.monitoring.units import count, duration
from asyncjobd.web.page import LISTS, Asked, Model, Moved, Page
from asyncjobd.web.place import NEWEST, Place
from asyncjobd.web.selecting import selection_of

MOST_ROWS = 50
LONGEST_SEARCH = 0.2  # seconds after which no further statement begins
COUNTED = {"ready": "ready", "running": "running", "Queued": "queued", "Hold": "held", "Failed": "failed"}

ORDERS = {  # in which an index lists the jobs in a status
    "running": "the longest running first",
    "Queued": "the next one due first",
    "ready": "name by name, as daemons take them",
    "Failed": "the last to fail first",
    "Hold": "the newest first",
}

_STATUS = re.compile(r'(?:^|\s)status:(?:"[^"]*"|\S+)')


class Tab(Model):
    """The same selection in another status. `number`: how many jobs, where that is counted."""

    query: str
    number: str
    is_here: bool


class JobsModel(Model):
    """The jobs found. `problem`: why the selection cannot be read; empty where it can.

    `reached` is the first id that was looked at, and `reached_at` when that was inserted, where it was searched for
    them. `further`: the place after which there may be more.
    """

    query: str
    problem: str
    tabs: list[Tab]
    jobs: list[Row]
    order: str
    reached: int | None
    reached_at: datetime | None
    further: str | None
    is_first: bool


class Found(msgspec.Struct):
    """What a search has found, and how far it has come."""

    jobs: list[Row]
    order: str = "the newest first"
    reached: int | None = None
    reached_at: datetime | None = None
    further: str | None = None


async def jobs(asked: Asked) -> JobsModel:
    """Search for the jobs of the query. Raise Moved where that is the id of one."""
    query = asked.query.get("q", "").strip()
    if query.isascii() and query.isdigit():
        raise Moved(f"/jobs/{query}")
    place = Place.parse(asked.query["before"]) if asked.query.get("before") else Place()
    problem, selection, found = "", Selection(), Found([])
    try:
        selection = await selection_of(asked.fetch, query, asked.now, asked.hide)
        found = await (_list if _has_index(selection) else _search)(asked, selection, place)
    except SelectionError as error:
        problem = str(error)
    return JobsModel(
        title="Jobs",
        query=query,
        problem=problem,
        tabs=[] if problem else _tabs(asked.overview, query, selection),
        jobs=found.jobs,
        order=found.order,
        reached=found.reached,
        reached_at=found.reached_at,
        further=found.further,
        is_first=place.job_id is None,
    )


def _has_index(selection: Selection) -> bool:
    """Return whether these jobs are listed by an index, however many others there are."""
    is_plain = selection == Selection(selection.job_name, selection.state)
    return (
        is_plain and selection.state in ORDERS and (selection.state != "Queued" or selection.job_name is None)
    )


async def _list(asked: Asked, selection: Selection, place: Place) -> Found:
    """List the jobs in a status, from after a place on."""
    assert selection.state is not None
    rows = await _listed(asked, selection.state, selection.arguments["name_pattern"] or "%", place)
    jobs = [_shown(dict(row), asked.now) for row in rows]
    further = str(Place.of(selection.state, jobs[-1])) if len(jobs) == MOST_ROWS else None
    return Found(jobs, ORDERS[selection.state], further=further)


async def _listed(asked: Asked, state: str, pattern: str, place: Place) -> Sequence[asyncpg.Record]:
    fetch, limit, after_id = asked.fetch, MOST_ROWS, place.job_id
    match state:
        case "running":
            query = fetch(
                "inspect/list_jobs_running",
                name_pattern=pattern,
                after_id=after_id,
                after_at=place.time,
                limit=limit,
            )
        case "Queued":
            query = fetch("inspect/list_jobs_queued", after_id=after_id, after_at=place.time, limit=limit)
        case "ready":
            priority, name = place.priority_and_name
            query = fetch(
                "inspect/list_jobs_ready", name_pattern=pattern, after_id=after_id, after_priority=priority,
                after_name=name, limit=limit,
            )  # fmt: skip
        case "Failed":
            query = fetch(
                "inspect/list_jobs_failed",
                name_pattern=pattern,
                after_id=after_id,
                after_at=place.time,
                limit=limit,
            )
        case _:
            query = fetch("inspect/list_jobs_held", name_pattern=pattern, after_id=after_id, limit=limit)
    return await query


async def _search(asked: Asked, selection: Selection, place: Place) -> Found:
    """Look at the jobs before an id until enough are found, or it has taken long enough."""
    began, found = monotonic(), Found([])
    before = NEWEST if place.job_id is None else place.job_id
    while True:
        rows = await asked.fetch(
            "inspect/search_jobs", before_id=before, width=WIDTH, limit=MOST_ROWS - len(found.jobs),
            **selection.arguments,
        )  # fmt: skip
        reached = rows[0]["reached"]
        if reached is None:
            found.further = None
            return found
        found.jobs += [_shown(dict(row), asked.now) for row in rows if row["id"] is not None]
        found.reached, found.reached_at = reached, rows[0]["reached_at"]
        if len(found.jobs) == MOST_ROWS:
            found.reached = found.jobs[-1]["id"]
            found.further = str(found.reached)
            found.reached_at = found.jobs[-1]["created_at"]
            return found
        before, found.further = reached, str(reached)
        if monotonic() - began > LONGEST_SEARCH:
            return found


def _shown(row: Row, now: datetime) -> Row:
    """Add what a list shows of a job: its state, since when or until when, and how long it ran."""
    status = Status(row["status"])
    row["state"] = state_in_list(row)
    row["took"] = ""
    row["at"] = row["last_execution_time"] or row["created_at"]
    if row["is_running"]:
        row["at"] = row["started_at"]
        row["took"] = _time(now - row["started_at"])
    elif status.is_final:
        row["at"] = row["finished_at"]
        if row["started_at"] and row["finished_at"]:
            row["took"] = _time(row["finished_at"] - row["started_at"])
    elif status is not Status.HOLD:
        row["at"] = row["due_at"]
    return row


def _time(spent: timedelta) -> str:
    return duration(max(spent.total_seconds(), 0.0))


def _tabs(overview: Overview | None, query: str, selection: Selection) -> list[Tab]:
    """Return the tabs; they are counted where the selection says no more than a name and a status."""
    others = _STATUS.sub("", query).strip()
    counted = overview if selection == Selection(selection.job_name, selection.state) else None
    # In a selection only * stands for other text
    pattern = (selection.job_name or "*").replace("[", "[[]").replace("?", "[?]")
    meant = [row for row in counted.actions if fnmatchcase(row["name"], pattern)] if counted else []
    tabs = [Tab(title="all", query=others, number="", is_here=selection.state is None)]
    for state in ("ready", "running", "Queued", "Hold", "Failed", "Completed"):
        number = count(sum(row[COUNTED[state]] for row in meant)) if counted and state in COUNTED else ""
        wanted = f"{others} status:{state}".strip()
        tabs.append(Tab(title=state, query=wanted, number=number, is_here=selection.state == state))
    return tabs


PAGE = Page("/jobs", "jobs", jobs, LISTS, parameters=("q", "before"), in_menu="Jobs", uses_overview=True)
