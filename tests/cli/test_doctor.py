"""`asyncjobd doctor` finds what hurts, says what to do, and looks at everything else all the same."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.monitoring.doctor import examination, server, vacuum, work
from asyncjobd.monitoring.doctor.finding import Finding, Level
from asyncjobd.monitoring.overview import Overview
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.cli.commands import assert_fits, config_of, on_terminal, run
from tests.conftest import NewDaemon, NewDatabase
from tests.support.cluster import Cluster
from tests.support.daemon import DEADLINE, DaemonProcess, asyncjobd, write_config
from tests.support.faketime import faketime
from tests.support.jobs import Connection, insert, running

pytestmark = pytest.mark.anyio


def examined(dsn: str, code: int = 1, environment: dict[str, str] | None = None) -> list[Finding]:
    """By the command. The tests' server has fsync off, which is a problem already."""
    done = asyncjobd("--dsn", dsn, "doctor", "--json", **environment or {})
    assert done.returncode == code, done.stderr + done.stdout
    assert done.stderr == ""
    return [
        Finding(Level(each["level"]), each["about"], each["seen"], each["advice"], each["topic"])
        for each in json.loads(done.stdout)
    ]


async def examined_here(dsn: str) -> list[Finding]:
    """Where the thresholds can be lowered."""
    return await examination.examine(Database(DatabaseConfig(dsn=dsn)))


def worse_than_ok(findings: list[Finding], about: str) -> Finding:
    """The one that there is."""
    (found,) = [each for each in findings if each.about == about and each.level is not Level.OK]
    assert found.advice
    return found


