"""Orders to actions, daemons and schedules, and new jobs."""

from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import asyncpg
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from asyncjobd.insertion import insertion
from asyncjobd.job import NewJob
from asyncjobd.monitoring.given_params import read_params
from asyncjobd.monitoring.json_schema.document import Document
from asyncjobd.monitoring.json_schema.violations import violations
from asyncjobd.monitoring.run import Run
from asyncjobd.monitoring.times import parse_time
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.web.bulk import Orders
from asyncjobd.web.fields import Form
from asyncjobd.web.page import NotFound
from asyncjobd.web.pages.action import Sent, action_of
from asyncjobd.web.showing import Showing, redirect
from asyncjobd.web.viewer import Viewer

Statement = tuple[str, dict[str, Any]]  # a query and its arguments

STATEMENTS: dict[tuple[str, str], Statement] = {  # by path and order
    ("actions", "pause"): ("control/pause_action", {"lasts": None, "until": "infinity"}),
    ("actions", "resume"): ("control/pause_action", {"lasts": None, "until": None}),
    ("schedule", "pause"): ("control/pause_schedule", {"lasts": None, "until": "infinity"}),
    ("schedule", "resume"): ("control/pause_schedule", {"lasts": None, "until": None}),
    ("schedule", "run"): ("control/run_schedule", {}),
    ("daemons", "drain"): ("control/drain_daemons", {"is_draining": True}),
    ("daemons", "undrain"): ("control/drain_daemons", {"is_draining": False}),
}


class Operating:
    """Carries out orders to actions, daemons and schedules, and inserts jobs."""

    def __init__(self, showing: Showing, orders: Orders) -> None:
        self._showing = showing
        self._orders = orders
        self.routes = [
            Route("/actions", self._of_action, methods=["POST"]),
            *(
                Route(f"/{kind}/{order}", partial(self._of_path, kind, order), methods=["POST"])
                for kind, order in STATEMENTS
                if kind != "actions"
            ),
        ]

    async def _of_action(self, request: Request) -> Response:
        viewer, form = await self._showing.operator(request), await Form.of(request)
        name, order = form.get("name"), form.get("do")
        if order == "enqueue":
            return await self._enqueue(request, viewer, name, form)
        return await self._operate(request, viewer, "actions", order, name, f"/actions/{name}")

    async def _of_path(self, kind: str, order: str, request: Request) -> Response:
        viewer, form = await self._showing.operator(request), await Form.of(request)
        return await self._operate(request, viewer, kind, order, form.get("name"), f"/{kind}")

    async def _operate(
        self, request: Request, viewer: Viewer, kind: str, order: str, name: str, back: str
    ) -> Response:
        if (kind, order) not in STATEMENTS:
            raise HTTPException(404)
        query, arguments = STATEMENTS[kind, order]
        async with self._showing.transactions.operating(viewer) as operating:
            rows = await operating.fetch(query, name=name, **arguments)
        if not rows:
            raise NotFound(f"Nothing was changed: there is no {name} to {order}, or not in a state for that.")
        self._orders.note(viewer, order, name, "done")
        self._showing.looks.renew()
        return redirect(request, quote(back))

    async def _enqueue(self, request: Request, viewer: Viewer, name: str, form: Form) -> Response:
        sent = Sent(form.get("params"), form.get("due", "").strip(), form.get("unique_key", "").strip())
        try:
            job = _job(name, sent)
            async with self._showing.transactions.ordering(viewer) as ordering:
                await _check(ordering.fetch, name, sent.params)
                statement = insertion(job)
                rows = await ordering.fetch(statement.query, **statement.arguments)
            if not rows:
                raise ValueError(f"a live job has the unique_key {sent.unique_key}: nothing was inserted")
        except (ValueError, asyncpg.PostgresError) as error:
            if not is_refusal(error):
                raise
            sent.problem = describe(error) if isinstance(error, asyncpg.PostgresError) else str(error)
            return await self._again(request, viewer, name, sent)
        self._orders.note(viewer, "insert", f"job {rows[0]['id']} of {name}", "done")
        self._showing.looks.renew()
        return redirect(request, f"/jobs/{rows[0]['id']}")

    async def _again(self, request: Request, viewer: Viewer, name: str, sent: Sent) -> Response:
        """Show the form as it was sent, with what is wrong about it."""
        overview = await self._showing.overview()
        async with self._showing.transactions.reading() as reading:
            model = await action_of(self._showing.asked(reading.fetch, {"name": name}, {}, overview), sent)
        return await self._showing.draw("action", request, viewer, model, 400)


def _job(name: str, sent: Sent) -> NewJob:
    """Return the job of a form. Raise ValueError. Its params stay the text that they are: no number is rounded."""
    read_params(sent.params)
    due = parse_time(sent.due, datetime.now(UTC)) if sent.due else None
    return NewJob(
        job_name=name, params=msgspec.Raw(sent.params), schedule_time=due, unique_key=sent.unique_key or None
    )


async def _check(run: Run, name: str, params: str) -> None:
    """Raise ValueError for params that do not fit the schema that daemons have published."""
    rows = await run("inspect/get_action", name=name)
    if rows and rows[0]["params_schema"] is not None:
        document = Document(msgspec.json.decode(rows[0]["params_schema"]))
        if found := violations(document, msgspec.json.decode(params)):
            raise ValueError(f"The params do not fit: {'; '.join(found)}.")
