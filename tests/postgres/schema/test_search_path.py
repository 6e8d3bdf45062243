"""No foreign operator or function runs in place of PostgreSQL's own, with anybody's rights."""

import re

import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from tests.conftest import NewDaemon
from tests.support.daemon import asyncjobd
from tests.support.jobs import Connection, insert, set_status, settled, until

pytestmark = pytest.mark.anyio

# For each operator and function of PostgreSQL's that has arguments of these kinds: one of the same name that fits our
# calls as well or better, and notes as whom it was called.
KINDS = "'bigint', 'integer', 'smallint', 'numeric', 'double precision', 'text', 'name', 'jsonb', 'interval', 'timestamptz'"
EVIL = f"""
create schema evil;
create table evil.called (what text, by name);
grant usage on schema evil to public;
grant insert on evil.called to public;
do $do$
declare
    each record;
begin
    for each in
        select distinct oprname as name, left_type.typname as left, right_type.typname as right, result.typname as result
          from pg_operator
          join pg_type as result on result.oid = oprresult
          cross join pg_type as left_type cross join pg_type as right_type
         where oprkind = 'b' and oprleft <> 0 and left_type.oid in (select k::regtype from unnest(array[{KINDS}]) as k)
           and right_type.oid in (select k::regtype from unnest(array[{KINDS}]) as k)
           and oprname in ('=', '<>', '<', '<=', '>', '>=', '+', '-', '*', '/', '%', '||', '&', '->>', '->', '~~', '~')
           and result.oid in (select k::regtype from unnest(array[{KINDS}, 'boolean']) as k)
           and (oprleft = left_type.oid or oprright = right_type.oid)
    loop
        begin
            execute format('create function evil.f_%s(%s, %s) returns %s language plpgsql as $$ begin'
                ' insert into evil.called values (%L, current_user); return null; end $$',
                md5(each.name || each.left || each.right), each.left, each.right, each.result, each.name);
            execute format('create operator evil.%s (leftarg = %s, rightarg = %s, function = evil.f_%s)',
                each.name, each.left, each.right, md5(each.name || each.left || each.right));
        exception when others then null;        -- of the same arguments, with another result
        end;
    end loop;
    for each in
        select distinct proname as name, pg_get_function_identity_arguments(pg_proc.oid) as arguments,
               pg_get_function_result(pg_proc.oid) as result
          from pg_proc
         where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' and not proretset and provariadic = 0
           and proname in ('now', 'clock_timestamp', 'statement_timestamp', 'pg_notify', 'hashtext', 'power', 'random', 'format',
                           'make_interval', 'current_setting', 'set_config', 'has_table_privilege', 'to_jsonb', 'date_part',
                           'timezone', 'div', 'mod', 'starts_with', 'quote_literal', 'quote_ident', 'pg_column_size',
                           'pg_try_advisory_lock', 'pg_advisory_lock', 'pg_advisory_unlock_all', 'pg_sequence_last_value',
                           'pg_try_advisory_xact_lock_shared', 'abs', 'age', 'jsonb_each', 'array_to_string', 'encode',
                           'pg_notification_queue_usage', 'extract', 'jsonb_build_object', 'nextval', 'floor', 'length')
           and pg_get_function_result(pg_proc.oid) not like '%any%' and pg_get_function_arguments(pg_proc.oid) not like '%any%'
           and pg_get_function_arguments(pg_proc.oid) not like '%OUT%'
    loop
        begin
            execute format('create function evil.%I(%s) returns %s language plpgsql as $$ begin'
                ' insert into evil.called values (%L, current_user); return null; end $$',
                each.name, each.arguments, each.result, each.name);
        exception when others then null;
        end;
    end loop;
end
$do$;
create function evil.format(text, name, bigint) returns text language sql as $$
    insert into evil.called values ('format', current_user); select 'x' $$;
create function evil.power(integer, integer) returns integer language sql as $$
    insert into evil.called values ('power', current_user); select 1 $$;
"""


@pytest.fixture
async def hostile(db: Connection) -> Connection:
    """A database whose sessions find `evil` before PostgreSQL's own objects, unless they say otherwise."""
    await db.execute(EVIL)
    assert (
        await db.fetchval("select count(*) from pg_operator where oprnamespace = 'evil'::regnamespace") > 100
    )
    assert await db.fetchval("select count(*) from pg_proc where pronamespace = 'evil'::regnamespace") > 150
    database = await db.fetchval("select current_database()")
    await db.execute(f"alter database {database} set search_path = evil, pg_catalog, public")
    return db


