"""`asyncjobd top`: the overview, looked at again and again, and keys that control jobs."""

import asyncio
import os
import signal
import sys
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click
import uvloop
from rich.console import Console
from rich.console import Group as Lines
from rich.text import Text

from asyncjobd.cli.control import Refused, control
from asyncjobd.cli.dashboard.keyboard import HANG_UP, keyboard
from asyncjobd.cli.dashboard.page import print_page
from asyncjobd.cli.dashboard.screen import View, frame
from asyncjobd.cli.dashboard.selection import Selection
from asyncjobd.cli.dashboard.status import look_at
from asyncjobd.cli.environment import Environment, pass_environment
from asyncjobd.cli.group import Command
from asyncjobd.client import Client
from asyncjobd.config.model import LoggingConfig
from asyncjobd.monitoring.overview import Observer, Row
from asyncjobd.monitoring.units import one_line
from asyncjobd.observability.logging import setup as logs
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.link import Link
from asyncjobd.postgres.outage import FAILURES
from asyncjobd.postgres.session import Session

END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LONGEST_DRAWN_SECONDS = 1.0  # after which a screen is drawn again
LONGEST_LOOK = timedelta(seconds=3)  # after which the screen says that the database does not answer
LONGEST_CONTROL_SECONDS = 10.0
CONTROL_KEYS = {"h": "hold", "r": "release", "n": "run-now", "c": "cancel"}


@click.command(cls=Command)
@click.option(
    "--interval", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Seconds between looks."
)
@click.option("--once", is_flag=True, help="Print it once.")
@pass_environment
def top(environment: Environment, interval: float, once: bool) -> None:
    """Watch daemons, actions, running jobs and failures; hold, release, run or cancel jobs by a key.

    --once prints what `asyncjobd status` prints.
    """
    if once:
        print_page(environment.run(look_at(environment)))
        return
    console = Console()
    if not sys.stdin.isatty() or not console.is_terminal or console.is_dumb_terminal:
        raise click.UsageError(
            "this is no terminal that a picture can be drawn on: use --once, or `asyncjobd status --json`"
        )
    logs.configure(LoggingConfig(level="error"))  # the screen says what is to be said
    environment.run(_watch(environment, console, interval), uvloop.run)


async def _watch(environment: Environment, console: Console, interval: float) -> None:
    async with environment.database() as database:
        await Top(database, console, interval).run()


class Top:
    """The live screen: it looks at the database, draws, and takes keys."""

    def __init__(self, database: Database, console: Console, interval: float) -> None:
        self._console = console
        self._terminal = ExitStack()  # what is to be undone at the end
        self._interval = interval
        self._changed = asyncio.Event()
        self._is_asked = asyncio.Event()  # to look at once
        self._ended = asyncio.Event()
        self._link = Link(database)
        self._link.subscribe(self._changed.set)
        self._session = Session(self._link, "observer")
        self._client = Client(database)
        self._controls: set[asyncio.Task[None]] = set()
        self._selection = Selection()
        self._view: View | None = None  # none yet
        self._looks_since: datetime | None = None  # none: there was an answer
        self._notice = ""

    async def run(self) -> None:
        """Run until `q` or a signal."""
        loop = asyncio.get_running_loop()
        for number in END_SIGNALS:
            loop.add_signal_handler(number, self._ended.set)
        loop.add_signal_handler(signal.SIGWINCH, self._changed.set)
        parts = {asyncio.create_task(part) for part in (self._follow(), self._draw(), self._end())}
        try:
            with self._terminal:
                self._take_terminal()
                ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in parts | self._controls:
                task.cancel()
            self._link.close()
            await asyncio.gather(*parts, *self._controls, return_exceptions=True)
            await self._client.close()
        for part in ended:
            part.result()

    def _take_terminal(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        self._terminal.callback(loop.remove_signal_handler, signal.SIGTSTP)
        # before the screen: in the background it waits until somebody brings the process to the front
        self._terminal.enter_context(keyboard(self._press))
        self._terminal.enter_context(self._console.screen())
        self._changed.set()

    def _suspend(self) -> None:
        """Leave the terminal to the shell as it was, until that continues this process."""
        self._terminal.close()
        signal.raise_signal(signal.SIGTSTP)  # unlike SIGSTOP, it stops nothing that no shell could continue
        self._take_terminal()

    async def _end(self) -> None:
        await self._ended.wait()

    async def _follow(self) -> None:
        observer = Observer(self._session.run)
        while True:
            self._is_asked.clear()
            self._looks_since = datetime.now(UTC)
            overview = await observer.look()
            picked = await self._look_at_picked()
            self._looks_since = None
            now = datetime.now().astimezone()
            self._view = View(overview, now, now, picked)
            self._selection.follow(self._view.job_ids)
            self._changed.set()
            await _within(self._interval, self._is_asked)

    async def _look_at_picked(self) -> list[Row]:
        found = []
        for job_id in list(self._selection.picked):
            rows = await self._session.run("client/get_job", job_id=job_id)
            if rows:
                found.append(dict(rows[0]))
            else:
                self._selection.drop(job_id)
                self._notice = f"there is no job {job_id}"
        return found

    async def _draw(self) -> None:
        """Draw on each change, and every second, as others may have written to the terminal."""
        while True:
            self._changed.clear()
            # The size that rich has goes by $COLUMNS, which does not change
            width, height = os.get_terminal_size(sys.stdout.fileno())
            lines = (
                [Text("looking ...")] if self._view is None else frame(self._seen(self._view), width, height)
            )
            options = self._console.options.update(width=width, height=height, no_wrap=True)
            self._console.update_screen_lines(self._console.render_lines(Lines(*lines), options))
            await _within(LONGEST_DRAWN_SECONDS, self._changed)

    def _seen(self, view: View) -> View:
        selection = self._selection
        typed = f"job id: {selection.typed}_   enter: select it" if selection.typed else ""
        return replace(
            view,
            drawn_at=datetime.now().astimezone(),
            selected=selection.job_id,
            away_since=self._away_since,
            notice=typed or self._notice,
        )

    @property
    def _away_since(self) -> datetime | None:
        if self._link.away_since is not None:
            return self._link.away_since
        is_late = self._looks_since is not None and datetime.now(UTC) - self._looks_since > LONGEST_LOOK
        return self._looks_since if is_late else None

    def _press(self, key: str) -> None:
        if key in {"q", HANG_UP}:
            self._ended.set()
        elif key in CONTROL_KEYS:
            self._control(CONTROL_KEYS[key])
        elif self._view is not None and self._selection.press(key, self._view.job_ids):
            self._is_asked.set()
        self._changed.set()

    def _control(self, name: str) -> None:
        job_id = self._selection.job_id
        if job_id is None:
            self._notice = f"{name}: no job is selected"
            return
        self._selection.pick(job_id)
        self._notice = f"{name} {job_id} ..."
        task = asyncio.create_task(self._write(name, job_id))
        self._controls.add(task)
        task.add_done_callback(self._controls.discard)

    async def _write(self, name: str, job_id: int) -> None:
        try:
            async with asyncio.timeout(LONGEST_CONTROL_SECONDS):
                self._notice = await control(self._client, job_id, name)
        except Refused as refusal:
            self._notice = str(refusal)
        except FAILURES as error:
            self._notice = f"{name} {job_id}: {one_line(str(error)) or type(error).__name__}"
        self._is_asked.set()
        self._changed.set()


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for the event, but no longer than that."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
