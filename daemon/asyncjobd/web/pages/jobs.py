"""The jobs of a selection, the newest first, a bounded look at a time."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from time import monotonic

import msgspec

from asyncjobd.job import Status
from asyncjobd.monitoring.overview import Row
from asyncjobd.monitoring.search import WIDTH
from asyncjobd.monitoring.selection import Selection, SelectionError, parse_selection
from asyncjobd.monitoring.states import state_of
from asyncjobd.monitoring.units import count, duration
from asyncjobd.web.page import LISTS, Asked, Model, Moved, Page, Unclear

MOST_ROWS = 50
LONGEST_SEARCH = 0.2  # seconds after which no further statement begins
NEWEST = 2**63 - 1
COUNTED = {"ready": "ready", "running": "running", "Queued": "queued", "Hold": "held", "Failed": "failed"}

_STATUS = re.compile(r'(?:^|\s)status:(?:"[^"]*"|\S+)')


class Tab(Model):
    """The same selection in another status. `number`: how many jobs, where that is counted."""

    query: str
    number: str
    is_here: bool


class JobsModel(Model):
    """The jobs found. `problem`: why the selection cannot be read; empty where it can.

    `reached` is the first id that was looked at, and `reached_at` when that was inserted; `further`: there may be more.
    """

    query: str
    problem: str
    tabs: list[Tab]
    jobs: list[Row]
    reached: int | None
    reached_at: datetime | None
    further: int | None
    is_first: bool


class Found(msgspec.Struct):
    """What a search has found, and how far it has come."""

    jobs: list[Row]
    reached: int | None = None
    reached_at: datetime | None = None
    further: int | None = None


async def jobs(asked: Asked) -> JobsModel:
    """Search for the jobs of the query. Raise Moved where that is the id of one."""
    query = " ".join(asked.query.get("q", "").split())
    if query.isascii() and query.isdigit():
        raise Moved(f"/jobs/{query}")
    before = _before(asked.query)
    problem, selection, found = "", Selection(), Found([])
    try:
        selection = parse_selection(query, asked.now)
        found = await _search(asked, selection, before)
    except SelectionError as error:
        problem = str(error)
    return JobsModel(
        title="Jobs",
        query=query,
        problem=problem,
        tabs=[] if problem else await _tabs(asked, query, selection),
        jobs=found.jobs,
        reached=found.reached,
        reached_at=found.reached_at,
        further=found.further,
        is_first=before == NEWEST,
    )


def _before(query: Mapping[str, str]) -> int:
    text = query.get("before", "")
    if text and not (text.isascii() and text.isdigit() and int(text) <= NEWEST):
        raise Unclear(f"before={text}: expected the id of a job")
    return int(text or NEWEST)


async def _search(asked: Asked, selection: Selection, before: int) -> Found:
    """Look at the jobs before an id until enough are found, or it has taken long enough."""
    began, found = monotonic(), Found([])
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
            found.further = found.reached = found.jobs[-1]["id"]
            found.reached_at = found.jobs[-1]["created_at"]
            return found
        before = found.further = reached
        if monotonic() - began > LONGEST_SEARCH:
            return found


def _shown(row: Row, now: datetime) -> Row:
    """Add what a list shows of a job: its state, since when or until when, and how long it ran."""
    status, is_running = Status(row["status"]), row["is_running"]
    row["state"] = state_of(status, is_running=is_running, is_stopping=row["is_stopping"])
    row["took"] = ""
    row["at"] = row["last_execution_time"] or row["created_at"]
    if is_running:
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


async def _tabs(asked: Asked, query: str, selection: Selection) -> list[Tab]:
    """Return the tabs; they are counted where the selection says no more than a name and a status."""
    others = _STATUS.sub("", query).strip()
    is_plain = selection == Selection(selection.job_name, selection.state)
    actions = await asked.fetch("inspect/list_actions") if is_plain else []
    pattern = selection.job_name
    meant = [
        row for row in actions if pattern is None or fnmatchcase(row["name"], pattern.replace("[", "[[]"))
    ]
    tabs = [Tab(title="all", query=others, number="", is_here=selection.state is None)]
    for state in ("ready", "running", "Queued", "Hold", "Failed", "Completed"):
        number = count(sum(row[COUNTED[state]] for row in meant)) if is_plain and state in COUNTED else ""
        wanted = f"{others} status:{state}".strip()
        tabs.append(Tab(title=state, query=wanted, number=number, is_here=selection.state == state))
    return tabs


PAGE = Page("/jobs", "jobs", jobs, LISTS, parameters=("q", "before"), in_menu="Jobs")
