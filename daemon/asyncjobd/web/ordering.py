"""Orders to jobs: the page that asks whether they are meant, and what carries them out."""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from asyncjobd.job import Status
from asyncjobd.monitoring.controls import CONTROLS
from asyncjobd.monitoring.orders import why_taken
from asyncjobd.monitoring.overview import Row
from asyncjobd.monitoring.run import Run
from asyncjobd.monitoring.search import WIDTH
from asyncjobd.monitoring.selection import Selection, SelectionError, with_times
from asyncjobd.monitoring.states import state_of_row
from asyncjobd.monitoring.units import one_line, plural
from asyncjobd.postgres.outage import describe, is_refusal
from asyncjobd.web.bulk import Orders
from asyncjobd.web.fields import Form
from asyncjobd.web.page import Model, NotFound, Unclear
from asyncjobd.web.selecting import selection_of
from asyncjobd.web.showing import Showing, redirect
from asyncjobd.web.transactions import Statements
from asyncjobd.web.viewer import Viewer

MOST_MARKED = 200  # jobs in one order
MANY = 1_000  # from so many on, the order is typed, too
NEWEST = 2**63 - 1
VERBS = {"hold": "Hold", "release": "Release", "run-now": "Run", "cancel": "Cancel"}
WHAT_HAPPENS = {  # to jobs that run, and to others
    "hold": "A handler that runs is stopped. Release undoes it: the job then starts anew.",
    "release": "It becomes ready again, or waits for its time.",
    "run-now": "Its handler runs once more, with all that it does outside of the database.",
    "cancel": "It ends as Failed, and a handler that runs is stopped.",
}


class Question(Model):
    """What is to be confirmed: `action` is where the form goes, with `fields`; `typed` is to be typed, too."""

    explanation: str
    action: str
    fields: list[tuple[str, str]]
    button: str
    back: str
    is_grave: bool
    typed: str = ""


class Answer(Model):
    """What an order came to."""

    lines: list[str]
    back: str


