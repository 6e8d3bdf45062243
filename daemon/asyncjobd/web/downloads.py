"""Whole values of jobs, as files."""

import asyncio

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from asyncjobd.web.json_text import compact, write_only
from asyncjobd.web.page import NotFound
from asyncjobd.web.showing import Showing

NAMES = ("params", "result", "message", "traceback")


def route_of(showing: Showing) -> Route:
    """Return what answers requests for values."""

    one_at_a_time = asyncio.Lock()  # a value takes several times its size while it is laid out

    async def download(request: Request) -> Response:
        await showing.viewer(request)
        job_id, name = request.path_params["job_id"], request.path_params["name"]
        if name not in NAMES:
            raise HTTPException(404)
        async with showing.transactions.reading() as reading:
            rows = await reading.fetch("inspect/read_value", job_id=job_id, name=name)
        if not rows or (text := rows[0]["value"]) is None:
            raise NotFound(f"Job {job_id} has no {name} to download, or more than 10 MB: read it with psql.")
        if name in {"params", "result"}:
            hidden = (*showing.hide, *write_only(rows[0]["params_schema"]))
            async with one_at_a_time:
                text = await anyio.to_thread.run_sync(compact, text, hidden)
        return Response(text, media_type="text/plain; charset=utf-8", headers={
            "Content-Disposition": f'attachment; filename="job-{job_id}-{name}.txt"',
            "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
        })  # fmt: skip

    return Route("/jobs/{job_id:job}/value/{name}", download)
