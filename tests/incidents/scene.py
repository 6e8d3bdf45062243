"""What somebody on call sees of a database: `show`, `status` and `doctor`, and the pages that show the same."""

import asyncio
import html
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from pathlib import Path

import httpx

from asyncjobd.cli.dashboard.page import page
from asyncjobd.client import Client
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.monitoring.doctor.examination import examine
from asyncjobd.monitoring.doctor.finding import Level
from asyncjobd.monitoring.overview import look
from asyncjobd.monitoring.why.answer import why
from asyncjobd.postgres.database import Database
from tests.support.daemon import DEADLINE

CONFIGURED = Path("/etc/asyncjobd/config.toml")


class Scene:
    """A database on which something goes wrong."""

    def __init__(self, dsn: str, client: Client, pages: httpx.AsyncClient) -> None:
        self._database = Database(DatabaseConfig(dsn=dsn))
        self._client = client
        self._pages = pages
        self._topics: set[str] = set()

    async def show(self, job_id: int, *words: str, configured: Collection[str] = ()) -> None:
        """Wait until `show` gives a reason that has all these words, and so does the job's page.

        The page knows no file, and so not what is `configured`.
        """

        topics: set[str] = set()

        async def say() -> str:
            nonlocal topics
            reason = await why(self._client.pool.fetch, job_id, configured, CONFIGURED)
            topics = {reason.topic}
            return reason.sentence

        await _until_said(say, words)
        self._topics |= topics
        if not configured:
            await self._page(f"/jobs/{job_id}", words)

    async def status(self, *words: str) -> None:
        """Wait until `status` has all these words, and so does the first page."""

        async def say() -> str:
            lines = page(await look(self._database), datetime.now().astimezone(), None)
            return "\n".join(line.plain for line in lines)

        await _until_said(say, words)
        await self._page("/", words)

    async def doctor(
        self, about: str, *words: str, configured: Collection[str] = (), is_hidden: bool = False
    ) -> None:
        """Wait until `doctor` has a finding about this, with advice, that has all these words, and so does its page.

        `is_hidden`: from the page, whose role sees no other sessions (pg_read_all_stats) and tries no writes.
        """

        topics: set[str] = set()

        async def say() -> str:
            nonlocal topics
            findings = [
                each
                for each in await examine(self._database, configured, CONFIGURED)
                if each.about == about and each.level is not Level.OK and each.advice
            ]
            topics = {each.topic for each in findings}
            return "\n".join(f"{each.seen} -> {each.advice}" for each in findings)

        await _until_said(say, words)
        self._topics |= topics
        if not (configured or is_hidden):
            await self._page("/database", words)

    def leads_to(self, *topics: str) -> None:
        """Check that what `show` and `doctor` said named these pages of the runbook, and no others."""
        assert self._topics == {*topics}

    async def _page(self, path: str, words: Collection[str]) -> None:
        async def say() -> str:
            answer = await self._pages.get(path, headers={"Accept": "application/json"})
            return html.unescape(answer.text)

        await _until_said(say, words)


async def _until_said(say: Callable[[], Awaitable[str]], words: Collection[str]) -> None:
    said, unsaid = "", [*words]
    try:
        async with asyncio.timeout(DEADLINE):
            while unsaid:
                said = await say()
                unsaid = [word for word in words if word not in said]
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not said: {unsaid}, but:\n{said}") from None