async def none_was_called(db: Connection) -> None:
    assert await db.fetch("select distinct called.what, called.by from evil.called") == []


async def test_engine_calls_no_operator_of_another_schema(
    hostile: Connection, start_daemon: NewDaemon
) -> None:
    db = hostile
    daemon = start_daemon(
        retention={"completed": "1 day", "executions": "1 day"}, unknown_name_grace="0 s"
    ).ready()
    retried = await insert(
        db, "answer", '{"answers": ["exception", "success"]}', retry_interval="interval '10 ms'"
    )
    recursive = await insert(
        db,
        "answer",
        '{"answers": ["success", "completed"]}',
        is_recursive="true",
        retry_interval="interval '50 ms'",
    )
    scheduled = await insert(db, "succeed", schedule_time="now() + interval '50 ms'")
    held = await insert(db, "unheard_of")
    stopped = await insert(db, "block")
    for job_id in (retried, recursive, scheduled):
        assert (await settled(db, job_id))["status"] == "Completed"
    assert (await until(db, held, lambda r: r["status"] == "Hold"))["hold_reason"]
    await until(db, stopped, lambda r: r["daemon_id"] is not None)
    await set_status(db, stopped, "Failed")
    await settled(db, stopped)
    assert daemon.stop() == 0
    await none_was_called(db)


async def test_commands_call_no_operator_of_another_schema(
    hostile: Connection, dsn: str, start_daemon: NewDaemon
) -> None:
    start_daemon().ready()
    for command in (
        ("enqueue", "succeed", "{}", "--wait"), ("enqueue", "succeed", "{}", "--at", "2040-01-01T09:00"), ("list",), ("show", "1"),
        ("hold", "2"), ("release", "2"), ("run-now", "2"), ("cancel", "2"), ("status",), ("top", "--once"), ("doctor",),
        ("migrate",),
    ):  # fmt: skip
        done = asyncjobd("--dsn", dsn, *command)
        assert done.returncode in {0, 1}, (command, done.stderr)
        assert "Traceback" not in done.stderr
    await none_was_called(hostile)


async def test_client_triggers_call_no_operator_of_another_schema(hostile: Connection, dsn: str) -> None:
    """A client's own statements may call them; the schema's triggers may not."""
    client = await Database(DatabaseConfig(dsn=dsn)).connect("client")
    await client.execute("set search_path = evil, pg_catalog")
    await client.execute(
        "insert into asyncjob.job (job_name, schedule_time, status) values ('a', null, 'Hold'), ('b', '2040-01-01', 'Queued');"
        "insert into asyncjob.job (job_name) values ('c')"
    )
    for status in ("Queued", "In Progress", "Failed", "In Progress", "Completed"):
        await client.execute(f"update asyncjob.job set status = '{status}'")
    await client.execute("delete from asyncjob.job")
    await client.close()
    await none_was_called(hostile)


async def test_producer_with_operators_of_its_own_cannot_write_what_is_the_daemons(
    db: Connection, dsn: str
) -> None:
    await db.execute(
        "create schema own; create function own.same(bigint, bigint) returns boolean language sql as 'select true';"
        "create operator own.= (leftarg = bigint, rightarg = bigint, function = own.same);"
        "create function own.never(bigint, bigint) returns boolean language sql as 'select false';"
        "create operator own.<> (leftarg = bigint, rightarg = bigint, function = own.never);"
        "grant usage on schema own to public"
    )
    job_id = await insert(db, "nobody_serves_it")
    await db.execute("set role asyncjob_producer; set search_path = own, pg_catalog")
    with pytest.raises(Exception, match="a client cannot write what belongs to the daemon"):
        await db.execute(
            f"update asyncjob.job set daemon_id = 1, claim_token = 1 where job.id operator(pg_catalog.=) {job_id}"
        )


async def test_every_function_has_its_search_path(db: Connection) -> None:
    """But job_inserted, where it would cost too much: all that it calls is qualified, and it has no operators."""
    loose = await db.fetch(
        "select proname, prosrc from pg_proc where pronamespace = 'asyncjob'::regnamespace and prosqlbody is null"
        " and not coalesce(proconfig @> array['search_path=pg_catalog, pg_temp'], false)"
    )
    ((name, body),) = loose
    assert name == "job_inserted"
    assert re.findall(r"(?<![.\w])\w+\(", body) == []
    assert not set("=<>+-*/%|&^!~#@:[]'") & set(body)
