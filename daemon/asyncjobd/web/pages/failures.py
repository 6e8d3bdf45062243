"""The latest failures, those of one cause together."""

from collections import defaultdict
from datetime import datetime

from asyncjobd.monitoring.overview import Row
from asyncjobd.monitoring.signatures import longest_part, signature_of
from asyncjobd.web.page import LISTS, Asked, Model, Page
from asyncjobd.web.search_box import term

MOST_LOOKED_AT = 1_000
MOST_IDS = 200  # of a group, to be ordered together
BARS = 30  # of the strip that says when they were


class Group(Model):
    """Failures of one action with one signature. `strip`: how many there were in each part of the time shown."""

    job_name: str
    signature: str
    number: int
    first_at: datetime
    last_at: datetime
    ids: list[int]
    message: str
    strip: list[int]
    query: str


class FailuresModel(Model):
    """The groups, the largest first. `is_all`: there are no older failures."""

    groups: list[Group]
    number: int
    is_all: bool
    since: datetime | None


async def failures(asked: Asked) -> FailuresModel:
    """Look at the latest failures."""
    rows = await asked.fetch("inspect/list_failures", limit=MOST_LOOKED_AT)
    since = rows[-1]["finished_at"] if rows else None
    together: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        together[row["job_name"], signature_of(row["message"])].append(dict(row))
    groups = [_group(*key, found, since or asked.now, asked.now) for key, found in together.items()]
    return FailuresModel(
        title="Failures",
        groups=sorted(groups, key=lambda group: -group.number),
        number=len(rows),
        is_all=len(rows) < MOST_LOOKED_AT,
        since=since,
    )


def _group(job_name: str, signature: str, rows: list[Row], since: datetime, until: datetime) -> Group:
    part = longest_part(signature)
    said = [term("message", part)] if part else []
    span = max((until - since).total_seconds(), 1.0)
    strip = [0] * BARS
    for row in rows:
        place = int((row["finished_at"] - since).total_seconds() / span * BARS)
        strip[min(max(place, 0), BARS - 1)] += 1
    return Group(
        title=job_name,
        job_name=job_name,
        signature=signature or "(without a message)",
        number=len(rows),
        first_at=rows[-1]["finished_at"],
        last_at=rows[0]["finished_at"],
        ids=[row["id"] for row in rows[:MOST_IDS]],
        message=rows[0]["message"] or "",
        strip=strip,
        query=" ".join([term("name", job_name), "status:Failed", *said]),
    )


PAGE = Page("/failures", "failures", failures, LISTS, in_menu="Failures")
