"""The server's notification queue is full because a listener keeps a transaction open."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.support.jobs import Connection, as_engine, insert, row

pytestmark = pytest.mark.anyio


@pytest.fixture
async def full(postgres_bin: Path, tmp_path: Path, db: Connection) -> AsyncIterator[str]:
    """A server with a small queue that has no more room, with the schema, as a dsn."""
    if db.get_server_version().major < 17:
        pytest.skip("the queue of this PostgreSQL cannot be made small")
    server = EmbeddedServer(
        tmp_path / "postgres" / "data", postgres_bin, {"fsync": "off", "max_notify_queue_pages": "64"}
    )
    await server.ensure()
    await migrate(Database(DatabaseConfig(dsn=server.dsn)))
    sleeper, filler = await asyncpg.connect(server.dsn), await asyncpg.connect(server.dsn)
    try:
        await sleeper.execute("listen other")
        await sleeper.execute("begin; select 1")
        with pytest.raises(asyncpg.ProgramLimitExceededError, match="too many notifications"):
            await notify_for_ever(filler)
        yield server.dsn
    finally:
        await sleeper.close()
        await filler.close()
        await server.stop()


async def notify_for_ever(db: Connection) -> None:
    while True:
        await db.execute("select pg_notify('other', repeat('x', 7900))")


async def test_client_writes_do_not_fail_while_the_notification_queue_is_full(full: str) -> None:
    db: Connection = await asyncpg.connect(full)
    try:
        queued = await insert(db, "succeed", schedule_time="now() + interval '1 second'")
        await db.execute(
            "update asyncjob.job set schedule_time = now() + interval '2 seconds' where id = $1", queued
        )
        stopped, deleted = await insert(db, "succeed"), await insert(db, "succeed")
        await as_engine(
            db, "update asyncjob.job set daemon_id = 1, claim_token = id where status = 'In Progress'"
        )
        await db.execute("update asyncjob.job set status = 'Hold' where id = $1", stopped)
        await db.execute("delete from asyncjob.job where id = $1", deleted)
        assert (await row(db, queued))["status"] == "Queued"
        assert (await row(db, stopped))["stop_requested"]
    finally:
        await db.close()
