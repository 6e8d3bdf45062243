"""One action: what it does, who serves it, what keeps it, what it takes, and a form to insert a job."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from asyncjobd.monitoring.health import lateness
from asyncjobd.monitoring.history import read_history
from asyncjobd.monitoring.json_schema.document import Document
from asyncjobd.monitoring.json_schema.example import Field, example, fields
from asyncjobd.monitoring.limits import listed, reached, told
from asyncjobd.monitoring.overview import Observer, Row
from asyncjobd.monitoring.retries import delays, exceptions
from asyncjobd.monitoring.values import text
from asyncjobd.web.page import LISTS, Asked, Model, NotFound, Page, Unclear
from asyncjobd.web.search_box import term

SPANS = {  # how far back the history goes
    "1h": timedelta(hours=1), "6h": timedelta(hours=6), "24h": timedelta(days=1), "3d": timedelta(days=3),
    "30d": timedelta(days=30),
}  # fmt: skip


class Sent(msgspec.Struct):
    """What somebody has written into the form, and why no job was made of it."""

    params: str
    due: str = ""
    unique_key: str = ""
    problem: str = ""


class ActionModel(Model):
    """An action, its row of the overview, and the daemons that serve it. `fields`: those of its params.

    `steps`: what has ended in each part of the time `since`, empty where nothing is told of it; `ended`, `failed`,
    `waited` and `ran` (seconds, the 99th percentile) are drawn of that.
    """

    row: Row
    daemons: list[Row]
    running: list[Row]
    facts: dict[str, str]
    description: str
    fields: list[Field]
    is_known: bool
    form: Sent
    query: str
    span: str
    since: datetime
    step_seconds: float
    steps: list[Row]
    ended: list[float]
    failed: list[float]
    waited: list[float]
    ran: list[float]


async def action(asked: Asked) -> ActionModel:
    """Look at one action. Raise NotFound for a name that no action and no job has."""
    return await action_of(asked, None)


async def action_of(asked: Asked, form: Sent | None) -> ActionModel:
    """Look at an action, with what somebody has written into its form."""
    name = asked.path["name"]
    seen = await Observer(asked.fetch, asked.last_hour).look()
    row = next((each for each in seen.actions if each["name"] == name), None)
    if row is None:
        raise NotFound(f"There is no action {name}, and no job of this name that has not completed.")
    rows = await asked.fetch("inspect/get_action", name=name)
    published = dict(rows[0]) if rows else {}
    schema = published.get("params_schema")
    document = None if schema is None else Document(msgspec.json.decode(schema))
    sample = {} if document is None else example(document)
    span = asked.query.get("span", "1h")
    if span not in SPANS:
        raise Unclear(f"span={span}: expected one of {', '.join(SPANS)}")
    history = await read_history(asked.fetch, asked.now - SPANS[span], asked.now, name)
    steps = [step.as_dict() for step in history.steps(name)] if history.names else []
    return ActionModel(
        title=name,
        row=row | {"lateness": lateness(row)},
        daemons=[each for each in seen.daemons if name in each["actions"]],
        running=[each for each in seen.running if each["job_name"] == name][:10],
        facts={key: value for key, value in _facts(published, row).items() if value},
        description=(document and document.description) or "",
        fields=[] if document is None else fields(document),
        is_known=bool(published),
        form=form or Sent(msgspec.json.format(msgspec.json.encode(sample)).decode()),
        query=term("name", name),
        span=span,
        since=history.since,
        step_seconds=history.length.total_seconds(),
        steps=steps,
        ended=[step["ended"] or 0 for step in steps],
        failed=[step["failed"] or 0 for step in steps],
        waited=[_p99(step["waited"]) for step in steps],
        ran=[_p99(step["ran"]) for step in steps],
    )


def _p99(percentiles: list[float | None] | None) -> float:
    return (percentiles[1] or 0.0) if percentiles else 0.0


def _facts(published: dict[str, Any], row: Row) -> dict[str, str]:
    if not published:
        return {}
    return {
        "handler": published["handler"],
        "active": text(published["is_active"]),
        "tries": text(published["max_execution_count"] or 5),
        "a retry comes after": delays(published),
        "exceptions": exceptions({"fatal_exceptions": None, "retried_exceptions": None} | published),
        "timeout": text(published["timeout"]),
        "limits": listed(row["limits"]),
        "limit reached": reached(row),
        "changed by SQL": told(row),
    }


PAGE = Page("/actions/{name:path}", "action", action, LISTS, parameters=("span",))
