"""A row that PostgreSQL refuses to write or to send is set aside with the reason; all others go on."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from tests.conftest import NewDaemon, NewDatabase
from tests.faults import refusals_handlers
from tests.support.actions import COMMON, Actions, actions_of
from tests.support.daemon import DEADLINE, DaemonProcess, asyncjobd
from tests.support.jobs import Connection, as_engine, insert, row, settled, unowned, until

pytestmark = pytest.mark.anyio

FORBIDDEN = '{"note": "forbidden"}'
SOON = "now() + interval '200 ms'"


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(refusals_handlers)


async def refuse(db: Connection, condition: str, when: str = "before update") -> None:
    """Make a trigger that refuses such a change of rows whose note is `forbidden`."""
    await db.execute(
        "create function no() returns trigger language plpgsql as $$ begin"
        f" if coalesce(new.params ->> 'note', '') = 'forbidden' and ({condition}) then raise exception 'the site says no'; end if;"
        f" return new; end $$; create trigger no {when} on asyncjob.job for each row execute function no()"
    )


@pytest.fixture
async def still_works(daemon: DaemonProcess, db: Connection) -> AsyncIterator[DaemonProcess]:
    """Check after the test that the same daemon runs the next jobs."""
    yield daemon
    for _ in range(3):
        assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    assert daemon.process.poll() is None
    assert not daemon.events("daemon.broken")


async def test_params_too_large_to_be_sent_fail_their_own_job_only(
    db: Connection, start_daemon: NewDaemon
) -> None:
    poison = await db.fetchval(
        "insert into asyncjob.job (job_name, params) values ('succeed', to_jsonb(repeat(chr(1), 190000000))) returning id"
    )
    others = [await insert(db, "succeed") for _ in range(6)]
    daemon = start_daemon().ready()
    assert [(await settled(db, job_id))["status"] for job_id in others] == ["Completed"] * 6
    daemon.wait_for("job.failed", job_id=poison)
    job = await db.fetchrow("select status, message from asyncjob.job where id = $1", poison)
    assert (job["status"], job["message"]) == ("Failed", "params cannot be read: they take more than 100 MB")
    assert daemon.process.poll() is None


@pytest.fixture
async def western(db: Connection, dsn: str) -> AsyncIterator[str]:
    """A database whose encoding has bytes that are no characters in UTF-8."""
    name = dsn.split("/")[3].split("?")[0]
    await db.execute(
        f"create database western_{name} encoding 'WIN1252' locale_provider libc lc_collate 'C' lc_ctype 'C' template template0"
    )
    to = dsn.replace(f"/{name}?", f"/western_{name}?")
    assert asyncjobd("--dsn", to, "migrate").returncode == 0
    yield to
    await db.execute(f"drop database western_{name} with (force)")


async def test_params_that_utf8_has_no_characters_for_fail_their_own_job_only(
    western: str, start_daemon: NewDaemon
) -> None:
    client: Any = await asyncpg.connect(western)
    poison = await client.fetchval(
        "insert into asyncjob.job (job_name, params) values ('succeed', to_jsonb(chr(129))) returning id"
    )
    others = [await insert(client, "succeed") for _ in range(6)]
    daemon = start_daemon(to=western).ready()
    assert [(await settled(client, job_id))["status"] for job_id in others] == ["Completed"] * 6
    told = daemon.wait_for("job.failed", job_id=poison)["message"]
    assert "params cannot be read: " in told
    assert "WIN1252" in told
    assert daemon.process.poll() is None
    await client.close()


async def test_success_whose_message_the_database_cannot_store_stays_a_success(
    western: str, start_daemon: NewDaemon
) -> None:
    client: Any = await asyncpg.connect(western)
    start_daemon(to=western).ready()
    job = await settled(client, await insert(client, "answers_in_chinese"))
    assert (job["status"], job["message"]) == ("Completed", "\\u6f22")
    await client.close()


async def test_outcome_that_a_trigger_refuses_fails_its_own_job_with_the_triggers_words(
    db: Connection, still_works: DaemonProcess
) -> None:
    await refuse(db, "new.status = 'Completed'", "after update")
    ids = [await insert(db, "succeed", FORBIDDEN if n % 5 == 0 else "{}") for n in range(10)]
    jobs = [await settled(db, job_id) for job_id in ids]
    assert [job["status"] for job in jobs] == (["Failed"] + ["Completed"] * 4) * 2
    assert jobs[0]["message"] == "the handler's result cannot be stored: the site says no"


async def test_claim_that_a_trigger_refuses_puts_its_own_job_on_hold(
    db: Connection, still_works: DaemonProcess
) -> None:
    await refuse(db, "new.daemon_id is not null")
    await db.execute(
        "insert into asyncjob.job (job_name, params) select 'succeed', case when n = 50 then $1::jsonb else '{}' end"
        " from generate_series(1, 100) as n", FORBIDDEN,
    )  # fmt: skip
    forbidden = await db.fetchval("select id from asyncjob.job where params <> '{}'")
    held = await unowned(db, forbidden, "Hold")
    assert held["hold_reason"] == "PostgreSQL refuses to write this row: the site says no"
    for (job_id,) in await db.fetch("select id from asyncjob.job where params = '{}'"):
        assert (await settled(db, job_id))["status"] == "Completed"
    assert (await row(db, forbidden))[
        "status"
    ] == "Hold"  # and no daemon releases it as if its name had been unknown


async def test_row_that_a_trigger_lets_nobody_change_is_left_alone_and_said(
    db: Connection, still_works: DaemonProcess
) -> None:
    await refuse(db, "true", "after update")
    forbidden = await insert(db, "succeed", FORBIDDEN)
    others = [await insert(db, "succeed") for _ in range(20)]
    assert [(await settled(db, job_id))["status"] for job_id in others] == ["Completed"] * 20
    assert "the site says no" in still_works.wait_for("job.unwritable", job_id=forbidden)["reason"]
    assert (await row(db, forbidden))["status"] == "In Progress"
    await db.execute("drop trigger no on asyncjob.job")


async def test_promotion_that_a_trigger_refuses_puts_its_own_job_on_hold(
    db: Connection, still_works: DaemonProcess
) -> None:
    await refuse(db, "old.status = 'Queued' and new.status = 'In Progress'")
    ids = [await insert(db, "succeed", FORBIDDEN if n == 2 else "{}", schedule_time=SOON) for n in range(5)]
    forbidden = ids.pop(2)
    assert [(await settled(db, job_id))["status"] for job_id in ids] == ["Completed"] * 4
    assert "the site says no" in (await unowned(db, forbidden, "Hold"))["hold_reason"]


async def test_rescue_that_a_trigger_refuses_fails_its_own_job_only(
    db: Connection, still_works: DaemonProcess
) -> None:
    await refuse(db, "old.daemon_id is not null and new.status in ('In Progress', 'Queued')")
    await db.execute(
        "insert into asyncjob.job (job_name, status) select 'succeed', 'Hold' from generate_series(1, 5)"
    )
    ids = [job_id for (job_id,) in await db.fetch("select id from asyncjob.job order by id")]
    await as_engine(
        db,
        "update asyncjob.job set status = 'In Progress', daemon_id = 7, claim_token = id, execution_count = 1, max_execution_count = 5,"
        " retry_interval = '1 s', is_recursive = false, params = case when id = $1 then $2::jsonb else '{}' end",
        ids[2], FORBIDDEN,
    )  # fmt: skip
    jobs = [await settled(db, job_id) for job_id in ids]
    assert [job["status"] for job in jobs] == ["Completed", "Completed", "Failed", "Completed", "Completed"]
    assert "the site says no" in jobs[2]["message"]


async def test_hold_that_a_trigger_refuses_leaves_the_others_to_be_held(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await refuse(db, "new.status = 'Hold'")
    forbidden = await insert(db, "unheard_of", FORBIDDEN)
    others = [await insert(db, "unheard_of") for _ in range(5)]
    daemon = start_daemon(unknown_name_grace="0 s").ready()
    for job_id in others:
        assert "no daemon serves 'unheard_of'" in (await unowned(db, job_id, "Hold"))["hold_reason"]
    daemon.wait_for("job.unwritable", job_id=forbidden)
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"


async def test_progress_that_a_trigger_refuses_keeps_nobody_elses_back(
    db: Connection, still_works: DaemonProcess, tmp_path: Any
) -> None:
    await refuse(db, "new.progress is distinct from old.progress and new.status = 'In Progress'")
    end = tmp_path / "end"
    forbidden, other = [
        await insert(db, "reports", f'{{"file": "{end}"{note}}}') for note in (', "note": "forbidden"', "")
    ]
    await until(db, other, lambda r: r["progress_message"] == "step 99")
    still_works.wait_for("progress.refused", job_id=forbidden)
    end.touch()
    for job_id in (forbidden, other):
        assert (await settled(db, job_id))["status"] == "Completed"


async def test_row_that_another_table_refers_to_holds_up_the_retention_of_none(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute("create table invoice (id int, job_id bigint references asyncjob.job)")
    await db.execute(
        "insert into asyncjob.job (job_name, status) select 'old', 'Completed' from generate_series(1, 100)"
    )
    await as_engine(
        db,
        "update asyncjob.job set created_at = now() - interval '2 d', finished_at = now() - interval '2 d'",
    )
    await db.execute("insert into invoice select 1, id from asyncjob.job order by id limit 1 offset 50")
    daemon = start_daemon(retention={"completed": "1 day"}).ready()
    assert daemon.wait_for("jobs.deleted")["count"] == 99
    told = daemon.wait_for("jobs.undeletable")
    assert (told["count"], "invoice" in told["reason"]) == (1, True)
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    assert daemon.process.poll() is None


async def test_part_that_jobs_can_do_without_fails_and_tries_again(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute(
        "create function no() returns trigger language plpgsql as $$ begin raise exception 'the site says no'; end $$;"
        " create trigger no before delete on asyncjob.execution for each statement execute function no()"
    )
    daemon = start_daemon(retention={"executions": "1 day"}).ready()
    assert daemon.wait_for("part.failed")["part"] == "pruner"
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    assert daemon.process.poll() is None


async def test_right_that_is_taken_away_for_a_while_is_waited_for(
    new_database: NewDatabase, start_daemon: NewDaemon
) -> None:
    to = new_database()
    owner: Any = await asyncpg.connect(to)
    name = to.partition("/test_")[2].partition("?")[0]
    worker = f"worker_{name}"
    await owner.execute(
        f"create role {worker} login; grant usage on schema asyncjob to {worker};"
        f"grant select, insert, update, delete on all tables in schema asyncjob to {worker}"
    )
    daemon = start_daemon(to=to.replace("postgres@", f"{worker}@")).ready()
    assert (await settled(owner, await insert(owner, "succeed")))["status"] == "Completed"
    await owner.execute(f"revoke update on asyncjob.job from {worker}")
    waiting = await insert(owner, "succeed")
    daemon.wait_for("statement.failed")
    await owner.execute(f"grant update on asyncjob.job to {worker}")
    assert (await settled(owner, waiting))["status"] == "Completed"
    assert daemon.process.poll() is None
    assert daemon.stop() == 0
    await owner.execute(f"drop owned by {worker}; drop role {worker}")
    await owner.close()


async def test_rows_that_are_refused_hold_up_no_other_name(
    db: Connection, still_works: DaemonProcess
) -> None:
    await refuse(db, "true")
    await db.execute(
        "insert into asyncjob.job (job_name, params) select 'sleeps', $1::jsonb from generate_series(1, 400)",
        FORBIDDEN,
    )
    still_works.wait_for("job.unwritable")
    job = await settled(db, await insert(db, "succeed"))
    assert (job["started_at"] - job["created_at"]).total_seconds() < 10
    await db.execute("drop trigger no on asyncjob.job")


async def test_trigger_that_cannot_reach_its_own_server_holds_up_no_other_job(
    db: Connection, still_works: DaemonProcess
) -> None:
    await db.execute(
        "create function no() returns trigger language plpgsql as $$ begin if new.params ->> 'note' = 'forbidden' then"
        " raise exception 'the other server is away' using errcode = '08001'; end if; return new; end $$;"
        " create trigger no before update on asyncjob.job for each row when (new.daemon_id is not null) execute function no()"
    )
    forbidden = await insert(db, "succeed", FORBIDDEN)
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    assert "the other server is away" in (await unowned(db, forbidden, "Hold"))["hold_reason"]
    assert not still_works.events("database.away")


async def test_row_that_cannot_be_handed_back_does_not_end_the_daemon(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await refuse(db, "old.daemon_id is not null and new.daemon_id is null and new.status = 'In Progress'")
    daemon = start_daemon(concurrency=2).ready()
    await db.execute("insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 3000)")
    await db.execute(
        "insert into asyncjob.job (job_name, params) select 'sleeps', $1::jsonb || '{\"seconds\": 3}' from generate_series(1, 20)",
        FORBIDDEN,
    )  # some are claimed ahead, as slots were free quickly until now
    daemon.wait_for("job.kept")
    async with asyncio.timeout(2 * DEADLINE):
        while await db.fetchval(
            "select count(*) from asyncjob.job where job_name = 'succeed' and status <> 'Completed'"
        ):
            await asyncio.sleep(0.05)
    assert daemon.process.poll() is None
    await db.execute("drop trigger no on asyncjob.job")


async def test_row_that_was_written_since_it_was_looked_at_is_not_set_aside(db: Connection) -> None:
    job_id = await insert(db, "succeed")
    version = await db.fetchval("select xmin::text from asyncjob.job where id = $1", job_id)
    await db.execute("update asyncjob.job set priority = 1 where id = $1", job_id)
    await db.execute("set asyncjob.engine = 'on'")
    query = partial(
        Database(DatabaseConfig(dsn="postgresql://nowhere")).query,
        "jobs/set_aside_job", job_id=job_id, reason="no", gone_daemons=[], heartbeats=[],
    )  # fmt: skip
    assert await db.fetch(*query(version=version)) == []
    assert await db.fetch(*query(version=None)) != []