class Ordering:
    """Carries out orders to one job or to many."""

    def __init__(self, showing: Showing, orders: Orders) -> None:
        self._showing = showing
        self._orders = orders
        self.routes = [
            Route("/jobs/{job_id:job}/{order}", self._ask, methods=["GET"]),
            Route("/jobs/{job_id:job}/{order}", self._give, methods=["POST"]),
            Route("/orders/new", self._ask_many, methods=["GET"]),
            Route("/orders", self._give_many, methods=["POST"]),
            Route("/orders/{number:int}/stop", self._stop, methods=["POST"]),
        ]

    async def _ask(self, request: Request) -> Response:
        """Ask whether an order to one job is meant."""
        viewer, name, job_id = await self._order_of(request)
        async with self._showing.transactions.reading() as reading:
            row = await _job(reading.fetch, job_id)
        status = Status(row["status"])
        if status not in CONTROLS[name].only_from:
            return await self._refused(request, viewer, job_id, [_is_in(row)])
        again = " again" if name == "run-now" and status.is_final else ""
        question = Question(
            title=f"{VERBS[name]} {one_line(row['job_name'])} {job_id}{again}?",
            explanation=WHAT_HAPPENS[name] if name != "run-now" or again else "It starts before its time.",
            action=f"/jobs/{job_id}/{name}",
            fields=[("was", status.value)],
            button=f"{VERBS[name]} it{again}",
            back=f"/jobs/{job_id}",
            is_grave=name == "cancel",
        )
        return await self._showing.draw("confirm", request, viewer, question)

    async def _order_of(self, request: Request) -> tuple[Viewer, str, int]:
        """Return who gives which order to which job."""
        viewer = await self._showing.operator(request)
        return viewer, _known_order(request.path_params["order"]), request.path_params["job_id"]

    async def _give(self, request: Request) -> Response:
        """Carry out an order to one job, if that is still in the status that somebody saw."""
        viewer, name, job_id = await self._order_of(request)
        was = _status((await Form.of(request)).get("was"))
        status, only_from = CONTROLS[name]
        fitting = [was] if was in only_from else []
        async with self._showing.transactions.ordering(viewer) as ordering:
            reason = await _write(ordering, job_id, status, fitting)
            row = await _job(ordering.fetch, job_id)
        self._showing.looks.renew()
        if reason is not None:
            self._orders.note(viewer, name, f"job {job_id}", f"refused: {reason}")
            seen = [] if row["status"] == was else [f"It was {was.value} when you saw it."]
            return await self._refused(request, viewer, job_id, [reason, *seen])
        self._orders.note(viewer, name, f"job {job_id}", "done")
        return redirect(request, f"/jobs/{job_id}")

    async def _refused(self, request: Request, viewer: Viewer, job_id: int, lines: list[str]) -> Response:
        answer = Answer(title="Nothing was changed", lines=lines, back=f"/jobs/{job_id}")
        return await self._showing.draw("answer", request, viewer, answer, 409)

    async def _ask_many(self, request: Request) -> Response:
        """Ask whether an order to many jobs is meant."""
        viewer, form = await self._showing.operator(request), Form.in_url(request)
        name = _known_order(form.get("order"))
        if form.get("scope", "marked") == "marked":
            question = _question_of_marked(name, _marked(form))
        else:
            async with self._showing.transactions.reading() as reading:
                text, selection = await self._selected(reading.fetch, form)
                question = await _question_of_all(reading.fetch, name, text, selection)
        return await self._showing.draw("confirm", request, viewer, question)

    async def _give_many(self, request: Request) -> Response:
        """Carry out an order to marked jobs, or begin one to all of a selection."""
        viewer, form = await self._showing.operator(request), await Form.of(request)
        name = _known_order(form.get("order"))
        if form.get("scope") == "marked":
            return await self._give_to(request, viewer, name, _marked(form))
        async with self._showing.transactions.reading() as reading:
            text, selection = await self._selected(reading.fetch, form)
        if form.get("typed", "").strip() != name:
            raise Unclear(f"To order so many, type {name}: nothing was changed.")
        if self._orders.is_busy:
            raise Unclear("Other orders are on their way: wait for one to end, or stop one.")
        self._orders.begin(viewer, name, text, selection)
        self._showing.looks.renew()
        return redirect(request, "/orders")

    async def _give_to(self, request: Request, viewer: Viewer, name: str, ids: Sequence[int]) -> Response:
        status, only_from = CONTROLS[name]
        refused = []
        async with self._showing.transactions.ordering(viewer) as ordering:
            for job_id in ids:
                reason = await _write(ordering, job_id, status, only_from)
                if reason is not None:
                    refused.append(reason)
        done = len(ids) - len(refused)
        target = f"jobs {', '.join(map(str, ids))}"
        self._orders.note(viewer, name, target, f"{plural(done, 'job')} done, {len(refused)} refused")
        self._showing.looks.renew()
        if not refused:
            return redirect(request, "/orders")
        answer = Answer(
            title=f"{plural(done, 'job')} set to {status.value}, {len(refused)} left as they are",
            lines=refused,
            back="/orders",
        )
        return await self._showing.draw("answer", request, viewer, answer, 409)

    async def _stop(self, request: Request) -> Response:
        """Stop an order to many jobs."""
        viewer, number = await self._showing.operator(request), request.path_params["number"]
        if not self._orders.stop(number):
            raise NotFound(f"Order {number} has ended.")
        self._orders.note(viewer, "stop", f"order {number}", "done")
        return redirect(request, "/orders")

    async def _selected(self, fetch: Run, form: Form) -> tuple[str, Selection]:
        """Return the selection of a form, and its text with the times that it means now."""
        text = form.get("q", "")
        try:
            selection = await selection_of(fetch, text, datetime.now(UTC), self._showing.hide)
        except SelectionError as error:
            raise Unclear(str(error)) from error
        return with_times(text, selection), selection


