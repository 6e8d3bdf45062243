"""The database is in the way: `doctor` names it, and what to do."""

from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from asyncjobd.client import Client
from asyncjobd.monitoring.doctor import server, vacuum
from tests.incidents.scene import Scene
from tests.support.jobs import Connection, insert

pytestmark = pytest.mark.anyio


async def test_a_table_is_locked(scene: Scene, other: Connection) -> None:
    await other.execute("begin; lock table asyncjob.job")
    await scene.doctor("work", "it could not be looked at", "see who holds a lock there")
    scene.leads_to("row_is_locked")


async def test_a_snapshot_is_old(scene: Scene, other: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vacuum, "OLD_SNAPSHOT_SECONDS", 0.0)
    await other.execute("begin isolation level repeatable read; select 1")
    pid = other.get_server_pid()
    await scene.doctor("snapshots", f"pid {pid} (postgres, shop", f"select pg_terminate_backend({pid})")
    scene.leads_to("dead_rows")


async def test_a_transaction_is_left_prepared(
    scene: Scene, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vacuum, "OLD_PREPARED_SECONDS", 0.0)
    await other.execute("begin; set local asyncjob.notify = off")
    await insert(other, "succeed")
    await other.execute("prepare transaction 'left by the shop'")
    try:
        await scene.doctor("snapshots", "prepared transaction 'left by the shop'", "rollback prepared")
    finally:
        await other.execute("rollback prepared 'left by the shop'")
    scene.leads_to("dead_rows")


async def test_a_replication_slot_keeps_wal(
    scene: Scene, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vacuum, "MUCH_WAL_BYTES", 0.0)
    await db.execute("select pg_create_physical_replication_slot('gone_replica', true)")
    try:
        await scene.doctor(
            "slots",
            "replication slot gone_replica (not in use) keeps ",
            "pg_drop_replication_slot('gone_replica')",
        )
    finally:
        await db.execute("select pg_drop_replication_slot('gone_replica')")
    scene.leads_to("disk_fills_up")


async def test_an_index_is_gone(scene: Scene, db: Connection) -> None:
    await db.execute("drop index asyncjob.job_ready")
    await scene.doctor("schema", "index asyncjob.job_ready is missing; expected: CREATE INDEX job_ready")
    scene.leads_to("schema_differs")


async def test_the_schema_is_not_there(scene: Scene, db: Connection) -> None:
    await db.execute("drop schema asyncjob cascade")
    await scene.doctor("schema", "run `asyncjobd migrate`")
    scene.leads_to("schema_differs")


async def test_the_schema_is_newer(scene: Scene, db: Connection) -> None:
    await db.execute("insert into asyncjob.migration (version, name, digest) values (99, 'future', '')")
    await scene.doctor("schema", "upgrade asyncjobd")
    scene.leads_to("schema_differs")


async def test_a_producer_may_not_insert(
    db: Connection, dsn: str, client: Client, pages: httpx.AsyncClient
) -> None:
    role = urlsplit(dsn).path[1:] + "_shop"
    await db.execute(f"create role {role} login; grant usage on schema asyncjob to {role}")
    scene = Scene(dsn.replace("postgres@", f"{role}@"), client, pages)
    await scene.doctor("rights", f"{role} ", f"grant asyncjob_producer to {role}", is_hidden=True)


async def test_a_trigger_of_the_site_swallows_jobs(scene: Scene, db: Connection) -> None:
    await db.execute(
        "create function swallow() returns trigger language plpgsql as $$ begin return null; end $$;"
        "create trigger swallow before insert on asyncjob.job for each row execute function swallow()"
    )
    await scene.doctor(
        "rights",
        "asyncjob_producer cannot insert a job: nothing was done, and no error raised",
        is_hidden=True,
    )
    scene.leads_to("row_refused")


async def test_a_policy_hides_rows(scene: Scene, db: Connection) -> None:
    await db.execute("alter table asyncjob.job enable row level security")
    await scene.doctor("sight", "asyncjob.job")
    scene.leads_to("rows_are_hidden")


async def test_a_foreign_key_keeps_jobs(scene: Scene, db: Connection) -> None:
    await db.execute("create table invoice (job_id bigint references asyncjob.job)")
    await scene.doctor("foreign keys", "invoice_job_id_fkey of public.invoice", "on delete")
    scene.leads_to("disk_fills_up")


async def test_connections_run_out(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "NEARLY_ALL_SHARE", 0)
    await scene.doctor("connections", " are in use", "raise max_connections")
    scene.leads_to("connections_are_used_up")


async def test_a_setting_loses_jobs(scene: Scene) -> None:
    await scene.doctor("settings", "fsync is off")
    scene.leads_to("server_setup")


async def test_notifications_pile_up(
    scene: Scene, db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = await asyncpg.connect(dsn)
    try:
        await listener.execute("listen theirs")
        await listener.execute("begin; select 1")
        for _ in range(10):
            await db.execute("select pg_notify('theirs', repeat('x', 7000))")
        monkeypatch.setattr(server, "HALF_FULL_SHARE", 1e-9)
        await scene.doctor(
            "notifications",
            f"pid {listener.get_server_pid()} (postgres, , idle in transaction)",
            is_hidden=True,
        )
    finally:
        await listener.close()
    scene.leads_to("notifications")