def levels(findings: list[Finding]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in findings:
        found.setdefault(each.about, set()).add(each.level.value)
    return found


@pytest.fixture
async def durable(postgres_bin: Path, tmp_path: Path) -> AsyncIterator[str]:
    """A server with its settings as they are shipped, with the schema, as a dsn."""
    own = EmbeddedServer(tmp_path / "postgres" / "data", postgres_bin)
    await own.ensure()
    await migrate(Database(DatabaseConfig(dsn=own.dsn)))
    yield own.dsn
    DaemonProcess.kill_all()
    await own.stop()


async def test_healthy_system_is_all_ok(durable: str, tmp_path: Path) -> None:
    config = write_config(tmp_path, durable)
    DaemonProcess(config).ready()
    findings = await asyncio.to_thread(examined, durable, 0)
    assert set().union(*levels(findings).values()) == {"ok"}, findings
    done = await asyncio.to_thread(asyncjobd, "--config", str(config), "doctor", "--all")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(findings) + 1
    assert "ok       server      PostgreSQL " in done.stdout
    folded = await asyncio.to_thread(asyncjobd, "--config", str(config), "doctor")
    assert folded.stdout == (
        f"ok       {len(findings)} checks ok (--all shows them)\n0 problems, 0 warnings, {len(findings)} ok\n"
    )


async def test_dropped_index_is_named_with_what_it_must_be(dsn: str, db: Connection) -> None:
    await db.execute("drop index asyncjob.job_ready")
    found = worse_than_ok(examined(dsn), "schema")
    assert found.level is Level.PROBLEM
    assert (
        "index asyncjob.job_ready is missing; expected: CREATE INDEX job_ready ON asyncjob.job" in found.seen
    )


async def test_schema_of_another_version_is_told_with_the_rest(dsn: str, db: Connection) -> None:
    await db.execute("insert into asyncjob.migration (version, name, digest) values (99, 'future', '')")
    await insert(db, "unheard_of")
    findings = examined(dsn)
    assert worse_than_ok(findings, "schema").advice == "upgrade asyncjobd"
    assert worse_than_ok(findings, "unserved")


def test_database_without_the_schema_is_told(new_empty_database: NewDatabase) -> None:
    """That alone, beside the server: what is missing with it is no finding of its own."""
    findings = examined(new_empty_database())
    assert worse_than_ok(findings, "schema").advice == "run `asyncjobd migrate`"
    assert levels(findings)["server"] == {"ok"}
    assert {each.about for each in findings if each.level is not Level.OK} == {"schema", "settings"}
    assert findings[-1].about == "schema"


@pytest.mark.parametrize("columns", [80, 120])
async def test_problems_come_first_and_no_line_breaks_within_a_word(
    dsn: str, db: Connection, tmp_path: Path, columns: int
) -> None:
    await insert(db, "unheard_of")
    told = on_terminal(config_of(tmp_path, dsn), "doctor", columns=columns)
    assert_fits(told, columns)
    *lines, last = told.splitlines()
    assert lines[0].startswith("problem ")
    assert lines[-1].startswith("ok ")
    assert lines[-1].endswith(" checks ok (--all shows them)")
    assert re.fullmatch(r"3 problems, 0 warnings, \d+ ok", last)


async def test_action_that_the_file_has_and_no_daemon_has_loaded_is_told(
    dsn: str, db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    newer = config_of(tmp_path, dsn, {"New": {"handler": "handlers_for_commands:succeed"}})
    await insert(db, "New")
    told = run(newer, "doctor").stdout
    assert f"-> {newer} has 'New', but no daemon has loaded it: systemctl reload asyncjobd" in told


async def test_misspelt_name_is_told_with_the_closest(
    dsn: str, db: Connection, daemon: DaemonProcess
) -> None:
    await insert(db, "Suceed")
    assert worse_than_ok(examined(dsn), "unserved").seen.endswith("; did you mean 'succeed'?")


async def test_prepared_transaction_left_behind_is_found(
    dsn: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await db.execute(
        "begin; set local asyncjob.notify = off; insert into asyncjob.job (job_name) values ('succeed')"
    )
    await db.execute("prepare transaction 'left behind'")
    try:
        monkeypatch.setattr(vacuum, "OLD_PREPARED_SECONDS", 0)
        assert worse_than_ok(await examined_here(dsn), "snapshots").level is Level.WARNING
        monkeypatch.setattr(vacuum, "TOO_OLD_PREPARED_SECONDS", 0)
        found = worse_than_ok(await examined_here(dsn), "snapshots")
        assert found.level is Level.PROBLEM
        assert "prepared transaction 'left behind' of postgres keeps dead rows" in found.seen
        assert "rollback prepared 'left behind'" in found.advice
    finally:
        await db.execute("rollback prepared 'left behind'")


async def test_old_snapshot_is_found_and_whose_it_is(
    dsn: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vacuum, "OLD_SNAPSHOT_SECONDS", 0)
    async with db.transaction(isolation="repeatable_read"):
        pid = await db.fetchval("select pg_backend_pid()")
        found = worse_than_ok(await examined_here(dsn), "snapshots")
        assert found.level is Level.WARNING
        assert f"pid {pid} (postgres, , idle in transaction)" in found.seen
        assert f"pg_terminate_backend({pid})" in found.advice
    assert levels(await examined_here(dsn))["snapshots"] == {"ok"}


async def test_dead_rows_are_counted(dsn: str, db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vacuum, "MANY_DEAD_ROWS", 100)
    await db.execute("alter table asyncjob.job set (autovacuum_enabled = off)")
    await db.execute("insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 1000)")
    await db.execute("delete from asyncjob.job")
    async with asyncio.timeout(DEADLINE):
        while not (
            told := [each for each in await examined_here(dsn) if "asyncjob.job: 0 rows, 10" in each.seen]
        ):
            await db.execute(
                "select pg_sleep(0.1)"
            )  # on 14, statistics are sent with the session's next statement
    left_out, dead = told
    assert (left_out.level, dead.level) == (Level.PROBLEM, Level.WARNING)
    assert dead.advice.endswith("vacuum asyncjob.job")


async def test_bloated_table_is_found(dsn: str, db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vacuum, "WORTH_PACKING_BYTES", 0)
    await db.execute("insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 2000)")
    await db.execute("delete from asyncjob.job where id % 20 > 0")
    await db.execute("vacuum analyze asyncjob.job")
    async with asyncio.timeout(DEADLINE):
        while not (told := [each for each in await examined_here(dsn) if "its rows need" in each.seen]):
            await db.execute(
                "select pg_sleep(0.1)"
            )  # on 14, statistics are sent with the session's next statement
    assert told[0].level is Level.WARNING
    assert "asyncjob.job: 100 rows" in told[0].seen


async def test_job_that_nobody_serves_is_found(dsn: str, db: Connection, daemon: DaemonProcess) -> None:
    await insert(db, "unheard_of", status="'Hold'")
    found = worse_than_ok(examined(dsn), "unserved")
    assert found.level is Level.PROBLEM
    assert found.seen == "unheard_of: 1 held, no daemon has ever served this name"
    await db.execute("update asyncjob.job set job_name = 'asleep'")
    found = worse_than_ok(examined(dsn), "unserved")
    assert (found.level, found.seen) == (Level.WARNING, "asleep: 1 held, the action is inactive")


async def test_silent_daemon_is_found(dsn: str, db: Connection, start_daemon: NewDaemon) -> None:
    assert worse_than_ok(examined(dsn), "daemons").seen == "there is none"
    silent = start_daemon(lease="1 s").ready()
    silent.process.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(DEADLINE):
        while not await db.fetchval("select heartbeat_at < now() - interval '1 second' from asyncjob.daemon"):
            await asyncio.sleep(0.05)
    found = worse_than_ok(examined(dsn), "daemons")
    assert found.level is Level.PROBLEM
    assert f"pid {silent.pid}, version" in found.seen
    assert found.seen.endswith("and its lease is 1s")


async def test_jobs_that_wait_or_run_for_long_are_found(
    dsn: str, db: Connection, start_daemon: NewDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_daemon(concurrency=1).ready()
    job_id = await insert(db, "block")
    await running(db, job_id)
    await insert(db, "succeed")
    findings = await examined_here(dsn)
    assert (levels(findings)["ready"], levels(findings)["running"]) == ({"ok"}, {"ok"})
    for name in ("OLD_READY_SECONDS", "OLD_RUNNING_SECONDS"):
        monkeypatch.setattr(work, name, 0)
    findings = await examined_here(dsn)
    assert worse_than_ok(findings, "ready").seen.startswith("the oldest, of succeed, has waited for")
    assert worse_than_ok(findings, "running").seen.startswith(f"the oldest is job {job_id} of block, for")


async def stranger_of(dsn: str, db: Connection, rights: str = "") -> str:
    """The dsn of a new role with these rights, which are granted to ROLE."""
    role = urlsplit(dsn).path[1:] + "_stranger"
    await db.execute(f"create role {role} login; {rights.replace('ROLE', role)}")
    return dsn.replace("postgres@", f"{role}@")


async def test_role_without_rights_is_told_whom_to_join_and_gets_no_daemons_rights(
    dsn: str, db: Connection
) -> None:
    findings = examined(stranger := await stranger_of(dsn, db))
    role = urlsplit(stranger).username
    found = worse_than_ok(findings, "rights")
    assert found.advice.startswith(f"grant asyncjob_producer to {role}, if it enqueues")
    assert worse_than_ok(findings, "work").seen.startswith(
        "it could not be looked at: InsufficientPrivilegeError"
    )
    assert levels(findings)["server"] == {"ok"}
    await db.execute(f"grant asyncjob_producer to {role}")
    assert levels(examined(stranger))["rights"] == {"ok"}


async def test_client_with_half_the_rights_is_told_what_it_cannot_do_and_whom_to_join(
    dsn: str, db: Connection
) -> None:
    grants = "grant usage on schema asyncjob to ROLE; grant select, insert on asyncjob.job to ROLE"
    stranger = await stranger_of(dsn, db, grants)
    role = urlsplit(stranger).username
    found = worse_than_ok(examined(stranger), "rights")
    assert found.seen == f"{role} cannot set the status of a job to Hold: permission denied for table job"
    assert found.advice == f"grant asyncjob_producer to {role}"


async def test_what_a_daemons_role_lacks_is_told_with_its_grant(dsn: str, db: Connection) -> None:
    stranger = await stranger_of(dsn, db, "grant insert on asyncjob.daemon to ROLE")
    role = urlsplit(stranger).username
    rights = [each for each in examined(stranger) if each.about == "rights"]
    assert f"grant usage on schema asyncjob to {role}" in [each.advice for each in rights]
    assert f"grant select, insert, update, delete on asyncjob.job to {role}" in [
        each.advice for each in rights
    ]
    for right in rights:
        await db.execute(right.advice)
    assert levels(examined(stranger))["rights"] == {"ok"}


async def test_right_that_producers_lack_is_found_before_a_client_does(dsn: str, db: Connection) -> None:
    await db.execute("revoke execute on function asyncjob.announce from public, asyncjob_producer")
    found = worse_than_ok(examined(dsn), "rights")
    assert found.seen.startswith(
        "asyncjob_producer has no execute on function asyncjob.announce(job_name text,"
    )
    await db.execute(found.advice)
    await db.execute("revoke insert on asyncjob.job from asyncjob_producer")
    found = worse_than_ok(examined(dsn), "rights")
    assert found.advice == "grant insert on asyncjob.job to asyncjob_producer"
    await db.execute(found.advice)
    assert levels(examined(dsn))["rights"] == {"ok"}


async def test_right_on_something_that_is_not_ours_is_found_by_trying(dsn: str, db: Connection) -> None:
    await db.execute("revoke execute on function pg_notify from public")
    found = worse_than_ok(examined(dsn), "rights")
    assert (
        found.seen
        == "asyncjob_producer cannot insert a scheduled job: permission denied for function pg_notify"
    )
    await db.execute(found.advice)
    assert levels(examined(dsn))["rights"] == {"ok"}


async def test_trigger_that_swallows_what_clients_write_is_found(dsn: str, db: Connection) -> None:
    await db.execute(
        "create function swallow() returns trigger language plpgsql as 'begin return null; end';"
        "create trigger theirs before insert on asyncjob.job for each row execute function swallow()"
    )
    findings = examined(dsn)
    (found, *_) = [each for each in findings if each.about == "rights"]
    assert found.seen == "asyncjob_producer cannot insert a job: nothing was done, and no error raised"
    (told,) = [each for each in findings if each.about == "triggers"]
    assert (told.level, told.seen.split(":")[0]) == (Level.OK, "of the site, asyncjob.job.theirs")


async def test_what_doctor_tries_leaves_nothing_and_tells_nobody(
    dsn: str, db: Connection, daemon: DaemonProcess
) -> None:
    heard: list[object] = []
    for channel in ("asyncjob", f"asyncjob:{await db.fetchval('select id from asyncjob.daemon')}"):
        await db.add_listener(channel, lambda *notification: heard.append(notification))
    assert levels(examined(dsn))["rights"] == {"ok"}
    assert await db.fetchval("select count(*) from asyncjob.job") == 0
    assert (
        await db.fetchval("select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock'")
        == 0
    )
    assert heard == []
    assert await db.fetchval("select last_value from asyncjob.job_id_seq") > 1  # but an id or two


async def test_daemon_says_at_its_start_what_its_role_lacks_and_works_once_it_has_it(
    dsn: str, db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute("alter default privileges revoke execute on functions from public")
    of_role = await stranger_of(dsn, db)
    refused = start_daemon(to=of_role)
    assert refused.wait() == 1
    said = refused.errors.read_text()
    role = urlsplit(of_role).username
    assert said.startswith(
        f"Error: {role} has not what a daemon needs: usage on schema asyncjob, select, insert,"
    )
    await db.execute(said[said.index("grant ") :])
    await insert(db, "succeed", status="'Completed'", finished_at="now() - interval '1 hour'")
    held = await insert(db, "succeed", status="'Hold'")
    await db.execute(
        "insert into asyncjob.execution values ($1, 1, 1, now(), now() - interval '1 hour', 'failed')", held
    )
    daemon = start_daemon(to=of_role, retention={"completed": "1 min", "executions": "1 min"}).ready()
    job_id = await insert(db, "succeed")
    daemon.wait_for("job.completed", job_id=job_id)
    daemon.wait_for("jobs.deleted")
    daemon.wait_for("executions.deleted")
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("blinding", "mending"),
    [
        (
            "alter table asyncjob.job enable row level security",
            "alter table asyncjob.job disable row level security",
        ),
        (
            "create rule theirs as on update to asyncjob.job do instead nothing",
            "drop rule theirs on asyncjob.job",
        ),
    ],
    ids=["policy", "rule"],
)
async def test_daemon_does_not_start_where_it_would_not_see_all_rows(
    dsn: str, db: Connection, start_daemon: NewDaemon, blinding: str, mending: str
) -> None:
    """Without an error its statements would find nothing, or do nothing."""
    everything = "grant usage on schema asyncjob to ROLE; grant all on all tables in schema asyncjob to ROLE"
    of_role = await stranger_of(dsn, db, everything)
    await db.execute(blinding)
    refused = start_daemon(to=of_role)
    assert refused.wait() == 1
    assert mending in refused.errors.read_text()
    found = worse_than_ok(examined(of_role), "sight")
    assert found.level is Level.PROBLEM
    await db.execute(found.advice.split(", or")[0])
    assert "sight" not in levels(examined(of_role))
    start_daemon(to=of_role).ready()


async def test_row_level_security_is_told_to_one_it_does_not_hold_for(dsn: str, db: Connection) -> None:
    await db.execute("alter table asyncjob.execution enable row level security")
    found = worse_than_ok(examined(dsn), "sight")
    assert found.level is Level.WARNING
    assert "asyncjob.execution is on, and does not hold for postgres" in found.seen


async def test_foreign_key_that_keeps_jobs_is_found(dsn: str, db: Connection) -> None:
    await db.execute(
        "create table invoice (job_id bigint references asyncjob.job);"
        "create table receipt (job_id bigint references asyncjob.job on delete cascade)"
    )
    found = worse_than_ok(examined(dsn), "foreign keys")
    assert found.level is Level.WARNING
    assert found.seen.startswith("invoice_job_id_fkey of public.invoice keeps the jobs")


async def test_notifications_that_a_listener_holds_up_are_found(
    dsn: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = await asyncpg.connect(dsn)
    try:
        await listener.execute("listen theirs")
        await listener.execute("begin; select 1")
        for _ in range(10):
            await db.execute("select pg_notify('theirs', repeat('x', 7000))")
        assert levels(await examined_here(dsn))["notifications"] == {"ok"}
        monkeypatch.setattr(server, "HALF_FULL_SHARE", 1e-9)
        found = worse_than_ok(await examined_here(dsn), "notifications")
        assert found.level is Level.WARNING
        assert f"pid {listener.get_server_pid()} (postgres, , idle in transaction)" in found.advice
        monkeypatch.setattr(server, "NEARLY_FULL_SHARE", 1e-9)
        assert worse_than_ok(await examined_here(dsn), "notifications").level is Level.PROBLEM
    finally:
        await listener.close()


async def test_schema_in_which_all_may_create_is_found(dsn: str, db: Connection) -> None:
    await db.execute(
        "create schema shared; create schema apart; grant create on schema public, shared, apart to public"
    )
    await db.execute(f"alter database {urlsplit(dsn).path[1:]} set search_path = shared, public")
    advices = {each.advice for each in examined(dsn) if each.about == "schemas"}
    assert advices == {f"revoke create on schema {name} from public" for name in ("public", "shared")}


async def test_settings_that_reach_into_handlers_are_told(dsn: str, db: Connection) -> None:
    await db.execute(f"alter database {urlsplit(dsn).path[1:]} set statement_timeout = '8s'")
    (told,) = [each for each in examined(dsn) if each.about == "defaults"]
    assert (told.level, told.seen.split(",")[0]) == (Level.OK, "this database sets statement_timeout=8s")


async def test_table_that_somebody_has_locked_is_told(dsn: str, db: Connection) -> None:
    async with db.transaction():
        await db.execute("lock table asyncjob.job")
        findings = await examined_here(dsn)
    for about in ("schema", "rights", "work"):
        assert "LockNotAvailableError" in worse_than_ok(findings, about).seen
    assert levels(findings)["snapshots"] == {"ok"}


async def test_harmful_settings_are_found(dsn: str, db: Connection) -> None:
    for setting in ("synchronous_commit = off", "session_replication_role = replica"):
        await db.execute(f"alter database {urlsplit(dsn).path[1:]} set {setting}")
    found = {each.seen.split(":")[0]: each.level for each in examined(dsn) if each.about == "settings"}
    assert found == {
        "fsync is off": Level.PROBLEM,
        "synchronous_commit is off": Level.WARNING,
        "session_replication_role is replica": Level.PROBLEM,
    }


async def test_connections_that_run_out_are_found(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "NEARLY_ALL_SHARE", 0)
    assert worse_than_ok(await examined_here(dsn), "connections").level is Level.WARNING


@pytest.mark.skipif(not faketime(Path()), reason="there is no libfaketime: apt install libfaketime")
async def test_clock_of_this_host_that_is_wrong_is_found(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("+600s")
    found = worse_than_ok(examined(dsn, environment=faketime(tmp_path / "clock")), "clock")
    assert found.seen.startswith(("this host is 600", "this host is 599"))


async def test_replica_is_found(postgres_bin: Path, tmp_path: Path) -> None:
    if not (postgres_bin / "pg_basebackup").exists():
        pytest.skip("there is no pg_basebackup of this PostgreSQL")
    cluster = Cluster(tmp_path, postgres_bin)
    try:
        await cluster.start()
        await migrate(Database(DatabaseConfig(dsn=cluster.primary.dsn)))
        findings = await asyncio.to_thread(examined, cluster.standby.dsn)
    finally:
        await cluster.stop()
    assert "a replica, which takes no writes" in worse_than_ok(findings, "server").seen
    assert "unserved" in levels(findings)


def test_no_database_is_exit_code_69() -> None:
    (found,) = examined("postgresql://me:hunter2@127.0.0.1:1/nothing", 69)
    assert found.seen.startswith("no database at postgresql://me:***@127.0.0.1:1/nothing")
    done = asyncjobd("--dsn", "postgresql://127.0.0.1:1/nothing", "doctor")
    assert (done.returncode, done.stderr) == (69, "")
    assert done.stdout.startswith("problem  server      no database at")


def test_wrong_configuration_is_exit_code_78(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[daemon]\nlaese = 3\n")
    done = asyncjobd("--config", str(config), "doctor")
    assert done.returncode == 78
    assert "did you mean 'lease'?" in done.stderr


async def test_connection_that_ends_meanwhile_is_told(
    dsn: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut(connection: Connection, _database: Database) -> None:
        await connection.execute("select pg_terminate_backend(pg_backend_pid())")

    cutting = ("cut", cut, ())
    monkeypatch.setattr(
        examination, "EXAMINATION", (examination.EXAMINATION[0], cutting, *examination.EXAMINATION[1:])
    )
    findings = await examined_here(dsn)
    assert "InterfaceError" in worse_than_ok(findings, "work").seen


async def test_lock_that_keeps_it_from_looking_is_told(
    dsn: str, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "LONGEST_STATEMENT_SECONDS", 0.2)
    async with db.transaction():
        await db.execute("lock table asyncjob.job")
        findings = await examined_here(dsn)
    assert "see who holds a lock there" in worse_than_ok(findings, "work").advice


def test_count_that_stops_at_its_limit_says_so() -> None:
    row = {
        "name": "a",
        "waits_because": "it waits",
        "is_active": True,
        "handler": "m:a",
        "queued": 10_000,
        "ready": 2,
        "held": 0,
        "paused_until": None,
    }
    (found,) = work.unserved(Overview([], [row], [], []))
    assert found.seen == "a: 10000+ queued, 2 ready, it waits"
