"""The statements that move jobs here from other systems, on tables as those systems' current versions make them."""

import pytest

from tests.docs.snippets import named
from tests.support.jobs import Connection

PROCRASTINATE = """
    create type procrastinate_job_status as enum ('todo', 'doing', 'succeeded', 'failed', 'cancelled', 'aborted');
    create table procrastinate_jobs (
        id bigserial primary key, queue_name character varying(128) not null,
        task_name character varying(128) not null, priority integer default 0 not null, lock text, queueing_lock text,
        args jsonb default '{}' not null, status procrastinate_job_status default 'todo' not null,
        scheduled_at timestamptz, attempts integer default 0 not null, abort_requested boolean default false not null,
        worker_id bigint);
    insert into procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, status, scheduled_at)
         values ('default', 'sum', 10, 'account 7', 'sum', '{"a": 1}', 'todo', null),
                ('default', 'sum', 0, null, null, '{"a": 2}', 'todo', '2100-01-01 00:00Z'),
                ('default', 'sum', 0, null, null, '{"a": 3}', 'succeeded', null)
"""
PGQUEUER = """
    create type pgqueuer_status as enum ('queued', 'picked', 'successful', 'exception', 'canceled', 'deleted', 'failed');
    create table pgqueuer (
        id bigserial primary key, priority integer not null, queue_manager_id uuid,
        created timestamptz not null default now(), updated timestamptz not null default now(),
        heartbeat timestamptz not null default now(), execute_after timestamptz not null default now(),
        status pgqueuer_status not null, entrypoint text not null, dedupe_key text, payload bytea, headers jsonb,
        attempts integer not null default 0, slot bigint);
    insert into pgqueuer (priority, status, entrypoint, dedupe_key, payload, execute_after)
         values (10, 'queued', 'sum', 'key', '{"a": 1}', now()),
                (0, 'queued', 'sum', null, '{"a": 2}', '2100-01-01 00:00Z'),
                (0, 'picked', 'sum', null, '{"a": 3}', now())
"""


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "table", "tables", "keys"),
    [
        ("move-from-procrastinate", "procrastinate_jobs", PROCRASTINATE, ("account 7", "sum", None)),
        ("move-from-pgqueuer", "pgqueuer", PGQUEUER, (None, None, "key")),
    ],
)
async def test_jobs_that_wait_move_and_no_others(
    name: str, table: str, tables: str, keys: tuple[str | None, ...], db: Connection
) -> None:
    await db.execute(tables)
    await db.execute(named(name).text)
    first, second = await db.fetch(
        "select params, priority, status, extract(year from due_at) as year, limit_key, debounce_key, unique_key"
        "  from asyncjob.job order by id"
    )
    assert (first["priority"], first["status"]) == (-10, "In Progress")
    assert (first["limit_key"], first["debounce_key"], first["unique_key"]) == keys
    assert '"a": 2' in second["params"]
    assert (second["status"], second["year"]) == ("Queued", 2100)
    assert await db.fetchval(f"select count(*) from {table}") == 1