def _marked(form: Form) -> list[int]:
    """Return the ids of the marked jobs in order. Raise Unclear for none, or too many."""
    ids = sorted(form.ids())
    if not ids or len(ids) > MOST_MARKED:
        raise Unclear(f"Mark from 1 to {MOST_MARKED} jobs, or choose all that match.")
    return ids


def _question_of_marked(name: str, ids: Sequence[int]) -> Question:
    jobs = plural(len(ids), "job")
    return Question(
        title=f"{VERBS[name]} {jobs}?",
        explanation=f"{', '.join(map(str, ids[:20]))}{' and more' if len(ids) > 20 else ''}. {WHAT_HAPPENS[name]}",
        action="/orders",
        fields=[("scope", "marked"), ("order", name), *(("id", str(each)) for each in ids)],
        button=f"{VERBS[name]} {jobs}",
        back="/jobs",
        is_grave=name == "cancel",
    )


async def _question_of_all(run: Run, name: str, text: str, selection: Selection) -> Question:
    rows = await run("inspect/search_jobs", before_id=NEWEST, width=WIDTH, limit=MANY, **selection.arguments)
    found = sum(row["id"] is not None for row in rows)
    jobs = f"{found:,} or more jobs" if found == MANY else plural(found, "job")
    is_much = found == MANY or not text or await _has_older(run, rows[0]["reached"], selection)
    return Question(
        title=f"{VERBS[name]} all jobs that match?",
        explanation=f"{text or 'Every job'}: {jobs} among the newest {WIDTH:,}, and all such older ones."
        f" {WHAT_HAPPENS[name]} It is done in batches, and can be stopped on its way.",
        action="/orders",
        fields=[("scope", "all"), ("order", name), ("q", text), *([] if is_much else [("typed", name)])],
        button=f"{VERBS[name]} all",
        back="/jobs",
        is_grave=name == "cancel",
        typed=name if is_much else "",
    )


async def _has_older(run: Run, job_id: int | None, selection: Selection) -> bool:
    """Return whether there are jobs before this one, so that not all were looked at."""
    if job_id is None:
        return False
    rows = await run("inspect/search_jobs", before_id=job_id, width=1, limit=1, **selection.arguments)
    return rows[0]["reached"] is not None


def _known_order(order: str) -> str:
    if order not in CONTROLS:
        raise HTTPException(404)
    return order


def _status(text: str) -> Status:
    try:
        return Status(text)
    except ValueError as error:
        raise Unclear(f"{text[:50]!r} is no status.") from error


async def _job(run: Run, job_id: int) -> Row:
    rows = await run("client/get_job", job_id=job_id)
    if not rows:
        raise NotFound(f"There is no job {job_id}: it was deleted.")
    return dict(rows[0])


async def _write(
    ordering: Statements, job_id: int, status: Status, only_from: Sequence[Status]
) -> str | None:
    """Write a status to a job that is in one of `only_from`. Return why it was not written; None: it was."""
    try:
        async with ordering.savepoint():
            written = await ordering.fetch(
                "client/set_job_status", job_id=job_id, status=status.value,
                only_from=[each.value for each in only_from],
            )  # fmt: skip
    except asyncpg.UniqueViolationError as error:
        return f"Job {job_id}: {await why_taken(ordering.fetch, job_id, error)}."
    except Exception as error:
        if not is_refusal(error):
            raise
        return f"Job {job_id}: {describe(error)}"
    if written:
        return None
    rows = await ordering.fetch("client/get_job", job_id=job_id)
    return _is_in(dict(rows[0])) if rows else f"There is no job {job_id} any more."


def _is_in(row: Row) -> str:
    return f"Job {row['id']} of {row['job_name']} is {state_of_row(row)}."
