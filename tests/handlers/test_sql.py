"""The stock handler that runs SQL: what it binds, what it answers, and that a row cannot make it run anything else."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from asyncjobd import Job, JobBuilder, Outcome
from asyncjobd.actions.handlers import OptionsError
from asyncjobd.testing import Workbench, run_job
from asyncjobd_handlers.sql import Sql
from asyncjobd_handlers.sql.statement import bind
from tests.conftest import NewDaemon, NewDatabase
from tests.support.jobs import Connection, executions, insert, settled

pytestmark = pytest.mark.anyio

SCHEMA = """
create table account (id int primary key, name text unique, balance numeric not null default 0 check (balance >= 0));
insert into account values (1, 'ann', 10), (2, 'bob', 20);
create function rename(which int, new_name text) returns text language sql as
    $$ update account set name = new_name where id = which returning name $$;
"""


@pytest.fixture
async def accounts(db: Connection) -> None:
    await db.execute(SCHEMA)


@pytest.fixture
async def bench(dsn: str, accounts: None) -> AsyncIterator[Workbench]:
    async with Workbench.connect(dsn) as bench:
        yield bench


async def ran(bench: Workbench, statement: str, params: dict[str, Any] | None = None, **options: Any) -> Job:
    timeout = options.pop("timeout", None)
    bench.serve("Sql", Sql, {"statement": statement, **options})
    job_id = await bench.client.insert(
        JobBuilder("Sql").set_params(params or {}).set_timeout(timeout).build()
    )
    assert job_id is not None
    await bench.drain()
    job = await bench.client.get(job_id)
    assert job is not None
    return job


def outcome(job: Job) -> tuple[str | None, str | None]:
    return job.last_execution_status, job.message


@pytest.mark.parametrize(
    ("statement", "bound"),
    [
        ("select f({a}::int, {b_2})", "select f(($1::jsonb ->> 'a')::int, ($1::jsonb ->> 'b_2'))"),
        (
            "select '{a}', E'\\'{a}', \"{a}\", $$ {a} $$, $x$ {a} $$ $x$ -- {a}\n, '{1,2}'::int[] /* {a} */",
            None,
        ),
        ("select x[1:2], 'it''s {a}';", None),
    ],
)
def test_params_are_found_outside_of_quotes_and_comments(statement: str, bound: str | None) -> None:
    text, names = bind(statement)
    assert text == (bound or statement)
    assert bool(names) == bool(bound)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "statement is missing"),
        ({"statement": " "}, "statement: expected one statement of SQL, got an empty text"),
        ({"statement": "select {a b}"}, "statement: '{': a param is written as {name}"),
        ({"statement": "select $1"}, "statement: '$1': a param is written as {name}"),
        ({"statement": "select 1; drop table account"}, "statement: '; d': expected one statement"),
        ({"statement": "commit"}, "'commit' would end the transaction of the job"),
        ({"statement": "-- so\n/* that */ ROLLBACK"}, "'ROLLBACK' would end the transaction of the job"),
        ({"statement": "select 1", "dsn": "host=secret"}, "dsn: expected postgresql://"),
        ({"statement": "select 1", "rows": -1}, "rows: expected `int` >= 0"),
    ],
)
async def test_options_that_cannot_work_are_refused_when_they_are_loaded(
    options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(OptionsError) as refused:
        await run_job(Sql, options=options)
    assert reason in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_function_is_called_with_the_jobs_params(bench: Workbench, db: Connection) -> None:
    job = await ran(bench, "select rename({account}::int, {name})", {"account": 1, "name": "eve"})
    assert (*outcome(job), job.result) == ("success", "1 row", 1)
    assert await db.fetchval("select name from account where id = 1") == "eve"


async def test_values_come_as_exactly_as_the_row_has_them(bench: Workbench) -> None:
    statement = "select {n}::numeric as n, {t} as t, {b}::boolean as b, {x} as x, {l}::jsonb as l, {d}::date as d, 1.5::float8 as f"
    params = {
        "n": 12345678901234567890,
        "t": "1",
        "b": False,
        "x": None,
        "l": [1, {"a": "b"}],
        "d": "2026-02-03",
    }
    job = await ran(bench, statement, params, rows=5)
    assert job.result == [{**params, "n": "12345678901234567890", "f": 1.5}]


async def test_rows_are_kept_up_to_the_limit_and_counted_beyond(bench: Workbench, db: Connection) -> None:
    job = await ran(bench, "select id, name from account order by id", rows=1)
    assert (job.message, job.result) == ("2 rows, of which the first 1 are kept", [{"id": 1, "name": "ann"}])
    job = await ran(bench, "update account set balance = balance + 1")
    assert (job.message, job.result) == ("2 rows", 2)
    job = await ran(bench, "create table other (n int)")
    assert (job.message, job.result) == ("0 rows", 0)


@pytest.mark.parametrize(
    "hostile",
    [
        "x'; drop table account; --",
        "x'); drop table account; --",
        "{name}",
        "$1",
        "\\'; drop table account; --",
        "$$; drop table account; $$",
        '"; drop table account; --',
    ],
)
async def test_hostile_value_is_only_ever_a_value(bench: Workbench, db: Connection, hostile: str) -> None:
    job = await ran(
        bench, "update account set name = {name} where id = {id}::int", {"name": hostile, "id": 1}
    )
    assert outcome(job) == ("success", "1 row")
    assert await db.fetchval("select name from account where id = 1") == hostile
    job = await ran(
        bench, "update account set name = {name} where id = {id}::int", {"name": "x", "id": hostile}
    )
    assert job.last_execution_status == "fatal_error"
    assert await db.fetchval("select count(*) from account") == 2


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"id": 1}, "params do not fit the statement: name missing"),
        (
            {"id": 1, "name": "a", "nmae": "b"},
            "params do not fit the statement: unknown nmae; it takes id, name",
        ),
        (
            {"id": 1, "name": "a", "x') --": "b"},
            "params do not fit the statement: unknown x') --; it takes id, name",
        ),
        ([1], "params do not fit Sql: expected `object`, got `array`"),
    ],
)
async def test_params_that_the_statement_does_not_take_are_refused(
    bench: Workbench, params: dict[str, Any], reason: str
) -> None:
    job = await ran(bench, "update account set name = {name} where id = {id}::int", params)
    assert outcome(job) == ("fatal_error", reason)


@pytest.mark.parametrize(
    ("statement", "expected", "reason"),
    [
        ("selec 1", "fatal_error", '"selec" (SQLSTATE 42601)'),
        ("select * from nowhere", "fatal_error", 'relation "nowhere" does not exist (SQLSTATE 42P01)'),
        ("vacuum account", "fatal_error", "VACUUM cannot run inside a transaction block (SQLSTATE 25001)"),
        ("select 'a'::int", "fatal_error", "(SQLSTATE 22P02)"),
        ("update account set balance = -1", "failed", "(SQLSTATE 23514)"),
        ("insert into account values (1, 'x')", "failed", "(SQLSTATE 23505)"),
        ("select 1 / (id - 1) from account", "failed", "division by zero (SQLSTATE 22012)"),
        ("do $$ begin raise serialization_failure; end $$", "failed", "(SQLSTATE 40001)"),
        ("do $$ begin raise exception 'not today'; end $$", "failed", "not today (SQLSTATE P0001)"),
        ("do $$ begin commit; end $$", "failed", "(SQLSTATE 2D000)"),
        (
            "select pg_terminate_backend(pg_backend_pid())",
            "failed",
            "the server ended the connection of this transaction",
        ),
    ],
)
async def test_error_ends_the_job_where_it_cannot_get_better(
    bench: Workbench, statement: str, expected: str, reason: str
) -> None:
    job = await ran(bench, statement)
    assert job.last_execution_status == expected
    assert reason in str(job.message)


async def test_missing_privilege_is_fatal(bench: Workbench, db: Connection) -> None:
    await db.execute(
        "create function forbidden() returns int language plpgsql as "
        "$$ begin raise insufficient_privilege using message = 'permission denied'; end $$"
    )
    assert outcome(await ran(bench, "select forbidden()")) == (
        "fatal_error",
        "permission denied (SQLSTATE 42501)",
    )


async def test_write_of_a_stopped_job_is_undone(
    accounts: None, db: Connection, start_daemon: NewDaemon
) -> None:
    statement = "update account set balance = 0 where id = 1 and pg_sleep(3600) is null"
    daemon = start_daemon(
        actions={"Slow": {"handler": "asyncjobd_handlers.sql:Sql", "options": {"statement": statement}}}
    ).ready()
    job_id = await insert(db, "Slow", timeout="'0.3 s'", max_execution_count="1")
    job = await settled(db, job_id)
    assert (job["status"], job["last_execution_status"]) == ("Failed", "timeout")
    assert await db.fetchval("select balance from account where id = 1") == 10
    assert daemon.stop() == 0


async def test_timeout_of_the_job_limits_the_statement_on_the_server(bench: Workbench) -> None:
    shown = "select current_setting('statement_timeout') as timeout"
    job = await ran(bench, shown, rows=1, timeout=timedelta(seconds=7))
    assert job.result == [{"timeout": "8s"}]
    assert (await ran(bench, shown, rows=1)).result == [{"timeout": "0"}]


@pytest.fixture
def other(new_database: NewDatabase) -> str:
    return new_database()


async def test_other_database_is_reached_by_its_dsn_the_environment_and_a_credential(
    bench: Workbench, dsn: str, other: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    where = "select current_database() as name"
    name = other.split("/")[3].split("?")[0]
    monkeypatch.setenv("OTHER_DSN", other)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "other").write_text(f"{other}\n")
    for reference in (other, "${OTHER_DSN}", "${other}"):
        assert (await ran(bench, where, dsn=reference, rows=1)).result == [{"name": name}]
    assert (await ran(bench, where, rows=1)).result != [{"name": name}]
    assert outcome(await ran(bench, "vacuum", dsn=other)) == ("success", "0 rows")  # in no transaction
    for number in range(8):  # more than the pool has
        shown = await ran(
            bench, "select {n} as n", {"n": number}, dsn=other, rows=1, timeout=timedelta(seconds=60)
        )
        assert shown.result == [{"n": str(number)}]


@pytest.mark.parametrize(
    ("dsn_option", "reason"),
    [
        (
            "${NO_SUCH_DSN}",
            "the option dsn: ${NO_SUCH_DSN} is neither a credential of this unit nor an environment variable",
        ),
        (
            "postgresql://user:pa#ss@host:x/y",
            "the option dsn: expected postgresql://user:password@host:port/database",
        ),
        ("postgresql://nobody@127.0.0.1:1/nowhere", "Connect call failed"),
    ],
)
async def test_other_database_that_cannot_be_reached_is_tried_again(
    bench: Workbench, dsn_option: str, reason: str
) -> None:
    job = await ran(bench, "select 1", dsn=dsn_option)
    assert job.last_execution_status == "failed"
    assert reason in str(job.message)
    assert "pa#ss" not in str(job.message)
    assert job.status == "Queued"


@pytest.mark.parametrize("is_elsewhere", [False, True])
@pytest.mark.parametrize("value", ["'0044-03-15 BC'::date", "'20000-01-01'::timestamptz"])
async def test_value_that_python_cannot_hold_is_said(
    bench: Workbench, other: str, value: str, is_elsewhere: bool
) -> None:
    there: dict[str, Any] = {"dsn": other} if is_elsewhere else {}
    job = await ran(bench, f"select {value} as day", rows=1, **there)
    assert (job.last_execution_status, job.status) == ("fatal_error", "Failed")
    assert "Python cannot hold a value of the rows" in str(job.message)


async def test_statement_of_a_comment_alone_does_nothing(bench: Workbench) -> None:
    assert outcome(await ran(bench, "-- nothing")) == ("success", "0 rows")


async def test_other_database_takes_a_providers_dsn_and_a_login_that_is_refused_is_tried_again(
    bench: Workbench, db: Connection, other: str
) -> None:
    assert outcome(await ran(bench, "select 1", dsn=f"{other}&connect_timeout=10&keepalives=1")) == (
        "success",
        "1 row",
    )
    role = other.split("/")[3].split("?")[0] + "_locked"
    await db.execute(f"create role {role} nologin")
    job = await ran(bench, "select 1", dsn=other.replace("postgres@", f"{role}@"))
    assert (job.last_execution_status, job.status) == ("failed", "Queued")
    assert "is not permitted to log in" in str(job.message)


async def test_statement_runs_once_with_the_jobs_completion(bench: Workbench, db: Connection) -> None:
    job = await ran(
        bench,
        "insert into account (id, name) select 3, {name} where pg_try_advisory_xact_lock(1)",
        {"name": json.dumps({"a": "'"})},
    )
    assert outcome(job) == (Outcome.SUCCESS, "1 row")
    assert not await executions(db, job.id)
    assert await db.fetchval("select xmin::text from account where id = 3") == await db.fetchval(
        "select xmin::text from asyncjob.job where id = $1", job.id
    )
