"""The picture of `asyncjobd top` that the README shows: `python -m tests.screenshot [FILE]`, from two daemons at work."""

import asyncio
import io
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
from rich.console import Console

from asyncjobd.cli.dashboard.screen import View, frame
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.monitoring.overview import Observer
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.screenshot_handlers import pay, resize, send, sync, work
from tests.support.actions import action
from tests.support.daemon import DaemonProcess, write_config
from tests.support.jobs import insert, set_status
from tests.support.postgres import binaries

PICTURE = Path(__file__).with_name("top.svg")
WIDTH, HEIGHT = 112, 34
SECONDS = 15.0  # of load
# rich's own has a font from elsewhere
SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
    .{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix" xml:space="preserve">
    {matrix}
    </g>
    </g>
</svg>
"""

ACTIONS = {
    "SendReceipt": action(send),
    "ResizeImage": action(resize),
    "MonthlyReport": action(work),
    "ChargeCard": action(pay, max_execution_count=1),
    "SyncStock": action(sync, is_active=False),
}
REPORTS = (0.08, 0.34, 0.62, 0.91)  # of 1
FAILURES = (
    "the bank says: insufficient funds",
    "the bank says: this card was reported as stolen",
    "TLS handshake with api.cards.example failed: certificate has expired",
    "the bank says: insufficient funds",
    "api.cards.example: 503, card network timed out after 30 s",
)
QUEUED = "insert into asyncjob.job (job_name, schedule_time) select 'SendReceipt', now() + interval '1 day' from generate_series(1, 240)"
WAITING = "insert into asyncjob.job (job_name) select 'SyncStock' from generate_series(1, 36)"
FLOOD = "insert into asyncjob.job (job_name) select 'ResizeImage' from generate_series(1, 6000)"
STREAM = "insert into asyncjob.job (job_name, priority) select 'SendReceipt', -1 from generate_series(1, 30)"


def main(picture: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        picture.write_text(svg(asyncio.run(view_of_load(Path(folder)))))
    print(f"wrote {picture}")


async def view_of_load(folder: Path) -> View:
    async with database_at_work(folder) as database:
        observer = await database.connect("observer", Use.ENGINE)

        async def run(query: str, /, **arguments: Any) -> list[asyncpg.Record]:
            return await observer.fetch(*database.query(query, **arguments))

        overview = await Observer(run).look()
        observer.terminate()
        selected = overview.running[1]["id"]
        now = datetime.now().astimezone()
        return View(overview, now, now, selected=selected)


@asynccontextmanager
async def database_at_work(folder: Path) -> AsyncIterator[Database]:
    """Give a database of its own, with two daemons that have worked for a while."""
    server = EmbeddedServer(folder / "data", binaries("wheel"))
    await server.ensure()
    try:
        database = Database(DatabaseConfig(dsn=server.dsn))
        await migrate(database)
        for name in ("worker-1", "worker-2"):
            (folder / name).mkdir()
            DaemonProcess(write_config(folder / name, server.dsn, ACTIONS, name=name, concurrency=24)).ready()
        client = await database.connect("client")
        await load(client)
        client.terminate()
        yield database
    finally:
        DaemonProcess.kill_all()
        await server.stop()


async def load(db: Any) -> None:
    for progress in REPORTS:
        await insert(db, "MonthlyReport", f'{{"progress": {progress}}}')
    await set_status(db, await insert(db, "MonthlyReport", schedule_time="now() + interval '1 hour'"), "Hold")
    for statement in (QUEUED, WAITING, FLOOD):
        await db.execute(statement)
    ends_at = monotonic() + SECONDS
    reasons = iter(FAILURES)
    while monotonic() < ends_at:
        await db.execute(STREAM)
        if (reason := next(reasons, None)) is not None:
            await insert(db, "ChargeCard", f'{{"reason": "{reason}"}}', priority="-2")
        await asyncio.sleep(0.1)


def svg(view: View) -> str:
    console = Console(
        record=True,
        file=io.StringIO(),
        width=WIDTH,
        height=HEIGHT,
        force_terminal=True,
        color_system="truecolor",
    )
    for line in frame(view, WIDTH, HEIGHT):
        console.print(line, highlight=False)
    return console.export_svg(title="asyncjobd top", code_format=SVG)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
