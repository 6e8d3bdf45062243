"""One action: what it does, who serves it, what keeps it, what it takes, and a form to insert a job."""

from datetime import UTC
from typing import Any

import msgspec

from asyncjobd.monitoring.health import lateness, wait_topic
from asyncjobd.monitoring.json_schema.document import Document
from asyncjobd.monitoring.json_schema.example import Field, example, fields
from asyncjobd.monitoring.limits import listed, reached, told
from asyncjobd.monitoring.overview import Observer, Overview, Row
from asyncjobd.monitoring.retries import delays, exceptions
from asyncjobd.monitoring.values import text
from asyncjobd.web.charts import Charts, read_charts
from asyncjobd.web.page import LISTS, Asked, Model, NotFound, Page
from asyncjobd.web.search_box import term


class Sent(msgspec.Struct):
    """What somebody has written into the form, and why no job was made of it."""

    params: str
    due: str = ""
    unique_key: str = ""
    problem: str = ""


class ActionModel(Model):
    """An action, its row of the overview, and the daemons that serve it. `fields`: those of its params."""

    row: Row
    daemons: list[Row]
    running: list[Row]
    facts: dict[str, str]
    description: str
    fields: list[Field]
    is_known: bool
    form: Sent
    query: str
    history: Charts


async def action(asked: Asked) -> ActionModel:
    """Look at one action. Raise NotFound for a name that no action and no job has."""
    return await action_of(asked, None)


async def action_of(asked: Asked, form: Sent | None) -> ActionModel:
    """Look at an action, with what somebody has written into its form."""
    name = asked.path["name"]
    seen, row = await _look(asked, name)
    rows = await asked.fetch("inspect/get_action", name=name)
    published = dict(rows[0]) if rows else {}
    schema = published.get("params_schema")
    document = None if schema is None else Document(msgspec.json.decode(schema))
    sample = {} if document is None else example(document)
    return ActionModel(
        title=name,
        row=row | {"lateness": lateness(row), "topic": wait_topic(row)},
        daemons=[each for each in seen.daemons if name in each["actions"]],
        running=[each for each in seen.running if each["job_name"] == name][:10],
        facts={key: value for key, value in _facts(published, row).items() if value},
        description=(document and document.description) or "",
        fields=[] if document is None else fields(document),
        is_known=bool(published),
        form=form or Sent(msgspec.json.format(msgspec.json.encode(sample)).decode()),
        query=term("name", name),
        history=await read_charts(asked, name),
    )


async def _look(asked: Asked, name: str) -> tuple[Overview, Row]:
    """Return how all stands, and the action. Raise NotFound for a name that no action and no job has.

    A name that is new is not in what the overview has seen.
    """
    seen = asked.overview
    if seen is None or (row := _named(seen, name)) is None:
        seen = await Observer(asked.fetch, asked.last_hour, UTC).look()
        if (row := _named(seen, name)) is None:
            raise NotFound(f"There is no action {name}, and no job of this name that has not completed.")
    return seen, row


def _named(seen: Overview, name: str) -> Row | None:
    return next((row for row in seen.actions if row["name"] == name), None)


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


PAGE = Page("/actions/{name:text}", "action", action, LISTS, parameters=("span",), uses_overview=True)
